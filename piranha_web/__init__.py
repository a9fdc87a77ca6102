"""The site: everything that speaks HTTP, and who may. Importing it costs nothing: pulse's command lives here too."""
