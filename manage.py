#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError


def main() -> int:
    """Run a command; 2 and one line where PostgreSQL cannot be reached."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
    # A command is one caller that may take its time; bounds and pools are for the web.
    os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "0")
    os.environ.setdefault("DATABASE_POOL_SIZE", "0")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        # PostgreSQL's own errors carry a code; without one nobody answered.
        if getattr(error.__cause__, "sqlstate", None):
            raise
        print(f"{error}\nPostgreSQL cannot be reached: is `make run` up, or DATABASE_URL right?", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
