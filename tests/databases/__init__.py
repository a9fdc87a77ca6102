"""The site on a database of its own: SQLite's file, and a real PostgreSQL."""
