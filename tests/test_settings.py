"""What reaches PostgreSQL from the settings, seen from PostgreSQL."""

import pytest
from django.db import connection


def test_bounds_every_statement_at_three_seconds(books: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("3s",)
