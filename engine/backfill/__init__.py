"""Fill the recorded series from raw history."""
