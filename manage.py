#!/usr/bin/env python
"""Django's command line. Whatever goes wrong is one line on stderr and a code, never a traceback of what was expected.

1 is a command's own no, 2 that it could not begin or go on, 130 that somebody pressed Ctrl-C, 141 that nobody reads
its output any more.
"""

import contextlib
import os
import signal
import sys

INTERRUPTED = 128 + signal.SIGINT
NOBODY_READS = 128 + signal.SIGPIPE


def main() -> int:
    """Run a command."""
    _open_what_is_closed()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "casino_pam.settings")
    # A command is one caller that may take its time; bounds and pools are for the web.
    os.environ.setdefault("DATABASE_STATEMENT_SECONDS", "0")
    os.environ.setdefault("DATABASE_POOL_SIZE", "0")
    if "DATABASE_DIRECT_URL" in os.environ:
        # Commands keep locks and settings for their session, which PgBouncer would lend to others.
        os.environ |= {"DATABASE_URL": os.environ["DATABASE_DIRECT_URL"], "DATABASE_PGBOUNCER": "off"}
    try:
        code = _run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        code = NOBODY_READS
    except OSError as error:
        if "--traceback" in sys.argv:
            raise
        print(f"{_named()} cannot go on: {error}", file=sys.stderr)
        code = 2
    # What is left to be written would fail once more when the interpreter ends.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
            continue
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _run() -> int:
    import psycopg
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import Error

    from wallet.errors import Busy
    from wallet.pg import faults

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 2
    except Busy as busy:
        if "--traceback" in sys.argv:
            raise
        print(busy.facts.get("detail", f"PostgreSQL is {busy.code}: run {_named()} again."), file=sys.stderr)
        return 2
    except (Error, psycopg.Error) as error:
        # Django's own carry PostgreSQL's behind them; where nobody answered there is no state.
        state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
        if "--traceback" in sys.argv:
            raise
        if state == "42P01":
            text = "The database lacks tables: run `manage.py migrate`, or see whether DATABASE_URL is right."
        elif state == "25006":
            text = "PostgreSQL takes no writes here: DATABASE_URL leads to a standby, or its primary is read-only."
        elif faults.fault(error) is None:
            raise
        elif state:
            text = f"PostgreSQL ended {_named()}: run it again."
        else:
            text = "PostgreSQL cannot be reached: is `make run` up, or DATABASE_URL right?"
        print(f"{str(error).strip()}\n{text}", file=sys.stderr)
        return 2
    return 0


def _named() -> str:
    return f"manage.py {sys.argv[1] if len(sys.argv) > 1 else 'help'}"


def _open_what_is_closed() -> None:
    """A stream that the shell has closed (`>&-`) swallows what it is given; else a connection would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
