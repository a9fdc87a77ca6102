"""The domain of Linux Virtual Server clusters; works with no web server."""
