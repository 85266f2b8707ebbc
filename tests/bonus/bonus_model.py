"""A second opinion on bonuses: docs/bonus.md for one player, written down a second time as plainly as it can be.

It knows nothing of the product: no postings, no books, no database, one player and one currency. What
it leaves to other tests is free rounds, cashback, claims that wait, exclusion, and several wallets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WHOLE = 10_000
DAY = 86_400_000_000

# What a stake on each game counts, in basis points; None where bonus money may not play.
GAMES: dict[str, int | None] = {"slot-1": 10_000, "table-1": 1_000, "free-1": 0, "never-1": None}


class No(Exception):
    """Refused, with the word for why."""


@dataclass
class Moved:
    """What a row moved, and what of its amount could not move."""

    cash: int = 0
    bonus: int = 0
    contribution: int = 0
    void: int = 0
    shortfall: int = 0


@dataclass(eq=False)
class Bonus:
    """A promise; ``wagered`` is in minor units x basis points.

    ``terms`` are as in its offer, with amounts in minor units; ``pays`` says what becomes cash.
    """

    name: str
    terms: dict[str, Any]
    granted: int
    required: int
    status: str = "queued"
    wagered: int = 0
    converted: int = 0
    expires: int | None = None

    @property
    def complete(self) -> bool:
        return self.terms["multiplier"] == 0 or self.wagered >= self.required * WHOLE

    def convertible(self, amount: int) -> int:
        """So much of a late win as the terms still let become cash."""
        if self.terms["max_conversion"] is not None:
            amount = min(amount, self.terms["max_conversion"] - self.converted)
        if self.terms["pays"] == "original":
            amount = min(amount, self.granted - self.converted)
        return max(0, amount)


@dataclass(eq=False)
class Stake:
    name: str
    round: str
    ends: bool
    at: int
    number: int
    cash: int
    bonus: int
    of: Bonus | None
    contribution: int
    undone: bool = False


@dataclass(eq=False)
class Win:
    name: str
    round: str
    named: Stake | None
    number: int
    moved: Moved
    of: Bonus | None
    converted: int
    undone: bool = False


@dataclass
class Books:
    """One player's two balances, and all that happened to them. ``at`` is now, in microseconds."""

    at: int
    clamps: bool = False
    cash: int = 0
    money: int = 0
    bonuses: list[Bonus] = field(default_factory=list)
    stakes: list[Stake] = field(default_factory=list)
    wins: list[Win] = field(default_factory=list)
    ended_rounds: set[str] = field(default_factory=set)

    @property
    def active(self) -> Bonus | None:
        return next((bonus for bonus in self.bonuses if bonus.status == "active"), None)

    # --- the life of a bonus -----------------------------------------------------------------

    def do(self, act: Callable[[], Moved], *, settles: bool = False) -> Moved | str:
        """One command: what is due comes first, then the act itself, then what follows from it."""
        if self.active is not None and self.active.expires is not None and self.active.expires <= self.at:
            self.end(self.active, "expired")
        try:
            moved = act()
        except No as no:
            self.follow(settles=False)
            return str(no)
        self.follow(settles=settles)
        return moved

    def follow(self, *, settles: bool) -> None:
        bonus = self.active
        if bonus is not None and bonus.complete:
            self.convert(bonus)
        elif bonus is not None and settles and self.depleted(bonus):
            self.end(bonus, "depleted")
        for bonus in self.bonuses:
            if bonus.status == "queued" and self.active is None:
                self.start(bonus)

    def start(self, bonus: Bonus) -> None:
        bonus.status = "active"
        days = bonus.terms["spend_days"]
        bonus.expires = None if days is None else self.at + days * DAY
        self.money = bonus.granted
        if bonus.complete:
            self.convert(bonus)

    def end(self, bonus: Bonus, status: str) -> None:
        if bonus.status == "active":
            self.money = 0
        bonus.status = status

    def convert(self, bonus: Bonus) -> None:
        won = self.money - bonus.granted if bonus.terms["pays"] == "sticky" else self.money
        bonus.converted = bonus.convertible(won)
        self.cash += bonus.converted
        self.end(bonus, "completed")

    def depleted(self, bonus: Bonus) -> bool:
        """Too little money, and no stake whose win may still bring some."""
        if self.money >= max(1, bonus.terms["depleted_below"]):
            return False
        return not any(
            stake.of is bonus and stake.bonus and stake.at > self.at - DAY and not self.settled(stake)
            for stake in self.stakes
        )

    def settled(self, stake: Stake) -> bool:
        if stake.undone or self.closed(stake.round):
            return True
        return any(
            not win.undone and win.number > stake.number and (win.round == stake.round or win.named is stake)
            for win in self.wins
        )

    # --- what players and back ends do -------------------------------------------------------

    def deposit(self, amount: int) -> Moved:
        self.cash += amount
        return Moved(cash=amount)

    def promise(self, bonus: Bonus) -> None:
        self.bonuses.append(bonus)

    def hold(self, amount: int) -> Moved:
        bonus = self.active
        policy = None if bonus is None else bonus.terms["on_withdrawal"]
        if policy == "refuse":
            raise No("bonus_active")
        if amount > self.cash:
            raise No("insufficient_funds")
        if bonus is not None and policy == "forfeit":
            self.end(bonus, "forfeited")
        self.cash -= amount
        return Moved(cash=-amount)

    def give_up(self, bonus: Bonus) -> Moved:
        if bonus.status not in ("active", "queued"):
            raise No("bonus_ended")
        self.end(bonus, "forfeited" if bonus.status == "active" else "cancelled")
        return Moved()

    # --- play --------------------------------------------------------------------------------

    def closed(self, round: str) -> bool:
        return round in self.ended_rounds or any(
            stake.round == round and stake.ends and not stake.undone for stake in self.stakes
        )

    def end_round(self, round: str) -> Moved:
        self.ended_rounds.add(round)
        return Moved()

    def bet(self, name: str, amount: int, game: str, round: str, *, ends: bool) -> Moved:
        if self.closed(round):
            raise No("round_closed")
        weight = GAMES[game]
        bonus = self.allowing(amount, weight)
        usable = self.money if bonus is not None and weight is not None else 0
        if amount > self.cash + usable:
            raise No("insufficient_funds")
        cash = self.cash_part(amount, usable, "cash_first" if bonus is None else bonus.terms["spend_order"])
        part = amount - cash
        contribution = 0
        if bonus is not None:
            contribution = {"all": amount, "cash": cash, "bonus": part}[bonus.terms["counted"]] * (weight or 0)
            bonus.wagered += contribution
        of = bonus if part or contribution else None
        self.cash -= cash
        self.money -= part
        self.stakes.append(Stake(name, round, ends, self.at, self.number(), cash, part, of, contribution))
        return Moved(-cash, -part, contribution)

    def allowing(self, amount: int, weight: int | None) -> Bonus | None:
        """The bonus under which such a stake is played; one that forbids it refuses, or goes."""
        bonus = self.active
        if bonus is None:
            return None
        if weight is None and amount > self.cash:
            raise No("game_excluded")
        most = bonus.terms["max_stake"]
        if most is None or amount <= most:
            return bonus
        if bonus.terms["over_max_stake"] == "refuse" or amount > self.cash:
            raise No("stake_above_limit")
        self.end(bonus, "forfeited")
        return None

    def cash_part(self, amount: int, usable: int, order: str) -> int:
        if order == "cash_first":
            return min(self.cash, amount)
        if order == "bonus_first":
            return amount - min(usable, amount)
        return amount * self.cash // (self.cash + usable) if amount else 0

    def win(self, name: str, amount: int, round: str, named: Stake | None) -> Moved:
        of_round = [stake for stake in self.stakes if stake.round == round]
        asked = of_round if named is None else [named]
        stakes = [stake for stake in asked if not stake.undone]
        if asked and not stakes:
            raise No("rolled_back")
        staked, of_bonus = sum(stake.cash + stake.bonus for stake in stakes), sum(stake.bonus for stake in stakes)
        part = amount * of_bonus // staked if staked else 0
        of = next((stake.of for stake in reversed(stakes) if stake.bonus), None)
        moved, converted = self.paid(of, amount - part, part)
        self.cash += moved.cash
        self.money += moved.bonus
        self.wins.append(Win(name, round, named, self.number(), moved, of, converted))
        return moved

    def paid(self, of: Bonus | None, cash: int, part: int) -> tuple[Moved, int]:
        """Where the bonus part of a win goes, and how much of it the bonus converts."""
        if of is None or of.status == "active":
            return Moved(cash, part), 0
        if of.status != "completed":
            return Moved(cash, void=part), 0
        converted = of.convertible(part)
        of.converted += converted
        return Moved(cash + converted, void=part - converted), converted

    def undo_bet(self, stake: Stake) -> Moved:
        moved = Moved(stake.cash, contribution=-stake.contribution)
        if stake.of is not None:
            stake.of.wagered -= stake.contribution
            if stake.of.status == "active":
                moved.bonus = stake.bonus
            elif stake.of.status == "completed":
                moved.cash += stake.bonus
            else:
                moved.void = stake.bonus
        stake.undone = True
        self.cash += moved.cash
        self.money += moved.bonus
        return moved

    def undo_win(self, win: Win) -> Moved:
        cash, bonus, void = win.moved.cash, win.moved.bonus, win.moved.void
        if win.of is not None and win.of.status == "completed":
            cash, bonus = cash + bonus, 0
        elif win.of is not None and win.of.status != "active":
            bonus, void = 0, void + bonus
        shortfall = max(0, cash + bonus - self.cash - self.money)
        if shortfall and not self.clamps:
            raise No("insufficient_funds")
        # Each part from its own balance, what one lacks from the other.
        from_cash = min(self.cash, cash + max(0, bonus - self.money))
        from_bonus = min(self.money, bonus + max(0, cash - self.cash))
        self.cash -= from_cash
        self.money -= from_bonus
        if win.of is not None:
            win.of.converted -= win.converted
        win.undone = True
        return Moved(-from_cash, -from_bonus, void=void, shortfall=shortfall)

    def number(self) -> int:
        return len(self.stakes) + len(self.wins)
