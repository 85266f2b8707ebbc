"""PLAY.md rule 5 and §1: which refusal comes first, what it tells, and which are remembered."""

from __future__ import annotations

import pytest

from bonus import lifecycle
from casino_pam.engine import commands
from tests import cast
from wallet.errors import Refused
from wallet.models import Currency, Game, Player, Provider, Transaction, Wallet
from wallet.money import MAX_BALANCE


@pytest.fixture(autouse=True)
def house(books):
    cast.house()
    cast.alice("100.00")
    cast.bob("100.00")


def find(reference, kind="BET", source="acme"):
    return cast.do(commands.Find(source=source, player="alice", at=cast.NOON, kind=kind, reference=reference))


def lock(**fields):
    Player.objects.filter(code="alice").update(**fields)


# --- 5: refusals --------------------------------------------------------------------------------


REMEMBERED = {
    "bet without funds": (None, lambda: cast.bet(reference="r", amount="500.00"), "insufficient_funds"),
    "bet when locked": ("bet_locked", lambda: cast.bet(reference="r"), "wallet_locked"),
    "hold without funds": (None, lambda: cast.hold(reference="r", amount="500.00"), "insufficient_funds"),
    "hold when locked": ("withdraw_locked", lambda: cast.hold(reference="r"), "wallet_locked"),
    "deposit when locked": ("deposit_locked", lambda: cast.deposit("alice", reference="r", amount=5), "wallet_locked"),
    "adjustment below zero": (None, lambda: cast.adjust(reference="r", amount="-500.00"), "insufficient_funds"),
    "bet on a closed round": (None, lambda: cast.bet(reference="r", round="closed"), "round_closed"),
}


@pytest.mark.parametrize("case", REMEMBERED)
def test_rule_5_a_refusal_is_remembered_for_ever(case):
    cast.end_round(round="closed")
    locked, act, code = REMEMBERED[case]
    if locked:
        lock(**{locked: True})
    first = act()
    row = Transaction.objects.get(reference="r")
    assert (row.status, row.refusal, row.cash_delta, row.held_delta) == ("REFUSED", code, 0, 0)
    assert (first.code, first.facts["transaction"], first.facts["version"]) == (code, str(row.id), row.version)
    if locked:
        lock(**{locked: False})
    cast.deposit("alice", amount=100_000)
    repeat = act()
    assert repeat.code == code
    assert first.facts.items() >= {**repeat.facts, "replayed": False}.items()
    assert (first.facts["replayed"], repeat.facts["replayed"]) == (False, True)
    assert Transaction.objects.get(reference="r").status == "REFUSED"


FORGOTTEN = {
    "win without its bet": (
        lambda: cast.profile(win_requires_bet=True),
        lambda: cast.win(reference="r"),
        "unknown_original",
        lambda: cast.bet(),
    ),
    "win on a closed round": (
        lambda: cast.profile(late_win="refuse"),
        lambda: cast.win(reference="r", round="closed"),
        "round_closed",
        lambda: cast.profile(late_win="accept"),
    ),
    "rollback of a bet with a payout": (
        lambda: [cast.bet(reference="b"), cast.win()],
        lambda: cast.rollback("b", reference="r"),
        "has_payout",
        lambda: cast.profile(rollback_after_win="allow"),
    ),
    "rollback of a win": (
        lambda: cast.win(reference="w"),
        lambda: cast.rollback("w", reference="r"),
        "forbidden",
        lambda: cast.profile(rollback_wins=True),
    ),
    "rollback of a win that was spent": (
        lambda: [cast.profile(rollback_wins=True), cast.win(reference="w"), cast.hold(amount="105.00")],
        lambda: cast.rollback("w", reference="r"),
        "insufficient_funds",
        lambda: cast.deposit("alice", amount=500),
    ),
    "settling nothing": (
        lambda: None,
        lambda: cast.settle("r"),
        "unknown_withdrawal",
        lambda: cast.hold(reference="r"),
    ),
    "releasing nothing": (
        lambda: None,
        lambda: cast.release("r"),
        "unknown_withdrawal",
        lambda: cast.hold(reference="r"),
    ),
    "bet with a disabled provider": (
        lambda: cast.profile(enabled=False),
        lambda: cast.bet(reference="r"),
        "forbidden",
        lambda: cast.profile(enabled=True),
    ),
}


@pytest.mark.parametrize("case", FORGOTTEN)
def test_rule_5_nothing_else_is_remembered(case):
    cast.end_round(round="closed")
    before, act, code, mend = FORGOTTEN[case]
    before()
    rows = Transaction.objects.count()
    refused = act()
    assert refused.code == code and "transaction" not in refused.facts
    assert Transaction.objects.count() == rows
    mend()
    assert act().status == "posted"


def test_what_follows_from_a_command_may_refuse_the_command_itself(monkeypatch):
    """A completed bonus, say, that would lift the cash above its bound: the bet before it must not stand."""

    def settle(bonuses, turn):
        if any(row.posted and row.kind == "BET" for row in turn.rows()):
            raise Refused("limit_reached", limit="balance")

    with monkeypatch.context() as completing:
        completing.setattr(lifecycle, "settle", settle)
        first = cast.bet(reference="r", ends_round=True)
    row = Transaction.objects.get(reference="r")
    assert (first.code, first.facts["transaction"], first.facts["balance"]) == ("limit_reached", str(row.id), 10000)
    assert (row.status, row.refusal, row.version) == ("REFUSED", "limit_reached", 2)
    assert cast.bet(reference="r").facts["replayed"]
    assert cast.bet().cash == 9000


# --- §1: the first that applies is the answer ---------------------------------------------------


def disable_game():
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", enabled=False)


def exclude():
    lock(excluded_until=cast.moment(cast.NOON + 1))


# Each of these makes a bet refusable by itself; together, the first one decides.
REASONS = {
    "reference_reused": lambda: cast.bet(reference="r", amount="1.00", round="other"),
    "round_closed": lambda: cast.end_round(reference="end"),
    "player_excluded": exclude,
    "wallet_locked": lambda: lock(bet_locked=True),
    "currency_disabled": lambda: Currency.objects.filter(code="EUR").update(enabled=False),
    "forbidden": lambda: cast.profile(enabled=False),
    "insufficient_funds": lambda: cast.hold(amount="95.00"),
}


@pytest.mark.parametrize("first", range(len(REASONS)))
def test_the_first_refusal_that_applies_to_a_bet_is_the_answer(first):
    codes = list(REASONS)
    for code in codes[first:]:
        REASONS[code]()
    assert cast.bet(reference="r").code == codes[first]


def test_a_disabled_game_is_forbidden_before_the_funds_are_looked_at():
    disable_game()
    assert (cast.bet(amount="500.00").code, cast.bet(amount="500.00").facts["why"]) == ("forbidden", "game_disabled")
    assert cast.bet(game="slot-2").status == "posted"


def test_an_undone_bet_is_rolled_back_before_anything_else_but_the_404s():
    cast.rollback("r")
    for reason in list(REASONS.values())[1:]:
        reason()
    assert cast.bet(reference="r", amount="1.00", round="elsewhere").code == "rolled_back"
    assert cast.bet(reference="r", currency="JPY").code == "unknown_wallet"
    assert cast.bet("nobody", reference="r").code == "unknown_player"


@pytest.mark.parametrize(
    "act",
    [
        cast.bet,
        cast.win,
        cast.end_round,
        cast.hold,
        cast.adjust,
        lambda who, **fields: cast.settle("r", who, **fields),
        lambda who, **fields: cast.release("r", who, **fields),
        lambda who, **fields: cast.rollback("b", who, **fields),
        lambda who, **fields: cast.deposit(who, amount=1, **fields),
        lambda who, **fields: cast.do(
            commands.Balance(source="acme", player=who, at=0, **{"currency": "EUR", **fields})
        ),
    ],
)
def test_an_unknown_player_or_wallet_is_told_first_and_leaves_no_row(act):
    rows = Transaction.objects.count()
    assert (act("nobody").code, act("nobody").facts["player"]) == ("unknown_player", "nobody")
    assert act("alice", currency="JPY").code == "unknown_wallet"
    assert act("alice", currency="XXX").code == "unknown_wallet"
    assert Transaction.objects.count() == rows


def test_a_player_without_any_wallet_has_an_unknown_one():
    Player.objects.create(code="dora")
    assert cast.rollback("b", "dora").code == "unknown_wallet"


ROLLBACK_REASONS = ("original_mismatch", "already_rolled_back", "forbidden", "insufficient_funds")


@pytest.mark.parametrize("first", range(len(ROLLBACK_REASONS)))
def test_the_first_refusal_that_applies_to_a_wins_rollback_is_the_answer(first):
    cast.profile(rollback_wins=True)
    cast.win(reference="w")
    if first <= 1:
        cast.rollback("w")
    cast.hold(amount="100.00" if first <= 1 else "105.00")
    cast.profile(rollback_wins=first > 2)
    refused = cast.rollback("w", amount="9.00" if first == 0 else "10.00")
    assert refused.code == ROLLBACK_REASONS[first]


def test_a_bets_rollback_that_disagrees_is_told_so_before_that_it_was_done_or_has_a_payout():
    cast.bet(reference="b")
    cast.win()
    assert cast.rollback("b", amount="9.00").code == "original_mismatch"
    assert cast.rollback("b").code == "has_payout"
    cast.profile(rollback_after_win="allow")
    assert cast.rollback("b").status == "posted"
    cast.profile(rollback_after_win="refuse")
    assert cast.rollback("b").code == "already_rolled_back"
    assert cast.rollback("b", game="other").code == "original_mismatch"


# --- §1: what a refusal tells -------------------------------------------------------------------

TELLING = {
    "insufficient_funds": lambda: cast.bet(amount="500.00"),
    "wallet_locked": lambda: lock(bet_locked=True) or cast.bet(),
    "player_excluded": lambda: exclude() or cast.bet(),
    "currency_disabled": lambda: REASONS["currency_disabled"]() and cast.bet(),
    "round_closed": lambda: cast.end_round() and cast.bet(),
    "rolled_back": lambda: cast.rollback("b") and cast.bet(reference="b"),
    "already_rolled_back": lambda: cast.bet(reference="b", amount="0.00") and cast.rollback("b") and cast.rollback("b"),
    "has_payout": lambda: cast.bet(reference="b", amount="0.00") and cast.win(amount="0.00") and cast.rollback("b"),
    "unknown_original": lambda: cast.profile(win_requires_bet=True) or cast.win(),
    "limit_reached": lambda: Wallet.objects.update(cash=MAX_BALANCE) and cast.win(),
}


@pytest.mark.parametrize("code", TELLING)
def test_a_refusal_tells_where_the_wallet_stands(code):
    refused = TELLING[code]()
    wallet = Wallet.objects.get(player__code="alice")
    assert refused.code == code
    assert {name: refused.facts[name] for name in ("balance", "cash", "bonus", "currency", "digits")} == {
        "balance": wallet.cash,
        "cash": wallet.cash,
        "bonus": 0,
        "currency": "EUR",
        "digits": 2,
    }
    Wallet.objects.filter(cash=MAX_BALANCE).update(cash=10000)
