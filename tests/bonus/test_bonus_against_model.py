"""Any play at all against a model of the bonus rules: every answer, every balance and every bonus must agree."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bonus.models import Bonus as StoredBonus
from tests import bonus_scenario, scenario
from tests.bonus.bonus_model import DAY, GAMES, Bonus, Books, Moved, Stake, Win
from wallet.errors import Refused
from wallet.money import show

_players = itertools.count(1)

HOUR = DAY // 24
LIMITS = st.sampled_from([None, 500])
# None is all there is, or nearly: what empties the balances is what ends bonuses.
KEPT = st.sampled_from([0, 0, 0, 1])
STAKES = st.none() | st.integers(0, 1_500)
PAYOUTS = st.just(0) | st.integers(1, 4_000)
ROUNDS = st.sampled_from("abc")
PICK_GAME = st.sampled_from(["slot-1", "slot-1", *sorted(GAMES)])

TERMS = st.fixed_dictionaries(
    {
        "multiplier": st.sampled_from([0, 1, 1, 20, 20, 20]),
        "spend_order": st.sampled_from(["cash_first", "bonus_first", "proportional"]),
        "counted": st.sampled_from(["all", "all", "cash", "bonus"]),
        "pays": st.sampled_from(["balance", "balance", "original", "sticky"]),
        "max_conversion": LIMITS,
        "max_stake": st.sampled_from([None, None, 500]),
        "over_max_stake": st.sampled_from(["refuse", "forfeit"]),
        "depleted_below": st.sampled_from([0, 0, 50]),
        "on_withdrawal": st.sampled_from(["forfeit", "keep", "refuse"]),
        "spend_days": st.sampled_from([None, 1, 3]),
    }
)
AMOUNT_TERMS = ("max_conversion", "max_stake", "depleted_below")


def offered(terms: dict[str, Any], **eur: int) -> dict[str, Any]:
    """The model's terms as an offer's JSON has them."""
    amounts = {name: terms[name] for name in AMOUNT_TERMS} | eur
    return {
        **{name: value for name, value in terms.items() if name not in ("pays", *AMOUNT_TERMS)},
        "conversion": "original" if terms["pays"] == "original" else "balance",
        "sticky": terms["pays"] == "sticky",
        "eur": {name: None if value is None else show(value, 2) for name, value in amounts.items()},
        "weights": {"game": {game: weight for game, weight in GAMES.items() if weight is not None}},
        "excluded": {"game": [game for game, weight in GAMES.items() if weight is None]},
        "claim_days": None,
    }


def heard(outcome: Any) -> Moved | str:
    if isinstance(outcome, Refused):
        return outcome.code
    row = outcome.row
    return Moved(row.cash_delta, row.bonus_delta, row.contribution, row.void_amount, row.shortfall)


def standing(posted: list[Any]) -> list[Any]:
    return [each for each in posted if not each.undone]


class Play(RuleBasedStateMachine):
    """One player after another in the same house, each with offers of their own."""

    @initialize(clamps=st.booleans(), amount=st.integers(1, 3_000), terms=TERMS)
    def arrive(self, clamps: bool, amount: int, terms: dict[str, Any]) -> None:
        """With a bonus to begin with."""
        self.who = f"p{next(_players)}"
        scenario.player(self.who)
        scenario.profile(win_rollback="clamp" if clamps else "refuse")
        self.books = Books(scenario.NOON, clamps)
        self.requests: dict[str, Any] = {}
        self.give(amount, terms)

    def ask(self, send: Any, act: Any, settles: bool = False) -> Any:
        """The same of the product and of the model, a second after the last."""
        self.books.at += scenario.SECOND
        outcome = send(who=self.who, at=self.books.at)
        assert heard(outcome) == self.books.do(act, settles=settles)
        return outcome

    # --- what happens ------------------------------------------------------------------------

    @rule(amount=st.integers(1, 1_000))
    def deposit(self, amount: int) -> None:
        self.ask(partial(scenario.deposit, amount=amount), partial(self.books.deposit, amount))

    @precondition(lambda self: len(self.books.bonuses) < 8)
    @rule(amount=st.integers(1, 3_000), terms=TERMS)
    def gift(self, amount: int, terms: dict[str, Any]) -> None:
        self.give(amount, terms)

    def give(self, amount: int, terms: dict[str, Any]) -> None:
        bonus = self.promised(terms, amount, amount)
        bonus_scenario.gift(show(amount, 2), code=bonus.name, **offered(terms))
        self.books.at += scenario.SECOND
        bonus_scenario.grant(bonus.name, self.who, at=self.books.at)
        self.books.do(partial(self.promise, bonus))

    @precondition(lambda self: len(self.books.bonuses) < 8)
    @rule(
        amount=st.integers(1, 2_000),
        percent_bp=st.sampled_from([1_500, 10_000]),
        cap=st.sampled_from([500, 10_000]),
        base=st.sampled_from(["bonus", "deposit_plus_bonus"]),
        terms=TERMS,
    )
    def match(self, amount: int, percent_bp: int, cap: int, base: str, terms: dict[str, Any]) -> None:
        granted = min(amount * percent_bp // 10_000, cap)
        bonus = self.promised(terms, granted, granted if base == "bonus" else amount + granted)
        bonus_scenario.match(code=bonus.name, percent_bp=percent_bp, base=base, **offered(terms, cap=cap))
        self.ask(
            partial(scenario.deposit, amount=amount, offer=bonus.name),
            partial(self.promise, bonus, amount) if granted else partial(self.books.deposit, amount),
        )

    def promised(self, terms: dict[str, Any], granted: int, base: int) -> Bonus:
        return Bonus(scenario.fresh("offer"), terms, granted, base * terms["multiplier"])

    def promise(self, bonus: Bonus, deposit: int = 0) -> Moved:
        self.books.promise(bonus)
        return self.books.deposit(deposit)

    @rule(amount=STAKES, kept=KEPT, game=PICK_GAME, round=ROUNDS)
    def bet(self, amount: int | None, kept: int, game: str, round: str) -> None:
        amount = self.nearly_all(kept) if amount is None else amount
        self.place(amount, game, f"{self.who}-{round}", ends=False)

    @precondition(lambda self: self.books.active is not None and self.books.active.terms["max_stake"])
    @rule(amount=st.sampled_from([500, 501]))
    def bet_the_limit(self, amount: int) -> None:
        """What the terms allow at most, or a cent more."""
        self.place(amount, "slot-1", scenario.fresh("round"), ends=False)

    @rule(stakes=st.lists(STAKES, min_size=1, max_size=3), payout=st.none() | PAYOUTS, ends=st.booleans())
    def play(self, stakes: list[int | None], payout: int | None, ends: bool) -> None:
        """A round of its own, from its first stake to its payout, if it has any."""
        round = scenario.fresh("round")
        for amount in stakes:
            self.place(self.nearly_all(0) if amount is None else amount, "slot-1", round, ends=False)
        if payout is not None:
            self.receive(payout, round, None)
        elif ends:
            self.finish(round)

    @precondition(lambda self: self.books.money > 0)
    @rule(kept=KEPT, then=st.sampled_from(["lost", "ended", "another round", "another stake"]))
    def empty(self, kept: int, then: str) -> None:
        """Stake nearly all there is; then something comes that settles the stake, or settles another."""
        round = scenario.fresh("round")
        self.place(0, "slot-1", round, ends=False)
        another = self.books.stakes[-1]
        self.place(self.nearly_all(kept), "slot-1", round, ends=then == "ended")
        if then == "another stake":
            self.undo(another)
        elif then != "ended":
            self.receive(0, round if then == "lost" else scenario.fresh("round"), None)

    def nearly_all(self, kept: int) -> int:
        return max(0, self.books.cash + self.books.money - kept)

    def place(self, amount: int, game: str, round: str, *, ends: bool) -> None:
        name = scenario.fresh("bet")
        send = self.requests[name] = partial(
            scenario.bet, amount=show(amount, 2), reference=name, game=game, round=round, ends_round=ends
        )
        self.ask(send, partial(self.books.bet, name, amount, game, round, ends=ends), settles=ends)

    @precondition(lambda self: self.books.stakes)
    @rule(amount=PAYOUTS, names=st.booleans(), data=st.data())
    def win(self, amount: int, names: bool, data: st.DataObject) -> None:
        """Late or not, of a bet's round or of the very bet."""
        stake = self.newest(self.books.stakes, data)
        self.receive(amount, stake.round, stake if names else None)

    @precondition(lambda self: self.outlived())
    @rule(amount=PAYOUTS, data=st.data())
    def win_after_the_end(self, amount: int, data: st.DataObject) -> None:
        """Of a stake whose bonus has ended meanwhile."""
        stake: Stake = self.newest(self.outlived(), data)
        self.receive(amount, stake.round, stake)

    def outlived(self) -> list[Stake]:
        stakes = standing(self.books.stakes)
        return [stake for stake in stakes if stake.bonus and stake.of is not self.books.active]

    @staticmethod
    def newest(items: list[Any], data: st.DataObject) -> Any:
        return data.draw(st.sampled_from(items[:-6:-1]))

    def receive(self, amount: int, round: str, named: Stake | None) -> None:
        name = scenario.fresh("win")
        bet = None if named is None else named.name
        send = partial(scenario.win, amount=show(amount, 2), reference=name, round=round, bet=bet)
        self.ask(send, partial(self.books.win, name, amount, round, named), settles=True)

    @precondition(lambda self: self.books.stakes)
    @rule(data=st.data())
    def end_round(self, data: st.DataObject) -> None:
        self.finish(self.newest(self.books.stakes, data).round)

    def finish(self, round: str) -> None:
        self.ask(partial(scenario.end_round, round=round), partial(self.books.end_round, round), settles=True)

    @precondition(lambda self: standing(self.books.stakes))
    @rule(data=st.data())
    def undo_bet(self, data: st.DataObject) -> None:
        self.undo(self.newest(standing(self.books.stakes), data))

    def undo(self, stake: Stake) -> None:
        self.ask(partial(scenario.rollback, stake.name), partial(self.books.undo_bet, stake), settles=True)

    @precondition(lambda self: standing(self.books.wins))
    @rule(data=st.data())
    def undo_win(self, data: st.DataObject) -> None:
        win: Win = self.newest(standing(self.books.wins), data)
        send = partial(scenario.rollback, win.name, original_kind="WIN")
        self.ask(send, partial(self.books.undo_win, win), settles=True)

    @precondition(lambda self: self.books.stakes)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A bet's own request again: nothing new happens, not even what is due."""
        stake: Stake = data.draw(st.sampled_from(self.books.stakes))
        send = self.requests[stake.name]
        again = send(who=self.who, at=self.books.at)
        assert again.code == "rolled_back" if stake.undone else again.replayed

    @rule(amount=st.none() | st.integers(1, 1_500))
    def withdraw(self, amount: int | None) -> None:
        amount = max(1, self.books.cash) if amount is None else amount
        self.ask(partial(scenario.hold, amount=show(amount, 2)), partial(self.books.hold, amount))

    @precondition(lambda self: self.books.bonuses)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """Any bonus the player ever had; those that wait for their turn the more often, for they are few."""
        queued = [bonus for bonus in self.books.bonuses if bonus.status == "queued"]
        bonus = data.draw(st.sampled_from(3 * queued + self.books.bonuses))
        self.books.at += scenario.SECOND
        outcome = bonus_scenario.forfeit(str(bonus_scenario.the(bonus.name, self.who).id), self.who, at=self.books.at)
        said = self.books.do(partial(self.books.give_up, bonus))
        assert getattr(outcome, "code", Moved()) == said

    @rule(hours=st.sampled_from([1, 24]), tends=st.booleans())
    def wait(self, hours: int, tends: bool) -> None:
        """With the job's look at a wallet nobody touches, or without."""
        self.books.at += hours * HOUR
        if tends:
            bonus_scenario.run_due(self.who, at=self.books.at)
            self.books.do(Moved, settles=True)

    @precondition(lambda self: self.books.active is not None and self.books.active.expires is not None)
    @rule(seconds=st.sampled_from([1, 2]))
    def wait_for_the_end(self, seconds: int) -> None:
        """The next command comes just before the bonus runs out, or in that very moment."""
        active = self.books.active
        assert active is not None
        assert active.expires is not None
        self.books.at = max(self.books.at, active.expires - seconds * scenario.SECOND)

    # --- what must always be so --------------------------------------------------------------

    @invariant()
    def the_balances_are_the_models(self) -> None:
        cash, money, _ = scenario.balances(self.who)
        assert (cash, money) == (self.books.cash, self.books.money)

    @invariant()
    def the_bonuses_are_the_models(self) -> None:
        stored = StoredBonus.objects.filter(player__code=self.who).order_by("created_at")
        columns = ("offer__code", "status", "amount", "required", "wagered", "converted")
        assert list(stored.values_list(*columns)) == [
            (each.name, each.status, each.granted, each.required, each.wagered, each.converted)
            for each in self.books.bonuses
        ]


def test_any_play_at_all_comes_to_what_the_model_says(books: None) -> None:
    """Derandomised, so that the suite says the same thing twice."""
    scenario.catalogue()
    scenario.profile(rollback_after_win="allow", rollback_wins=True)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Play,
        settings=settings(
            max_examples=80,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    ends = {"completed", "depleted", "expired", "forfeited", "cancelled"}
    assert ends <= set(StoredBonus.objects.values_list("status", flat=True))
