"""TLS of the web server: which certificate it shows, where from, and until when.

Nothing of it needs Django: gunicorn reads it before there is a site, and `piranha tls` without one.
"""
