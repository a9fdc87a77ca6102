"""What `make run` starts, step by step."""
