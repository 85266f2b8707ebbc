"""Who is let in at the game door, and for how long a secret opens it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import DatabaseError

from casino_pam.api.game.directory import Directory
from casino_pam.engine import posting
from casino_pam.engine.commands import AnyRequest
from casino_pam.engine.queue import PostingQueue
from tests import operators, scenario
from tests.game_client import Door, asgi_headers, path_of, raw, signed
from wallet.models import Provider, Transaction

BET = {"player": "alice", "currency": "EUR", "reference": "r-1", "round": "x", "game": "slot-1", "amount": "10.00"}
BODY = raw(BET)
BODIES: dict[str, dict[str, Any]] = {
    "balance": {"player": "alice", "currency": "EUR"},
    "bet": BET,
    "win": BET,
    "rollback": {"player": "alice", "reference": "r-1", "original": "r-0"},
    "end-round": {"player": "alice", "currency": "EUR", "reference": "r-1", "round": "x"},
    "batch": {"player": "alice", "currency": "EUR", "operations": [{**BET, "op": "bet"}]},
    "bulk": {"operations": [{**BET, "op": "bet"}]},
    "transaction": {"player": "alice", "reference": "r-1", "kind": "bet"},
}
NOW = int(time.time())


def plays() -> int:
    return Transaction.objects.exclude(kind="DEPOSIT").count()


@pytest.fixture
def nothing_posted(door: Door) -> Iterator[None]:
    yield
    assert plays() == 0


def turned_away(door: Door, headers: Any, call: str = "bet", body: bytes = BODY) -> None:
    reply = door.request("POST", path_of(call), headers, body)
    assert (reply.status, reply["code"], reply["retry"]) == (401, "unauthenticated", False), reply.body
    # The caller learns no more than that: no check, no provider, no balance.
    assert set(reply.json) == {"type", "title", "status", "detail", "code", "retry", "request_id"}


def changed(name: str, value: str | None) -> dict[str, str]:
    headers = signed("bet", BODY)
    return {**headers, name: value} if value is not None else {k: v for k, v in headers.items() if k != name}


BAD_HEADERS: dict[str, list[str | None]] = {
    "X-Provider": [None, "", "nobody", "zenith", "ACME", "acme ", "acme,acme", "é", "cashier", "a" * 70, "\x00"],
    "X-Timestamp": [
        None, "", "nan", "inf", "-1", "0", "1e9", "9" * 30, str(NOW - 400), str(NOW + 400), f"{NOW}.0", f" {NOW}",
        f"+{NOW}", "\u0661\u0667".encode().decode("latin-1"), str(NOW + 1), "\x00",
    ],
    "X-Signature": [None, "", "0" * 64, "0" * 63, "0" * 65, "f" * 128, "é" * 64, "sha256=" + "0" * 64, "\x00" * 64],
}  # fmt: skip


@pytest.mark.usefixtures("nothing_posted")
@pytest.mark.parametrize("name", BAD_HEADERS)
def test_turns_away_a_missing_or_bad_header(door: Door, name: str) -> None:
    for value in BAD_HEADERS[name]:
        turned_away(door, changed(name, value))


@pytest.mark.usefixtures("nothing_posted")
def test_turns_away_a_repeated_header(door: Door) -> None:
    once = asgi_headers(signed("bet", BODY))
    for name in (b"x-provider", b"x-timestamp", b"x-signature"):
        turned_away(door, [*once, (name, dict(once)[name])])


@pytest.mark.usefixtures("nothing_posted")
def test_turns_away_a_good_signature_on_anything_else(door: Door) -> None:
    for call in BODIES:
        if call != "bet":
            turned_away(door, signed("bet", BODY), call=call)
    for body in (BODY + b" ", BODY[:-1], b"", raw({**BET, "amount": "1.00"})):
        turned_away(door, signed("bet", BODY), body=body)
    turned_away(door, {**signed("bet", BODY), "X-Timestamp": str(NOW - 7)})
    turned_away(door, {**signed("bet", BODY, provider="zenith"), "X-Provider": "acme"})
    turned_away(door, signed("bet", BODY, secret="acme-secret "))


@pytest.mark.usefixtures("nothing_posted")
def test_turns_away_whoever_is_not_signed_at_every_call(door: Door) -> None:
    for call, body in BODIES.items():
        turned_away(door, signed(call, raw(body), secret="wrong"), call, raw(body))


def test_answers_the_same_bytes_again_as_the_first_time(door: Door) -> None:
    headers = signed("bet", BODY)
    first, second = (door.request("POST", path_of("bet"), headers, BODY) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert {**first.json, "replayed": True} == second.json
    assert plays() == 1


@pytest.mark.parametrize("age", [-290, 290])
def test_takes_a_clock_that_is_wrong_by_less_than_five_minutes(door: Door, age: int) -> None:
    assert door.post("bet", BET, at=int(time.time()) - age).status == 200


def test_knows_the_provider_from_its_signature_alone(door: Door) -> None:
    """What the body says of a provider or source is nobody's business: two providers share a reference."""
    for provider in ("acme", "zenith"):
        assert door.post("bet", {**BET, "provider": "acme", "source": "cashier"}, provider=provider).status == 200
    assert set(Transaction.objects.filter(kind="BET").values_list("source", flat=True)) == {"acme", "zenith"}


# --- secrets come and go ---------------------------------------------------------------------


def on_acme(change: Callable[[Provider], Any]) -> Any:
    acme = Provider.objects.get(code="acme")
    returned = change(acme)
    acme.save()
    return returned


def revoke(*, older_only: bool) -> Callable[[Provider], None]:
    return lambda acme: acme.revoke(older_only=older_only)


def test_lets_a_new_provider_and_a_new_secret_in_at_once(door: Door) -> None:
    assert door.post("bet", BET).status == 200
    new = on_acme(Provider.rotate)
    assert door.post("bet", BET, secret=new)["replayed"] is True
    late = Provider(code="late", name="Late")
    late.set_secret("late-secret")
    late.save()
    assert door.post("bet", BET, provider="late").status == 200


def test_takes_two_live_secrets_until_the_older_is_revoked(door: Door) -> None:
    new = on_acme(Provider.rotate)
    for secret in ("acme-secret", new, "acme-secret"):
        assert door.post("balance", BODIES["balance"], secret=secret).status == 200
    on_acme(revoke(older_only=True))
    turned_away(door, signed("bet", BODY))
    assert door.post("balance", BODIES["balance"], secret=new).status == 200
    newest = on_acme(Provider.rotate)
    assert door.post("balance", BODIES["balance"], secret=new).status == 200
    on_acme(Provider.rotate)
    turned_away(door, signed("bet", BODY, secret=new))
    assert door.post("balance", BODIES["balance"], secret=newest).status == 200


@pytest.mark.usefixtures("nothing_posted")
def test_knows_a_revoked_secret_as_dead_at_once_at_every_call(door: Door) -> None:
    """The door has the old secret by heart, and believes the signature; the engine does not."""
    assert door.post("balance", BODIES["balance"]).status == 200
    on_acme(revoke(older_only=False))
    for call, body in BODIES.items():
        turned_away(door, signed(call, raw(body)), call, raw(body))


def test_scopes_references_as_the_operator_has_just_said(door: Door) -> None:
    """The door has the old scope by heart; a reference stored under the wrong one would be lost to its provider."""
    assert door.post("balance", BODIES["balance"]).status == 200
    acme = Provider.objects.get(code="acme")
    choices = ("replay_balance", "zero_amount", "late_win", "unknown_rollback", "late_bet")
    more = ("rollback_after_win", "win_rollback", "code", "name")
    fields = {name: getattr(acme, name) for name in (*choices, *more)}
    form = {**fields, "enabled": "on", "reference_scope": "player"}
    assert operators.sue().post(f"/admin/wallet/provider/{acme.pk}/change/", form).status_code == 302
    assert door.post("bet", BET)["reference"] == "r-1"
    assert Transaction.objects.get(kind="BET").reference == "alice\x1fr-1"


class Interrupted(PostingQueue):
    """Lets something happen between the check of a signature and the posting of its commands."""

    def __init__(self, *changes: Callable[[Provider], Any]) -> None:
        super().__init__(self._post_later)
        self.changes = list(changes)

    def _post_later(self, asked: Sequence[AnyRequest]) -> list[posting.Outcome]:
        if self.changes:
            on_acme(self.changes.pop(0))
        return posting.post(asked)


@pytest.mark.parametrize("call", BODIES)
def test_checks_again_and_posts_once_when_secrets_change_underway(books: None, call: str) -> None:
    scenario.catalogue()
    scenario.alice()
    with Door(Interrupted(Provider.rotate)) as door:
        reply = door.post(call, BODIES[call])
        assert reply.status == (404 if call == "transaction" else 200), reply.body
        assert plays() == (0 if call in ("balance", "transaction") else 2 if call == "rollback" else 1)


@pytest.mark.parametrize("call", BODIES)
def test_posts_nothing_when_the_secret_is_revoked_underway(books: None, call: str) -> None:
    scenario.catalogue()
    scenario.alice()
    with Door(Interrupted(revoke(older_only=False))) as door:
        turned_away(door, signed(call, raw(BODIES[call])), call, raw(BODIES[call]))
    assert plays() == 0


def test_says_busy_when_secrets_change_twice_underway(books: None) -> None:
    scenario.catalogue()
    scenario.alice()

    def refreshed(acme: Provider) -> None:
        acme.secrets_version += 1

    with Door(Interrupted(refreshed, refreshed)) as door:
        reply = door.post("bet", BET)
    assert (reply.status, reply["code"], reply["retry"]) == (503, "busy", True)
    assert plays() == 0


def test_tells_operations_of_a_bulk_apart_when_the_secret_is_revoked_half_way(
    books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.catalogue()
    scenario.alice()
    monkeypatch.setattr("casino_pam.engine.queue.LARGEST_BATCH", 1)
    operations = [{**BET, "op": "bet", "reference": f"r-{number}"} for number in range(3)]
    with Door(Interrupted(lambda acme: None, revoke(older_only=False))) as door:
        reply = door.post("bulk", {"operations": operations})
    assert [each["status"] for each in reply["results"]] == ["posted", 401, 401]
    assert plays() == 1


def test_tells_what_was_posted_of_a_bulk_when_the_secrets_cannot_be_read_again(
    books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.catalogue()
    scenario.alice()
    monkeypatch.setattr("casino_pam.engine.queue.LARGEST_BATCH", 1)

    def away(house: Directory) -> None:
        raise DatabaseError

    def rotate_and_go(acme: Provider) -> None:
        acme.rotate()
        monkeypatch.setattr(Directory, "_read", away)

    operations = [{**BET, "op": "bet", "reference": f"r-{number}"} for number in range(3)]
    with Door(Interrupted(lambda acme: None, rotate_and_go)) as door:
        reply = door.post("bulk", {"operations": operations})
    assert [each["status"] for each in reply["results"]] == ["posted", 503, 503]
    assert plays() == 1
