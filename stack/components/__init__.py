"""Know the parts of a stack: what each runs, needs and offers."""
