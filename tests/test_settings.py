"""What reaches PostgreSQL from the settings, seen from PostgreSQL."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_bounds_every_statement_at_three_seconds() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("3s",)
