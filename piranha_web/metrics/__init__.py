"""Prometheus metrics of the manager: what its web server counts, and what it knows of its routers."""
