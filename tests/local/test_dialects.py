"""The acceptance run and the simulator in every dialect, against real web workers; the books balance after each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from casino_pam import demo
from casino_pam.local import certify, demo_data, dialect_play
from casino_pam.local.certify import CasePlay, Different
from casino_pam.local.dialect_play import Act, DialectProvider, DialectShares, Heard, PlayedRound
from casino_pam.local.simulator import Seat
from casino_pam.provider_side import Sender
from tests import clean_books, scenario
from tests.game_client import served
from wallet import providers
from wallet.models import Provider, Transaction

CODES = {dialect: code for code, dialect in demo.PROVIDERS.items()}


@pytest.fixture(scope="module")
def casino(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A demo casino on two real workers; its address."""
    with django_db_blocker.unblock(), override_settings(DEMO=True):
        clean_books.emptied()
        demo_data.load()
        with served() as client:
            yield f"http://127.0.0.1:{client.port}"


def ran(command: str, *args: Any, **options: Any) -> str:
    """What the command said; a failure says it all."""
    out = io.StringIO()
    try:
        call_command(command, *args, stdout=out, stderr=out, **options)
    except (SystemExit, CommandError) as failed:
        pytest.fail(f"{failed}\n{out.getvalue()}")
    return out.getvalue()


@pytest.mark.parametrize("dialect", CODES)
def test_the_given_cases_pass_against_a_running_server(casino: str, dialect: str) -> None:
    said = ran("certify", CODES[dialect], url=casino)
    count = len(certify.cases(dialect))
    assert count > 6
    assert f"{count} of {count} cases of {dialect} passed." in said


@pytest.mark.parametrize("dialect", CODES)
def test_its_providers_habits_leave_journal_and_ledger_agreeing(casino: str, dialect: str) -> None:
    said = ran(
        "simulate", dialect=dialect, url=casino, players=5, seconds=2, rate=0, seed="a",
        retries=0.15, rollbacks=0.2, reordered=0.2,
    )  # fmt: skip
    assert "Journal and ledger agree on all" in said
    assert "undo done" in said or "undo failed" in said
    rows = Transaction.objects.filter(source=CODES[dialect], reference__startswith="sim-")
    assert rows.filter(kind="WIN", status="POSTED").exists()
    assert rows.filter(kind="BET", status="VOID").exists()
    clean_books.reconciled()


def test_a_provider_of_another_secret_passes_no_case(casino: str) -> None:
    provider = Provider.objects.get(code=CODES["beexar"])
    sender = msgspec.structs.replace(demo_data.sender(provider.code), secret="another")
    wrong = [each for each in certify.play(provider, sender, casino) if each.wrong]
    # What is to be refused unproven is refused all the same.
    assert len(wrong) == len(certify.cases("beexar")) - 1


# --- what the comparison finds -----------------------------------------------------------------------


def a_round(heard: Heard | None, **parts: Any) -> PlayedRound:
    """A round of Alice's bet of 10.00 under sim-1, as its provider believes it."""
    seat = Seat("alice", "EUR", 2, 1000, ("slot",))
    return PlayedRound(Act("BET", "sim-1", "sim-1", "sim-1", 1000, seat, "session"), heard, **parts)


def act(kind: str, reference: str, amount: int = 1000) -> Act:
    return Act(kind, reference, "sim-1", "sim-1", amount, Seat("alice", "EUR", 2, 1000, ("slot",)), "session")


def found(*rounds: PlayedRound) -> list[str]:
    provider = DialectProvider("http://127.0.0.1:9", Sender("hub88", "acme", "secret"), "sim-", DialectShares())
    provider.rounds.extend(rounds)
    return list(dialect_play.differences(provider))


@pytest.fixture
def alice(books: None) -> None:
    scenario.catalogue()
    scenario.alice()


def test_finds_nothing_where_all_agree(alice: None) -> None:
    scenario.bet(reference="sim-1")
    scenario.win(reference="sim-1-w", amount="25.00")
    won = a_round(Heard.DONE, win=act("WIN", "sim-1-w", 2500), heard_win=Heard.DONE)
    assert found(won) == []


@pytest.mark.parametrize(
    ("played", "said"),
    [
        ([], "never sent"),
        ([a_round(Heard.REFUSED)], "the provider heard Heard.REFUSED, the ledger has POSTED"),
        ([a_round(Heard.DONE, undo=act("ROLLBACK", "sim-1-r"), heard_undo=Heard.DONE)], "was undone"),
        ([a_round(Heard.DONE, win=act("WIN", "sim-1-w"), heard_win=Heard.DONE)], "WIN sim-1-w"),
        ([msgspec.structs.replace(a_round(Heard.DONE), bet=act("BET", "sim-1", 999))], "sent 999"),
    ],
)
def test_finds_each_way_in_which_they_can_disagree(alice: None, played: list[PlayedRound], said: str) -> None:
    scenario.bet(reference="sim-1")
    assert any(said in line for line in found(*played)), found(*played)


# --- the commands ------------------------------------------------------------------------------------


def test_the_acceptance_run_wants_to_be_told_outside_of_a_demo(alice: None) -> None:
    with override_settings(DEMO=False), pytest.raises(CommandError, match="--yes"):
        call_command("certify", "acme")


@pytest.mark.parametrize(
    ("args", "said"),
    [(["nobody"], "no provider"), (["acme"], "no cases"), (["hub"], "private key"), (["hub", "--key=/nowhere"], "PEM")],
)
def test_the_acceptance_run_says_what_it_lacks(alice: None, args: list[str], said: str) -> None:
    providers.make("hub", {"name": "Hub", "dialect": "hub88"})
    with override_settings(DEMO=True), pytest.raises(CommandError, match=said):
        call_command("certify", *args)


def test_the_acceptance_run_says_so_when_nobody_answers(alice: None) -> None:
    providers.change("acme", {"dialect": "beexar"})
    with override_settings(DEMO=True), pytest.raises(CommandError, match="does not answer"):
        call_command("certify", "acme", url="http://127.0.0.1:9", stdout=io.StringIO())


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ({"a": "1"}, {"a": "2"}),
        ({"a": {"$num": "1"}}, {"a": "1"}),
        ({"a": {"$num": "1"}}, {"a": True}),
        ({"a": False}, {"a": Decimal(0)}),
        ({"a": 0}, {"a": False}),
        ({"a": {"$text": 1}}, {"a": ""}),
        ({"a": {"$absent": 1}}, {"a": None}),
        ({"a": {"$in": ["x", {"$num": "1"}]}}, {"a": "y"}),
        ({"a": [{"b": "1"}]}, {"a": []}),
        ({"a": {"b": "1"}}, {"a": None}),
        ({"a": "1"}, {}),
    ],
)
def test_a_case_finds_what_is_not_as_expected(expected: Any, answer: Any) -> None:
    playing = CasePlay.__new__(CasePlay)
    playing.names, playing.saved = {}, {}
    with pytest.raises(Different):
        playing._match(answer, expected, "")
