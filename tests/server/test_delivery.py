"""Events on their way: each at least once, in order per player, whatever an endpoint or a sender does."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from casino_pam import delivery
from casino_pam.api.game.signing import read_claim, verify
from casino_pam.engine import accounts
from casino_pam.local.os_support import PROJECT, free_port
from tests import scenario
from tests.event_receiver import UntilIdle, endpoint, receiver, takes_all
from tests.running_system import eventually
from tests.server.test_commands import environment, manage
from wallet.models import Delivery, Endpoint, Job, Transaction
from wallet.models.endpoint import validate_url

PLAYERS = ("alice", "bob")


@pytest.fixture(autouse=True)
def house(books: None, settings: Any) -> None:
    settings.PLAIN_HTTP = True
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")


def send(code: str = "crm") -> None:
    delivery.deliver(code, UntilIdle())


def held(who: str, times: int = 1) -> None:
    for _ in range(times):
        scenario.hold(who, "1.00", reference=scenario.fresh("hold"))


def states(code: str = "crm") -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Delivery.objects.filter(endpoint__code=code).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def time_passes() -> None:
    """Until the next attempt is due."""
    Delivery.objects.filter(retry_at__isnull=False).update(retry_at=Now())
    Endpoint.objects.update(retry_at=Now())


def test_events_come_in_order_signed_as_at_our_door():
    with receiver() as crm:
        kept = endpoint(crm.port)
        scenario.hold("alice", "1.00", reference="w")
        scenario.settle("w")
        held("bob")
        send()
    assert [kind for who, kind in crm.told if who == "alice"] == ["withdrawal.held", "withdrawal.settled"]
    assert states() == {"delivered": 3}
    for path, headers, body in crm.requests:
        assert (path, headers["content-type"]) == ("/events?of=crm", "application/json")
        claim = read_claim(
            [(name.encode(), value.encode()) for name, value in headers.items()], timezone.now().timestamp()
        )
        secret = kept.signing_secret()
        assert secret is not None
        assert claim.provider == "crm"
        verify(claim, b"/events", body, [secret])
    after = Endpoint.objects.get()
    assert (after.answer, after.failures) == ("200 OK", 0)
    assert after.delivered_at is not None


def test_a_refused_event_holds_up_its_player_and_nobody_else():
    refuses = [True]

    def answer(event: Any) -> tuple[int, dict[str, str]]:
        return (500 if refuses[0] and event["player"] == "alice" else 204), {}

    with receiver(answer) as crm:
        endpoint(crm.port)
        held("alice", 3)
        held("bob", 2)
        send()
        assert sorted(crm.told) == [("alice", "withdrawal.held"), *[("bob", "withdrawal.held")] * 2]
        send()
        assert len(crm.told) == 3
        time_passes()
        send()
        assert len(crm.told) == 4
        refuses[0] = False
        time_passes()
        send()
    assert states() == {"delivered": 5}
    of_alice = [event["withdrawal"]["reference"] for event in crm.events if event["player"] == "alice"]
    first, second, third = dict.fromkeys(of_alice)
    assert of_alice == [first] * 3 + [second, third]
    holds = Transaction.objects.filter(wallet__player__code="alice", kind="HOLD").order_by("version")
    assert [first, second, third] == list(holds.values_list("reference", flat=True))
    assert Delivery.objects.order_by("id")[0].attempts == 3


def test_pauses_double_up_to_five_minutes():
    assert [delivery.pause(n) for n in (1, 2, 3, 9, 10, 1_000)] == [1, 2, 4, 256, 300, 300]


def test_an_endpoint_that_is_down_is_left_alone_and_stops_no_other():
    with receiver() as crm:
        endpoint(free_port(), "down")
        endpoint(crm.port)
        for who in PLAYERS:
            held(who, 2)
        for _ in range(3):
            send("down")
        send()
        assert (states("down"), states()) == ({"pending": 4}, {"delivered": 4})
        down = Endpoint.objects.get(code="down")
        assert down.failures == 1
        assert down.retry_at is not None and down.retry_at > timezone.now() - timedelta(seconds=1)
        assert "ConnectorError" in down.answer
        assert set(Delivery.objects.filter(endpoint=down).values_list("attempts", flat=True)) == {0}
        time_passes()
        send("down")
        assert Endpoint.objects.get(code="down").failures == 2
        Endpoint.objects.filter(code="down").update(url=f"http://127.0.0.1:{crm.port}/moved")
        for _ in range(2):
            time_passes()
            send("down")
    assert states("down") == {"delivered": 4}
    assert Endpoint.objects.get(code="down").failures == 0


def test_an_endpoint_that_never_answers_is_waited_for_no_longer_than_an_attempt_may_take(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(delivery, "ATTEMPT_SECONDS", 0.2)
    let_go = threading.Event()

    def answer(event: Any) -> tuple[int, dict[str, str]]:
        let_go.wait(60)
        return 200, {}

    with receiver(answer) as crm:
        endpoint(crm.port)
        held("alice")
        send()
        let_go.set()
    row = Delivery.objects.get()
    assert (row.state, row.answer, row.attempts) == ("pending", "no answer within 0.2 s", 1)
    assert Endpoint.objects.get().failures == 0


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
def test_nothing_but_2xx_takes_an_event_and_no_redirect_is_followed(status: int):
    with receiver(lambda event: (status, {"Location": "/elsewhere"})) as crm:
        endpoint(crm.port)
        held("alice")
        send()
    assert [path for path, _, _ in crm.requests] == ["/events?of=crm"]
    assert states() == {"pending": 1}
    assert Delivery.objects.get().answer.startswith(str(status))


def test_a_huge_answer_is_not_read():
    with receiver(lambda event: (200, {"Content-Length": str(10**9)})) as crm:
        endpoint(crm.port)
        held("alice")
        send()
    assert states() == {"delivered": 1}


# --- order ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_an_event_that_is_committed_late_is_not_overtaken(monkeypatch: pytest.MonkeyPatch, guarded: bool):
    """With the guard off the later one is sent first."""
    if not guarded:
        monkeypatch.setattr(delivery, "_DUE", delivery._DUE.replace(delivery._SETTLED, "true"))
    written, go_on = threading.Event(), threading.Event()

    def excludes() -> None:
        with transaction.atomic():
            accounts.exclude("alice", timezone.now() + timedelta(days=1))
            written.set()
            assert go_on.wait(60)
        connection.close()

    with receiver() as crm:
        endpoint(crm.port)
        slow = threading.Thread(target=excludes)
        slow.start()
        assert written.wait(60)
        held("alice")
        send()
        before = list(crm.told)
        go_on.set()
        slow.join()
        send()
    exclusion, hold = ("alice", "player.excluded"), ("alice", "withdrawal.held")
    assert (before, crm.told) == (([], [exclusion, hold]) if guarded else ([hold], [hold, exclusion]))


def test_work_in_another_database_of_the_server_delays_events_and_loses_none():
    """PostgreSQL tells the oldest transaction of all its databases, not of one."""
    claim = UntilIdle()
    with receiver() as crm:
        endpoint(crm.port)
        with psycopg.connect(**{**connection.get_connection_params(), "dbname": "postgres"}) as other:
            other.execute("SELECT pg_current_xact_id()")
            held("alice")
            delivery.deliver("crm", claim)
            assert crm.told == []
        send()
    assert crm.told == [("alice", "withdrawal.held")]


def test_after_a_restore_into_another_cluster_what_waited_goes_first():
    with receiver() as crm:
        endpoint(crm.port)
        scenario.hold("alice", "1.00", reference="w")
        Delivery.objects.update(position=2**60)
        scenario.settle("w")
        send()
    assert [kind for _, kind in crm.told] == ["withdrawal.held", "withdrawal.settled"]


_KILLED = """
import sys, django
django.setup()
from casino_pam import delivery
from tests.event_receiver import UntilIdle
delivery.deliver("crm", UntilIdle())
"""


def test_what_a_killed_sender_has_sent_and_not_written_down_is_sent_again_under_its_id():
    process: list[subprocess.Popen[bytes]] = []
    started = threading.Event()

    def answer(event: Any) -> tuple[int, dict[str, str]]:
        if not killed.is_set():
            assert started.wait(60)
            process[0].kill()
            process[0].wait()
            killed.set()
        return takes_all(event)

    killed = threading.Event()
    with receiver(answer) as crm:
        endpoint(crm.port)
        held("alice", 2)
        env = environment(DJANGO_SETTINGS_MODULE="casino_pam.settings", PLAIN_HTTP="on")
        process.append(subprocess.Popen([sys.executable, "-c", _KILLED], cwd=PROJECT, env=env))
        started.set()
        process[0].wait(60)
        assert killed.wait(60)
        assert states() == {"pending": 2}
        send()
    first, again, second = [event["id"] for event in crm.events]
    assert first == again != second
    assert states() == {"delivered": 2}


def test_run_jobs_sends_events_as_they_come():
    with receiver() as crm:
        endpoint(crm.port)
        held("alice")
        with manage("run_jobs", env=environment(PLAIN_HTTP="on")) as process:
            eventually(lambda: crm.requests or process.poll() is not None, "the event")
            held("bob")
            eventually(lambda: len(crm.requests) == 2 or process.poll() is not None, "the next one")
            process.terminate()
            _, said = process.communicate(timeout=60)
    assert (process.returncode, crm.told) == (0, [("alice", "withdrawal.held"), ("bob", "withdrawal.held")]), said
    assert states() == {"delivered": 2}
    job = Job.objects.get(name="deliver:crm")
    assert (job.outcome, job.result, job.holder) == ("done", "Delivered 2 events.", "")


# --- for how long --------------------------------------------------------------------------------


def test_a_disabled_endpoint_is_sent_nothing_until_it_is_enabled_again():
    with receiver() as crm:
        kept = endpoint(crm.port)
        held("alice")
        Endpoint.objects.update(enabled=False)
        held("alice")
        send()
        assert crm.told == []
        Endpoint.objects.update(enabled=True)
        send(kept.code)
    assert len(crm.told) == 1


def test_events_are_given_up_forgotten_and_sent_again(settings: Any):
    settings.EVENT_GIVE_UP_HOURS, settings.EVENT_KEPT_DAYS = 72, 35
    with receiver() as crm:
        kept = endpoint(crm.port)
        held("alice")
        held("bob")
        Delivery.objects.filter(player="alice").update(since=Now() - timedelta(hours=73))
        call_command("tidy_events")
        assert states() == {"failed": 1, "pending": 1}
        send()
        assert crm.told == [("bob", "withdrawal.held")]
        now = timezone.now()
        assert delivery.replay(kept, now - timedelta(hours=1), now, "alice") == 1
        call_command("tidy_events")
        send()
        assert delivery.replay(kept, now - timedelta(hours=1), now) == 2
        send()
    assert len(crm.told) == 4
    assert states() == {"delivered": 2}
    Delivery.objects.filter(player="alice").update(ended_at=Now() - timedelta(days=36))
    call_command("tidy_events")
    assert [row.player for row in Delivery.objects.all()] == ["bob"]


# --- endpoints -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://crm.example/", False),
        ("ftp://crm.example/", True),
        ("https://", True),
        ("https://user:password@crm.example/", True),
        ("https://crm.example/#x", True),
        ("https://crm.example:0/", True),
        ("https://crm.example:99999/", True),
        ("https://[::1", True),
        ("https://crm.example/ü", True),
        ("https://crm.example/\n", True),
        ("file:///etc/passwd", True),
        ("", True),
    ],
)
def test_events_are_sent_to_sound_addresses_only(settings: Any, url: str, plain: bool):
    settings.PLAIN_HTTP = plain
    with pytest.raises(ValidationError):
        validate_url(url)


@pytest.mark.parametrize("url", ["https://crm.example", "https://crm.example:8443/a%2Fb?c=d"])
def test_https_is_sound(settings: Any, url: str):
    settings.PLAIN_HTTP = False
    validate_url(url)


def test_an_address_that_is_allowed_no_longer_gets_nothing(settings: Any):
    with receiver() as crm:
        endpoint(crm.port)
        held("alice")
        settings.PLAIN_HTTP = False
        send()
    assert crm.requests == []
    assert "https" in Endpoint.objects.get().answer


def test_secrets_are_encrypted_anew_under_a_new_key(settings: Any, capsys: pytest.CaptureFixture[str]):
    kept = endpoint(1)
    before = kept.signing_secret()
    settings.SECRETS_KEY_FALLBACKS = [settings.SECRETS_KEY]
    settings.SECRETS_KEY = "another key of more than 32 letters"
    call_command("encrypt_secrets")
    settings.SECRETS_KEY_FALLBACKS = []
    assert Endpoint.objects.get().signing_secret() == before
    settings.SECRETS_KEY = "a third key of more than 32 characters"
    assert Endpoint.objects.get().signing_secret() is None
