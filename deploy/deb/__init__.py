"""The Debian packages: `build.py` makes them, from a checkout and the wheels of requirements.lock."""
