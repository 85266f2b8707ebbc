#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
    # A command is one caller that may take its time; bounds and pools are for the web.
    os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "0")
    os.environ.setdefault("DATABASE_POOL_SIZE", "0")
    execute_from_command_line(sys.argv)
