"""PLAY.md rule 5 and §1: which refusal comes first, what it tells, and which are remembered."""

from __future__ import annotations

import pytest

from bonus import lifecycle
from casino_pam.engine import commands
from tests import bonus_scenario, clean_books, scenario
from tests.limit_scenario import limit
from wallet.errors import Refused
from wallet.models import Currency, Game, Player, Provider, Transaction, Wallet, WalletLimits
from wallet.money import MAX_BALANCE


@pytest.fixture(autouse=True)
def house(books):
    scenario.catalogue()
    scenario.alice("100.00")
    scenario.bob("100.00")


def find(reference, kind="BET", source="acme"):
    return scenario.do(commands.Find(source=source, player="alice", at=scenario.NOON, kind=kind, reference=reference))


def lock(**fields):
    Player.objects.filter(code="alice").update(**fields)


# --- 5: refusals --------------------------------------------------------------------------------


REMEMBERED = {
    "bet without funds": (None, lambda: scenario.bet(reference="r", amount="500.00"), "insufficient_funds"),
    "bet when locked": ("bet_locked", lambda: scenario.bet(reference="r"), "wallet_locked"),
    "hold without funds": (None, lambda: scenario.hold(reference="r", amount="500.00"), "insufficient_funds"),
    "hold when locked": ("withdraw_locked", lambda: scenario.hold(reference="r"), "wallet_locked"),
    "deposit when locked": (
        "deposit_locked",
        lambda: scenario.deposit("alice", reference="r", amount=5),
        "wallet_locked",
    ),
    "adjustment below zero": (None, lambda: scenario.adjust(reference="r", amount="-500.00"), "insufficient_funds"),
    "bet on a closed round": (None, lambda: scenario.bet(reference="r", round="closed"), "round_closed"),
}

# What a refusal of each kind names beside its balances, and what brings it about.
FACTS = {
    "a locked bet": (lambda: lock(bet_locked=True), lambda: scenario.bet(reference="r"), {"lock": "bet"}),
    "a locked deposit": (
        lambda: lock(deposit_locked=True),
        lambda: scenario.deposit("alice", reference="r", amount=5),
        {"lock": "deposit"},
    ),
    "a locked withdrawal": (
        lambda: lock(withdraw_locked=True),
        lambda: scenario.hold(reference="r"),
        {"lock": "withdraw"},
    ),
    "a closed round": (
        lambda: scenario.end_round(round="closed"),
        lambda: scenario.bet(reference="r", round="closed"),
        {"round": "closed"},
    ),
    "a limit on stakes": (
        lambda: limit(stake_day="4.00", loss_week="5.00"),
        lambda: scenario.bet(reference="r"),
        {"limit": "stake_day", "left": 400, "resets_at": "2026-09-22T00:00:00.000000Z"},
    ),
    "a limit on deposits": (
        lambda: limit(deposit_month="100.00"),
        lambda: scenario.deposit("alice", reference="r", amount=5),
        {"limit": "deposit_month", "left": 0, "resets_at": "2026-10-01T00:00:00.000000Z"},
    ),
    "an excluded game": (
        lambda: bonus_scenario.wagering(who="carol", excluded={"game": ['wh"at\\']}),
        lambda: scenario.bet("carol", reference="r", game='wh"at\\'),
        {"game": 'wh"at\\'},
    ),
    "a deposit beyond the bound of a balance": (
        lambda: Wallet.objects.filter(player__code="alice").update(cash=MAX_BALANCE),
        lambda: scenario.deposit("alice", reference="r", amount=5),
        {"limit": "balance"},
    ),
    "an adjustment beyond the bound of a balance": (
        lambda: Wallet.objects.filter(player__code="alice").update(cash=MAX_BALANCE),
        lambda: scenario.adjust(reference="r"),
        {"limit": "balance"},
    ),
}


@pytest.mark.parametrize("case", FACTS)
def test_rule_5_a_repeated_refusal_keeps_its_facts(case):
    before, act, facts = FACTS[case]
    before()
    first = act()
    lock(bet_locked=False, deposit_locked=False, withdraw_locked=False)
    WalletLimits.objects.update(stake_day=None, deposit_month=None)
    repeat = act()
    assert {name: repeat.facts[name] for name in facts} == facts
    assert repeat.facts == {**first.facts, "replayed": True}
    if facts == {"limit": "balance"}:
        # The books had a balance that no row explains.
        clean_books.emptied()


def test_rule_5_a_refusal_of_a_batch_keeps_its_facts_when_it_is_sent_alone():
    limit(stake_day="4.00")
    asked = {"source": "acme", "player": "alice", "at": scenario.NOON, "currency": "EUR", "round": "r", "game": "g"}
    bets = [commands.Bet(reference=f"b{number}", amount=300, **asked) for number in (1, 2)]
    refused = scenario.do(commands.Batch(operations=tuple(bets)))
    limit(stake_day=None)
    named = ("limit", "left", "resets_at", "transaction", "version", "cash")
    assert [refused.facts[name] for name in named[:3]] == ["stake_day", 100, "2026-09-22T00:00:00.000000Z"]
    for repeat in (scenario.do(bets[1]), scenario.do(commands.Batch(operations=tuple(bets)))):
        assert [repeat.facts[name] for name in named] == [refused.facts[name] for name in named]
        assert repeat.facts["replayed"]
    assert (refused.facts["cash"], refused.facts["replayed"], refused.facts["index"]) == (10000, False, 1)


def test_rule_5_a_refused_adjustment_keeps_its_reason():
    scenario.adjust(reference="r", amount="-500.00")
    row = Transaction.objects.get(reference="r")
    assert (row.refusal, row.reason) == ("insufficient_funds", "a correction")


@pytest.mark.parametrize("case", REMEMBERED)
def test_rule_5_a_refusal_is_remembered_for_ever(case):
    scenario.end_round(round="closed")
    locked, act, code = REMEMBERED[case]
    if locked:
        lock(**{locked: True})
    first = act()
    row = Transaction.objects.get(reference="r")
    assert (row.status, row.refusal, row.cash_delta, row.held_delta) == ("REFUSED", code, 0, 0)
    assert (first.code, first.facts["transaction"], first.facts["version"]) == (code, str(row.id), row.version)
    if locked:
        lock(**{locked: False})
    scenario.deposit("alice", amount=100_000)
    repeat = act()
    assert repeat.code == code
    assert first.facts.items() >= {**repeat.facts, "replayed": False}.items()
    assert (first.facts["replayed"], repeat.facts["replayed"]) == (False, True)
    assert Transaction.objects.get(reference="r").status == "REFUSED"


FORGOTTEN = {
    "win without its bet": (
        lambda: scenario.profile(win_requires_bet=True),
        lambda: scenario.win(reference="r"),
        "unknown_original",
        lambda: scenario.bet(),
    ),
    "win on a closed round": (
        lambda: scenario.profile(late_win="refuse"),
        lambda: scenario.win(reference="r", round="closed"),
        "round_closed",
        lambda: scenario.profile(late_win="accept"),
    ),
    "rollback of a bet with a payout": (
        lambda: [scenario.bet(reference="b"), scenario.win()],
        lambda: scenario.rollback("b", reference="r"),
        "has_payout",
        lambda: scenario.profile(rollback_after_win="allow"),
    ),
    "rollback of a win": (
        lambda: scenario.win(reference="w"),
        lambda: scenario.rollback("w", reference="r"),
        "forbidden",
        lambda: scenario.profile(rollback_wins=True),
    ),
    "rollback of a win that was spent": (
        lambda: [scenario.profile(rollback_wins=True), scenario.win(reference="w"), scenario.hold(amount="105.00")],
        lambda: scenario.rollback("w", reference="r"),
        "insufficient_funds",
        lambda: scenario.deposit("alice", amount=500),
    ),
    "settling nothing": (
        lambda: None,
        lambda: scenario.settle("r"),
        "unknown_withdrawal",
        lambda: scenario.hold(reference="r"),
    ),
    "releasing nothing": (
        lambda: None,
        lambda: scenario.release("r"),
        "unknown_withdrawal",
        lambda: scenario.hold(reference="r"),
    ),
    "bet with a disabled provider": (
        lambda: scenario.profile(enabled=False),
        lambda: scenario.bet(reference="r"),
        "forbidden",
        lambda: scenario.profile(enabled=True),
    ),
}


@pytest.mark.parametrize("case", FORGOTTEN)
def test_rule_5_nothing_else_is_remembered(case):
    scenario.end_round(round="closed")
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

    def settle(bonuses, entry):
        if any(row.posted and row.kind == "BET" for row in entry.rows()):
            raise Refused("limit_reached", limit="balance")

    with monkeypatch.context() as completing:
        completing.setattr(lifecycle, "settle", settle)
        first = scenario.bet(reference="r", ends_round=True)
    row = Transaction.objects.get(reference="r")
    assert (first.code, first.facts["transaction"], first.facts["balance"]) == ("limit_reached", str(row.id), 10000)
    assert (row.status, row.refusal, row.version) == ("REFUSED", "limit_reached", 2)
    assert scenario.bet(reference="r").facts["replayed"]
    assert scenario.bet().cash == 9000


# --- §1: the first that applies is the answer ---------------------------------------------------


def disable_game():
    Game.objects.create(provider=Provider.objects.get(code="acme"), code="slot-1", enabled=False)


def exclude():
    lock(excluded_until=scenario.moment(scenario.NOON + 1))


# Each of these makes a bet refusable by itself; together, the first one decides.
REASONS = {
    "reference_reused": lambda: scenario.bet(reference="r", amount="1.00", round="other"),
    "round_closed": lambda: scenario.end_round(reference="end"),
    "player_excluded": exclude,
    "wallet_locked": lambda: lock(bet_locked=True),
    "currency_disabled": lambda: Currency.objects.filter(code="EUR").update(enabled=False),
    "forbidden": lambda: scenario.profile(enabled=False),
    "insufficient_funds": lambda: scenario.hold(amount="95.00"),
}


@pytest.mark.parametrize("first", range(len(REASONS)))
def test_the_first_refusal_that_applies_to_a_bet_is_the_answer(first):
    codes = list(REASONS)
    for code in codes[first:]:
        REASONS[code]()
    assert scenario.bet(reference="r").code == codes[first]


def test_a_disabled_game_is_forbidden_before_the_funds_are_looked_at():
    disable_game()
    assert (scenario.bet(amount="500.00").code, scenario.bet(amount="500.00").facts["why"]) == (
        "forbidden",
        "game_disabled",
    )
    assert scenario.bet(game="slot-2").status == "posted"


def test_an_undone_bet_is_rolled_back_before_anything_else_but_the_404s():
    scenario.rollback("r")
    for reason in list(REASONS.values())[1:]:
        reason()
    assert scenario.bet(reference="r", amount="1.00", round="elsewhere").code == "rolled_back"
    assert scenario.bet(reference="r", currency="JPY").code == "unknown_wallet"
    assert scenario.bet("nobody", reference="r").code == "unknown_player"


@pytest.mark.parametrize(
    "act",
    [
        scenario.bet,
        scenario.win,
        scenario.end_round,
        scenario.hold,
        scenario.adjust,
        lambda who, **fields: scenario.settle("r", who, **fields),
        lambda who, **fields: scenario.release("r", who, **fields),
        lambda who, **fields: scenario.rollback("b", who, **fields),
        lambda who, **fields: scenario.deposit(who, amount=1, **fields),
        lambda who, **fields: scenario.do(
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
    assert scenario.rollback("b", "dora").code == "unknown_wallet"


ROLLBACK_REASONS = ("original_mismatch", "already_rolled_back", "forbidden", "insufficient_funds")


@pytest.mark.parametrize("first", range(len(ROLLBACK_REASONS)))
def test_the_first_refusal_that_applies_to_a_wins_rollback_is_the_answer(first):
    scenario.profile(rollback_wins=True)
    scenario.win(reference="w")
    if first <= 1:
        scenario.rollback("w")
    scenario.hold(amount="100.00" if first <= 1 else "105.00")
    scenario.profile(rollback_wins=first > 2)
    refused = scenario.rollback("w", amount="9.00" if first == 0 else "10.00")
    assert refused.code == ROLLBACK_REASONS[first]


def test_a_bets_rollback_that_disagrees_is_told_so_before_that_it_was_done_or_has_a_payout():
    scenario.bet(reference="b")
    scenario.win()
    assert scenario.rollback("b", amount="9.00").code == "original_mismatch"
    assert scenario.rollback("b").code == "has_payout"
    scenario.profile(rollback_after_win="allow")
    assert scenario.rollback("b").status == "posted"
    scenario.profile(rollback_after_win="refuse")
    assert scenario.rollback("b").code == "already_rolled_back"
    assert scenario.rollback("b", game="other").code == "original_mismatch"


# --- §1: what a refusal tells -------------------------------------------------------------------

TELLING = {
    "insufficient_funds": lambda: scenario.bet(amount="500.00"),
    "wallet_locked": lambda: lock(bet_locked=True) or scenario.bet(),
    "player_excluded": lambda: exclude() or scenario.bet(),
    "currency_disabled": lambda: REASONS["currency_disabled"]() and scenario.bet(),
    "round_closed": lambda: scenario.end_round() and scenario.bet(),
    "rolled_back": lambda: scenario.rollback("b") and scenario.bet(reference="b"),
    "already_rolled_back": lambda: (
        scenario.bet(reference="b", amount="0.00") and scenario.rollback("b") and scenario.rollback("b")
    ),
    "has_payout": lambda: (
        scenario.bet(reference="b", amount="0.00") and scenario.win(amount="0.00") and scenario.rollback("b")
    ),
    "unknown_original": lambda: scenario.profile(win_requires_bet=True) or scenario.win(),
    "limit_reached": lambda: Wallet.objects.update(cash=MAX_BALANCE) and scenario.win(),
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
