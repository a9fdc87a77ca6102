"""The manager's `piranha` commands: a module for the words of each, and one, `*_command`, for the deed."""
