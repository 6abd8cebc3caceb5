"""Drive the compiler: pipeline, writer, reporters and command line."""
