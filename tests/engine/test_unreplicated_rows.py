"""A row that a crash or an ended session left on the primary alone answers nobody until the standby has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from casino_pam.engine import commands, posting
from tests import scenario
from tests.prepared_servers import prepared_servers
from tests.running_system import eventually
from wallet.errors import Busy

PATIENCE_SECONDS = 0.3


@pytest.fixture
def superuser(django_db_blocker: Any) -> Iterator[psycopg.Connection[Any]]:
    """On a PostgreSQL of this test's own, whose synchronous standby is away; Alice has 100.00 there."""
    with prepared_servers(redis=False) as servers, django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        [server] = servers.running
        connection.close()
        for name, value in (("NAME", "casino"), ("PORT", str(server.port)), ("PASSWORD", server.password)):
            patch.setitem(connection.settings_dict, name, value)
        scenario.catalogue()
        scenario.alice()
        with server.connect() as superuser:
            standbys(superuser, "nobody")
            yield superuser
            standbys(superuser, "")
        connection.close()


def standbys(superuser: psycopg.Connection[Any], names: str) -> None:
    superuser.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    superuser.execute("SELECT pg_reload_conf()")
    eventually(lambda: superuser.execute("SHOW synchronous_standby_names").fetchone() == (names,), "the setting")


def soon() -> float:
    return time.monotonic() + PATIENCE_SECONDS


def waiting(superuser: psycopg.Connection[Any], what: str = "pid") -> list[Any]:
    """The sessions whose COMMIT waits for the standby."""
    return superuser.execute(f"SELECT {what} FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchall()


def test_a_repeat_of_a_bet_that_only_the_primary_has_is_answered_when_the_standby_has_it(
    superuser: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bet() -> Any:
        return scenario.bet(reference="bet", deadline=soon())

    assert isinstance(bet(), Busy)
    assert isinstance(bet(), Busy), "the COMMIT still holds the wallet"
    # What a crash that is recovered in place does, too: the row is there for all to see, and nowhere else.
    waiting(superuser, "pg_terminate_backend(pid)")
    eventually(lambda: not waiting(superuser), "the end of the waiting sessions")
    with monkeypatch.context() as guard_off:
        guard_off.setattr(posting, "_rests_on_rows", lambda requests: False)
        assert bet().replayed
    assert isinstance(bet(), Busy)
    found = commands.Find(source="acme", player="alice", at=scenario.NOON, kind="BET", reference="bet", deadline=soon())
    assert isinstance(posting.ask(found), Busy)
    # How things stand is told without a wait.
    asked = commands.Balance(source="acme", player="alice", at=scenario.NOON, currency="EUR", deadline=soon())
    assert posting.ask(asked).cash == scenario.eur("90.00")
    standbys(superuser, "")
    answer = bet()
    assert (answer.status, answer.replayed) == ("posted", True)


def test_without_synchronous_standbys_a_repeat_writes_nothing(superuser: psycopg.Connection[Any]) -> None:
    standbys(superuser, "")
    first = scenario.bet(reference="bet")
    position = superuser.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
    assert scenario.bet(reference="bet").row.id == first.row.id
    assert superuser.execute("SELECT pg_current_wal_insert_lsn()").fetchone() == position
