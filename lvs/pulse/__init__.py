"""The daemon that owns a router's kernel state."""
