"""What all dialects do alike: repeats, races, money to the last digit, names of currencies, sessions."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from casino_pam.engine import accounts, sessions
from tests import scenario
from tests.api.game.dialects.dialect_scenario import MALFORMED, NO_MONEY, SIX, Partner, is_in_shape, told, word
from tests.game_client import Door
from wallet import providers
from wallet.models import Currency, GameSession, Transaction

# A debit that is repeated, and a credit, are told so.
REPEATED = {"evolution": {"bet": "BET_ALREADY_EXIST", "win": "BET_ALREADY_SETTLED"}}
# Repeats tell the balance of now, not that of the first time.
OF_NOW = ("pragmatic", "evolution")


def rows(kind: str, status: str = "POSTED") -> int:
    return Transaction.objects.filter(kind=kind, status=status).count()


@pytest.mark.parametrize("dialect", SIX)
def test_answers_what_was_lost_once_more_and_moves_money_once(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    calls = [partner.asked("bet", "b-1"), partner.asked("win", "w-1", bet="b-1", amount="4.00")]
    first = [told(dialect, partner.send(call)) for call in calls]
    assert first == [9000, 9400]
    scenario.deposit("anna", amount=100)
    for kind, call, balance in zip(("bet", "win"), calls, first, strict=True):
        reply = partner.send(call)
        assert word(dialect, reply) == REPEATED.get(dialect, {}).get(kind, "ok")
        assert told(dialect, reply) == (9500 if dialect in OF_NOW else balance)
    assert (rows("BET"), rows("WIN")) == (1, 1)


@pytest.mark.parametrize("dialect", SIX)
def test_takes_no_reference_for_another_amount(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    assert word(dialect, partner.ask("bet", "b-1")) == "ok"
    reused = {
        "beexar": "400", "hub88": "DUPLICATE_TRANSACTION", "swipegames": 400, "slotegrator": "INTERNAL_ERROR",
        "pragmatic": 120, "evolution": "BET_ALREADY_EXIST",
    }  # fmt: skip
    assert word(dialect, partner.ask("bet", "b-1", amount="11.00")) == reused[dialect]
    assert scenario.balances("anna") == (9000, 0, 0)


@pytest.mark.parametrize("dialect", SIX)
def test_posts_one_of_thirty_two_copies_and_answers_all(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player(cash="15.00")
    calls = [partner.asked("bet", "b-1") for _ in range(32)]
    replies = at_once(partner, calls)
    repeated = REPEATED.get(dialect, {}).get("bet", "ok")
    assert Counter(word(dialect, each) for each in replies) == Counter(["ok"] + [repeated] * 31)
    assert {told(dialect, each) for each in replies} == {500}
    # And of thirty-two bets with money for none: each is refused, and tells what there is.
    replies = at_once(partner, [partner.asked("bet", f"b-{n}", round=f"r-{n}") for n in range(2, 34)])
    assert {word(dialect, each) for each in replies} == {NO_MONEY[dialect]}
    assert (rows("BET"), rows("BET", "REFUSED")) == (1, 32)


@pytest.mark.parametrize("dialect", SIX)
def test_moves_nothing_when_a_bet_races_what_undoes_it(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    for turn in range(4):
        name = f"b-{turn}"
        bets = [partner.asked("bet", name, round=name)] * 16
        undo = [partner.asked("undo", f"u-{turn}", original=name, round=name)] * 16
        pairs = zip(bets, undo, strict=True) if turn % 2 else zip(undo, bets, strict=True)
        at_once(partner, [call for pair in pairs for call in pair])
        assert scenario.balances("anna") == (10000, 0, 0)
    assert Transaction.objects.filter(kind="BET").count() == 4


def at_once(partner: Partner, calls: list[Any]) -> list[Any]:
    """The replies to calls that are sent at one moment."""
    waiting = []
    for call in calls:
        path, _, query = call.path.partition("?")
        headers = {"Host": "localhost", **call.headers}
        waiting.append(partner.door.send_request(call.method, path, headers, call.body, query=query.encode()))
    replies = [each.result() for each in waiting]
    for each in replies:
        is_in_shape(partner.dialect, each)
    return replies


# --- money ------------------------------------------------------------------------------------


def raw_amount(dialect: str, text: str) -> Any:
    """An amount as it is written where the dialect wants a number, and as text elsewhere."""
    if dialect == "hub88":
        return msgspec.Raw(text.encode())
    return text


@pytest.mark.parametrize("dialect", SIX)
def test_adds_a_tenth_and_two_tenths_to_three(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player(cash="0.30")
    tenths = ("10000", "20000") if dialect == "hub88" else ("0.1", "0.2")
    balances = []
    for number, tenth in enumerate(tenths):
        amount = raw_amount(dialect, tenth)
        balances.append(told(dialect, partner.ask("bet", f"b-{number}", round=f"r-{number}", amount=amount)))
    assert balances == [20, 0]


GOOD = {
    "beexar": {"10.0000000000000000": 1000, "0.01": 1, "7": 700},
    "hub88": {"1000": 1, "0": 0, "5000000": 5000},
    "swipegames": {"10.000": 1000, "0.01": 1, "0": 0, "7." + "0" * 60: 700},
    "slotegrator": {"007.50": 750, "10.000": 1000, "0": 0},
    "pragmatic": {"007.5": 750, "10.000": 1000, "0.00": 0},
    "evolution": {"10.500000": 1050, "1e1": 1000, "1.05E+1": 1050, "100000e-5": 100, "0": 0, "0.0e20": 0},
}
BAD_TEXTS = [
    "", " 1", "1 ", "+1", "1_0", "1,00", ".5", "5.", "0x1", "\u0661", "NaN", "Infinity", "1e2", "0.001", "10.001",
    "1000000000000.01", "1000000000000000", "9" * 70, "--1",
]  # fmt: skip
BAD = {
    "beexar": [*BAD_TEXTS, "-1.00", "-0", "01.00", "0", "0.00", "1." + "0" * 17, "1" * 41],
    "hub88": [
        "-1000", "1", "999", "1000.0", "1e5", '"1000"', "true", "null", "[]", "1500", "1" * 25, "100000000000000001000",
    ],
    "swipegames": [*BAD_TEXTS, "-1.00", "01.00"],
    "slotegrator": [*BAD_TEXTS, "-1.00"],
    "pragmatic": [*BAD_TEXTS, "-1.00"],
    "evolution": [
        "-1.00", "-0.01", '"10.00"', "0.001", "10.0000001", "1e21", "1e-21", "1e400", "1e15", "1000000000000000",
        "null", "true", "[]", "{}", "1000000000000.01", "123456789012345678901234567890",
    ],
}  # fmt: skip
# What there is to be said of an amount that is none.
NO_AMOUNT = {**MALFORMED, "hub88": "WRONG_TYPES"}


@pytest.mark.parametrize("dialect", SIX)
def test_reads_amounts_by_value_and_takes_no_other(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player(cash="10000000.00")
    spent = 0
    for number, (text, minor) in enumerate(GOOD[dialect].items()):
        amount = raw_amount(dialect, text)
        assert word(dialect, partner.ask("bet", f"g-{number}", round=f"r-{number}", amount=amount)) == "ok", text
        spent += minor
        assert scenario.balances("anna") == (1000000000 - spent, 0, 0), text
    for number, text in enumerate(BAD[dialect]):
        for kind in ("bet", "win"):
            reply = partner.ask(kind, f"w-{number}", round="r-0", bet="g-0", amount=raw_amount(dialect, text))
            wanted = NO_AMOUNT[dialect]
            if dialect == "hub88" and text == "null":
                wanted = "WRONG_SYNTAX"
            assert word(dialect, reply) == wanted, (text, reply)
    assert scenario.balances("anna") == (1000000000 - spent, 0, 0)


@pytest.mark.parametrize("dialect", SIX)
def test_keeps_eight_digits_and_tells_none_and_three_as_they_are(door: Door, dialect: str) -> None:
    for currency, cash, stake, left in (
        ("BTC", "1.00000000", "0.12345678", "0.87654322"),
        ("JPY", "500", "7", "493"),
        ("KWD", "1.000", "0.125", "0.875"),
    ):
        partner = Partner(door, dialect, code=f"of-{currency.lower()}")
        player = f"with-{currency}"
        session = partner.player(player, cash, currency)
        amount: Any = raw_amount(dialect, stake)
        if dialect == "hub88":
            # They have nothing finer than a hundred-thousandth.
            stake, left = ("0.12345", "0.87655") if currency == "BTC" else (stake, left)
            amount = int(Decimal(stake) * 100_000)
        reply = partner.ask("bet", "b-1", player=player, session=session, currency=currency, amount=amount)
        body = json.loads(reply.body, parse_float=str, parse_int=str)
        found = body["cash" if dialect == "pragmatic" else "balance"]
        assert found == (str(int(Decimal(left) * 100_000)) if dialect == "hub88" else left), (currency, reply)
        if dialect == "beexar":
            bonus = {"BTC": "0.00000000", "JPY": "0.00", "KWD": "0.000"}[currency]
            assert reply["transactions"][0]["bonus_amount"] == bonus


def test_hub88_cuts_what_is_finer_than_its_unit_towards_zero(door: Door) -> None:
    partner = Partner(door, "hub88")
    partner.player(cash="0.12345999", currency="BTC")
    assert partner.ask("balance")["balance"] == 12345


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", SIX)
def test_calls_currencies_as_the_provider_does(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect, currencies={"XEUR": "EUR"})
    partner.player()
    named = {"currency": "XEUR"} if dialect not in ("swipegames", "pragmatic") else {}
    reply = partner.ask("bet", "b-1", **named)
    assert told(dialect, reply) == 9000
    if dialect in ("hub88", "pragmatic"):
        assert reply["currency"] == "XEUR"
    if named:
        wrong = {"beexar": "154", "hub88": "WRONG_CURRENCY", "evolution": "INVALID_PARAMETER"}
        for other in ("EUR", "XUSD", "JPY"):
            refusal = word(dialect, partner.ask("bet", "b-2", currency=other))
            assert refusal == wrong.get(dialect, "INTERNAL_ERROR"), other
    providers.change(dialect, {"currencies": {"YEUR": "EUR"}})
    assert told(dialect, partner.ask("bet", "b-3", round="r-3", **({"currency": "YEUR"} if named else {}))) == 8000


@pytest.mark.parametrize("dialect", SIX)
def test_finds_a_currency_that_is_new(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    assert word(dialect, partner.ask("balance")) == "ok"
    Currency.objects.create(code="NEW", digits=2)
    session = partner.player("nora", "5.00", "NEW")
    reply = partner.ask("bet", "b-1", player="nora", session=session, currency="NEW", amount="5.00")
    assert told(dialect, reply) == 0


@pytest.mark.parametrize("dialect", SIX)
def test_counts_references_by_player_where_the_profile_does(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect, reference_scope="player")
    partner.player()
    partner.player("berta")
    for player in ("anna", "berta"):
        assert word(dialect, partner.ask("bet", "b-1", player=player)) == "ok"
        assert word(dialect, partner.ask("win", "w-1", bet="b-1", player=player)) == "ok"
    assert rows("BET") == 2


# --- sessions ---------------------------------------------------------------------------------

WITH_SESSIONS = ("hub88", "swipegames", "pragmatic", "evolution")
ENDED = {"hub88": "TOKEN_EXPIRED", "swipegames": "session_expired", "pragmatic": 4, "evolution": "INVALID_SID"}


def expire() -> None:
    GameSession.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def end() -> None:
    sessions.end_all("anna")


@pytest.mark.parametrize("stop", [expire, end])
@pytest.mark.parametrize("dialect", WITH_SESSIONS)
def test_stops_bets_of_a_session_that_ended_and_never_a_win_or_what_undoes(door: Door, dialect: str, stop: Any) -> None:
    partner = Partner(door, dialect)
    partner.player()
    first = partner.asked("bet", "b-1")
    assert word(dialect, partner.send(first)) == "ok"
    assert word(dialect, partner.ask("bet", "b-2")) == "ok"
    stop()
    assert word(dialect, partner.ask("bet", "b-3")) == ENDED[dialect]
    # What was taken before is answered as it was.
    assert word(dialect, partner.send(first)) == REPEATED.get(dialect, {}).get("bet", "ok")
    assert word(dialect, partner.ask("undo", "u-2", original="b-2")) == "ok"
    assert word(dialect, partner.ask("win", "w-1", bet="b-1", amount="5.00")) == "ok"
    balance = word(dialect, partner.ask("balance"))
    assert balance == ("ok" if dialect in ("swipegames", "pragmatic") else ENDED[dialect])
    assert scenario.balances("anna") == (9500, 0, 0)


UNKNOWN = {"hub88": "INVALID_TOKEN", "swipegames": "session_not_found", "evolution": "INVALID_SID"}


@pytest.mark.parametrize("dialect", UNKNOWN)
def test_knows_no_session_of_another_provider_and_none_that_never_was(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    elsewhere = Partner(door, dialect, code="elsewhere").session("anna")
    for session in (elsewhere, "x" * 32, "no such", "é" * 40, "x" * 500):
        for kind in ("balance", "bet", "win", "undo"):
            assert word(dialect, partner.ask(kind, "b-1", session=session)) == UNKNOWN[dialect], session
    assert rows("BET") == 0


@pytest.mark.parametrize("dialect", ["hub88", "evolution"])
def test_takes_a_session_for_its_own_player_and_currency_alone(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    session = partner.player()
    partner.player("berta")
    wrong = {"hub88": ("INVALID_TOKEN", "WRONG_CURRENCY"), "evolution": ("INVALID_PARAMETER", "INVALID_PARAMETER")}
    for kind in ("bet", "win"):
        assert word(dialect, partner.ask(kind, "b-1", player="berta", session=session)) == wrong[dialect][0]
        assert word(dialect, partner.ask(kind, "b-1", currency="JPY")) == wrong[dialect][1]
    assert (rows("BET"), rows("WIN")) == (0, 0)


DISABLED = {
    "beexar": "110", "hub88": "USER_DISABLED", "swipegames": "account_blocked", "slotegrator": "INTERNAL_ERROR",
    "pragmatic": 6, "evolution": "ACCOUNT_LOCKED",
}  # fmt: skip


@pytest.mark.parametrize("dialect", SIX)
def test_takes_no_bet_of_a_player_who_is_locked_or_excluded(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    accounts.change("anna", bet_locked=True)
    assert word(dialect, partner.ask("bet", "b-1")) == DISABLED[dialect]
    accounts.change("anna", bet_locked=False, excluded_until=timezone.now() + timedelta(days=1))
    assert word(dialect, partner.ask("bet", "b-2")) == DISABLED[dialect]
    assert word(dialect, partner.ask("balance")) == ("ok" if dialect not in ("hub88", "evolution") else ENDED[dialect])


@pytest.mark.parametrize("dialect", SIX)
def test_knows_no_player_that_is_not_there(door: Door, dialect: str) -> None:
    partner = Partner(door, dialect)
    partner.player()
    wanted = {"beexar": "101", "pragmatic": 2, "slotegrator": "INTERNAL_ERROR"}.get(dialect, UNKNOWN.get(dialect))
    for kind in ("balance", "bet"):
        assert word(dialect, partner.ask(kind, "b-1", player="nobody")) == wanted
