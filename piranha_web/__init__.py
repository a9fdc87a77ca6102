"""The site: everything that speaks HTTP, and who may. Importing it is cheap: pulse's command is here too."""
