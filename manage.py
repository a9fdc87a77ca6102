#!/usr/bin/env python3
"""Django's commands for the site: migrate, createsuperuser and the like are run through here."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "piranha_web.settings")
    execute_from_command_line(sys.argv)
