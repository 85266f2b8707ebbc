"""The reports there are: what each is asked, how it is called, its columns and where its rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from django import forms

from bonus import campaigns
from bonus import costs as bonuses
from wallet import games
from wallet.admin.date_fields import DayField, presets, today
from wallet.reports import figures, open_bets
from wallet.reports.sums import Connected

LONGEST: Final = timedelta(days=1_100)


class ReportForm(forms.Form):
    """``fresh`` is what is asked before anybody has said anything."""

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {}

    def presets(self) -> list[tuple[str, dict[str, Any]]]:
        """What is asked for often, in words, and what the form then says."""
        return []


class Days(ReportForm):
    """A range of UTC days, both ends within it."""

    since = DayField("From")
    until = DayField("To")

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {"since": today() - timedelta(days=6), "until": today()}

    def presets(self) -> list[tuple[str, dict[str, Any]]]:
        return [(each.title, {"since": each.since, "until": each.until}) for each in presets()]

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            raise forms.ValidationError(f"The range ends before it begins: {since} is after {until}.")
        if since and until and until - since > LONGEST:
            raise forms.ValidationError("A report covers at most three years. Ask for fewer days.")
        return cleaned


class Day(ReportForm):
    """The end of one UTC day."""

    day = DayField("At the end of")

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {"day": today()}

    def presets(self) -> list[tuple[str, dict[str, Any]]]:
        ends = [each for each in presets() if each.title in ("today", "yesterday", "last month")]
        return [(each.title, {"day": each.until}) for each in ends]


class RevenueForm(Days):
    """The groups are those of wallet.reports.figures, with dots between."""

    per = forms.ChoiceField(
        label="For each",
        choices=[
            ("day", "day"),
            ("source", "provider"),
            ("source.game", "game"),
            ("", "currency alone"),
            ("day.source", "day and provider"),
            ("day.source.game", "day, provider and game"),
        ],
        required=False,
    )

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "per": "day"}


class CampaignForm(Days):
    per = forms.ChoiceField(
        label="For each", choices=[("offer", "offer"), ("day", "day and offer")], required=False, initial="offer"
    )

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "per": "offer"}


class HoldingForm(Day):
    holding = forms.ChoiceField(
        label="Players with",
        choices=[
            ("both", "cash and bonus money"),
            ("bonus", "bonus money"),
            ("held", "money held for a withdrawal"),
            ("any", "any money"),
        ],
    )

    @classmethod
    def fresh(cls) -> dict[str, Any]:
        return {**super().fresh(), "holding": "both"}


class Money(NamedTuple):
    """Minor units and the digits of their currency, which has a column of its own."""

    minor: int
    digits: int


class Share(NamedTuple):
    """A part of a whole, shown as percent rounded down to two places; of nothing there is no share."""

    part: int
    whole: int


class Verdict(NamedTuple):
    good: bool
    text: str


Cell = str | int | date | datetime | Money | Share | Verdict | None
Cells = tuple[Cell, ...]
Criteria = Mapping[str, Any]


class Column(NamedTuple):
    """``code`` heads the column in a file, ``label`` on a page."""

    code: str
    label: str


@dataclass(frozen=True)
class Report:
    """``totals`` are rows of the same columns; ``alarm`` is what to do where a Verdict is not good."""

    name: str
    title: str
    about: str
    empty: str
    form: type[ReportForm]
    columns: Callable[[Criteria], list[Column]]
    rows: Callable[[Connected, Criteria], Iterable[Cells]]
    totals: Callable[[Connected, Criteria], Iterable[Cells]]
    alarm: str = ""


def _columns(*pairs: tuple[str, str]) -> list[Column]:
    return [Column(code, label) for code, label in pairs]


def _monies(digits: int, *amounts: int) -> tuple[Money, ...]:
    return tuple(Money(minor, digits) for minor in amounts)


# --- revenue -----------------------------------------------------------------------------------

_GROUP_COLUMNS: Final = {
    "day": Column("day", "Day"),
    "source": Column("provider", "Provider"),
    "game": Column("game", "Game"),
}
_GAME_NAME: Final = Column("game_name", "Name of the game")
_REVENUE: Final = _columns(
    ("currency", "Currency"),
    ("bets", "Bets"),
    ("ggr", "GGR"),
    ("bonus_cost", "Bonus cost"),
    ("ngr", "NGR"),
    ("ggr_cash", "GGR, cash"),
    ("ggr_bonus", "GGR, bonus"),
    ("staked_cash", "Staked, cash"),
    ("staked_bonus", "Staked, bonus"),
    ("paid_cash", "Paid, cash"),
    ("paid_bonus", "Paid, bonus"),
    ("provider_ggr", "GGR as providers count"),
)


def _groups(criteria: Criteria) -> list[str]:
    return [name for name in figures.GROUPS if name in criteria["per"].split(".")]


def _revenue_columns(criteria: Criteria) -> list[Column]:
    groups = _groups(criteria)
    named = [_GAME_NAME] if "game" in groups else []
    return [*(_GROUP_COLUMNS[name] for name in groups), *named, *_REVENUE]


def _revenue(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    groups = _groups(criteria)
    known = games.every_name() if "game" in groups else None
    for each in figures.revenue(own, criteria["since"], criteria["until"], groups):
        named = [] if known is None else [known.get((each.source or "", each.game or ""), "")]
        yield (*(getattr(each, name) for name in groups), *named, *_revenue_cells(each))


def _revenue_totals(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    beside = len(_revenue_columns(criteria)) - len(_REVENUE)
    for each in figures.revenue(own, criteria["since"], criteria["until"]):
        yield (*[None] * beside, *_revenue_cells(each))


def _revenue_cells(each: figures.Revenue) -> Cells:
    revenue = (each.ggr, each.converted, each.ngr, each.ggr_cash, each.ggr_bonus)
    parts = (each.staked_cash, each.staked_bonus, each.paid_cash, each.paid_bonus)
    return (each.currency, each.bets, *_monies(each.digits, *revenue, *parts, each.asked))


# --- money in and out --------------------------------------------------------------------------

_FLOWS: Final = _columns(
    ("day", "Day"),
    ("source", "Source"),
    ("currency", "Currency"),
    ("deposits", "Deposits"),
    ("deposited", "Deposited"),
    ("withdrawals_asked", "Asked"),
    ("held", "Held"),
    ("withdrawals_paid", "Paid"),
    ("paid_out", "Paid out"),
    ("withdrawals_returned", "Returned"),
    ("returned", "Given back"),
    ("net", "Net"),
)


def _flows(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    return map(_flow_cells, figures.flows(own, criteria["since"], criteria["until"]))


def _flow_totals(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    return map(_flow_cells, figures.flows(own, criteria["since"], criteria["until"], daily=False))


def _flow_cells(each: figures.Flow) -> Cells:
    counted = ((each.deposits, each.deposited), (each.asked, each.held), (each.settled, each.paid_out))
    cells: list[Cell] = [each.day, each.source, each.currency]
    for count, minor in (*counted, (each.released, each.returned)):
        cells += [count, Money(minor, each.digits)]
    return (*cells, Money(each.net, each.digits))


# --- bonuses -----------------------------------------------------------------------------------

_COSTS: Final = _columns(
    ("day", "Day"),
    ("currency", "Currency"),
    ("granted", "Granted"),
    ("won", "Won less lost in play"),
    ("converted", "Converted: the cost"),
    ("cut", "Cut at the cap"),
    ("forfeited", "Forfeited"),
    ("expired", "Expired"),
    ("liability", "Liability"),
    ("waiting", "Waiting promises"),
    ("waiting_amount", "Promised"),
)


def _costs(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    since, until = criteria["since"], criteria["until"]
    waiting_bonuses = bonuses.WaitingBonuses(own, since, until)
    for each in bonuses.costs(own, since, until, promised=waiting_bonuses.currencies):
        yield (each.day, *_cost_cells(each, *waiting_bonuses.waiting(each.currency, each.day)))


def _cost_totals(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    """The days together; the liability and the waiting promises are those at the end of the last one."""
    since, until = criteria["since"], criteria["until"]
    waiting_bonuses = bonuses.WaitingBonuses(own, since, until)
    for each in bonuses.in_all(own, since, until, promised=waiting_bonuses.currencies):
        yield (None, *_cost_cells(each, *waiting_bonuses.waiting(each.currency, until)))


def _cost_cells(each: bonuses.Cost, waiting: int, promised: int) -> Cells:
    spent = (each.granted, each.won, each.converted, each.cut, each.forfeited, each.expired, each.liability)
    return (each.currency, *_monies(each.digits, *spent), waiting, Money(promised, each.digits))


# --- offers ------------------------------------------------------------------------------------

_CAMPAIGNS: Final = _columns(
    ("offer", "Offer"),
    ("currency", "Currency"),
    ("granted", "Granted"),
    ("activated", "Begun"),
    ("completed", "Completed"),
    ("conversion", "Conversion, %"),
    ("cost", "Cost"),
    ("wagered", "Wagered"),
    ("depleted", "Depleted"),
    ("expired", "Expired"),
    ("forfeited", "Forfeited"),
    ("cancelled", "Cancelled"),
)


def campaign_cells(each: campaigns.Campaign) -> Cells:
    counts = (each.granted, each.activated, each.completed, Share(each.earned, each.granted))
    ends = (each.depleted, each.expired, each.forfeited, each.cancelled)
    return (each.offer, each.currency, *counts, *_monies(each.digits, each.cost, each.counted), *ends)


def _campaign_columns(criteria: Criteria) -> list[Column]:
    return [*_columns(("day", "Day")), *_CAMPAIGNS] if criteria["per"] == "day" else _CAMPAIGNS


def _campaigns(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    daily = criteria["per"] == "day"
    for each in campaigns.campaigns(own, criteria["since"], criteria["until"], daily=daily):
        yield (each.day, *campaign_cells(each)) if daily else campaign_cells(each)


# --- balances ----------------------------------------------------------------------------------

_TRIAL: Final = _columns(
    ("currency", "Currency"),
    ("players_cash", "Players, cash"),
    ("players_bonus", "Players, bonus"),
    ("players_held", "Players, held"),
    ("cashier", "Cashier"),
    ("house", "House"),
    ("promo", "Promo"),
    ("adjustments", "Adjustments"),
    ("total", "Together"),
    ("verdict", "Verdict"),
)


def _trial(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    for each in figures.trial_balance(own, criteria["day"]):
        accounts = (each.cash, each.bonus, each.held, each.cashier, each.house, each.promo, each.adjustments)
        verdict = Verdict(True, "balances") if each.total == 0 else Verdict(False, "does not balance")
        yield (each.currency, *_monies(each.digits, *accounts, each.total), verdict)


_BALANCES: Final = _columns(
    ("player", "Player"), ("currency", "Currency"), ("cash", "Cash"), ("bonus", "Bonus"), ("held", "Held")
)


def _balances(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    for each in figures.balances(own, criteria["day"], criteria["holding"]):
        yield (each.player, each.currency, *_monies(each.digits, each.cash, each.bonus, each.held))


def _balance_totals(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    for each in figures.balance_totals(own, criteria["day"], criteria["holding"]):
        yield (f"{each.players:,} players", each.currency, *_monies(each.digits, each.cash, each.bonus, each.held))


# --- open rounds -------------------------------------------------------------------------------

_ROUNDS: Final = _columns(
    ("since", "First bet"),
    ("provider", "Provider"),
    ("player", "Player"),
    ("round", "Round"),
    ("game", "Game"),
    ("game_name", "Name of the game"),
    ("bets", "Bets"),
    ("currency", "Currency"),
    ("staked", "Staked"),
)


def _rounds(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    known = games.every_name()
    for each in open_bets.open_rounds_of_days(own, criteria["since"], criteria["until"]):
        name = (each.since, each.source, each.player, each.round, each.game, known.get((each.source, each.game), ""))
        yield (*name, each.bets, each.currency, Money(each.staked, each.digits))


def _round_totals(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    for each in open_bets.open_round_totals(own, criteria["since"], criteria["until"]):
        staked = Money(each.staked, each.digits)
        yield (None, None, None, f"{each.rounds:,} rounds", None, None, each.bets, each.currency, staked)


def _nothing(own: Connected, criteria: Criteria) -> Iterator[Cells]:
    """Where rows are not added up."""
    return iter(())


# --- the list ----------------------------------------------------------------------------------


def _report(columns: list[Column], **fields: Any) -> Report:
    return Report(columns=lambda criteria: columns, **fields)


REPORTS: Final = {
    report.name: report
    for report in (
        Report(
            name="revenue",
            title="GGR and NGR",
            about="What players staked less what they were paid, net of rollbacks; NGR is GGR in cash less the bonus"
            " money that became cash, which stands under the source bonus and belongs to no game.",
            empty="Nobody bet, won or converted a bonus on these days.",
            form=RevenueForm,
            columns=_revenue_columns,
            rows=_revenue,
            totals=_revenue_totals,
        ),
        _report(
            _COSTS,
            name="bonuses",
            title="Bonus cost and liability",
            about="What bonus money did each day, and what players had of it at the day's end. Promises that wait for"
            " a deposit, an approval or their turn are nobody's money yet.",
            empty="No bonus money moved on these days, and no promise waits.",
            form=Days,
            rows=_costs,
            totals=_cost_totals,
        ),
        Report(
            name="offers",
            title="Offers",
            about="What became of each offer's bonuses on these days, what they cost (bonus money that became cash) and"
            " what counted towards their requirements. Conversion is the share of the bonuses granted on these days"
            " that have completed by now.",
            empty="Nothing was granted, wagered or ended on these days.",
            form=CampaignForm,
            columns=_campaign_columns,
            rows=_campaigns,
            totals=_nothing,
        ),
        _report(
            _FLOWS,
            name="flows",
            title="Deposits and withdrawals",
            about="Money that came in, and withdrawals asked for, paid and given back. Net is deposits less what was"
            " paid out.",
            empty="Nobody deposited or withdrew on these days.",
            form=Days,
            rows=_flows,
            totals=_flow_totals,
        ),
        _report(
            _TRIAL,
            name="trial-balance",
            title="Trial balance",
            about="What players have, from their wallets, against the operator's accounts, from the ledger. Each"
            " currency comes to nothing.",
            empty="There is no wallet yet.",
            form=Day,
            rows=_trial,
            totals=_nothing,
            alarm="The books of a currency do not balance. Run manage.py reconcile --full: it names the wallet, or"
            " none. Then run manage.py refresh_reports --check: it names a sum that was changed. Correct nothing"
            " before it is known which of the two it is (docs/operations.md).",
        ),
        _report(
            _ROUNDS,
            name="open-rounds",
            title="Open rounds",
            about="Rounds with a live bet of these days that nothing has ended. Ask their provider what became of"
            " them.",
            empty="Every round of these days has ended.",
            form=Days,
            rows=_rounds,
            totals=_round_totals,
        ),
        _report(
            _BALANCES,
            name="balances",
            title="Players' balances",
            about="Who had money at the end of a day: cash, bonus money, and what was held for a withdrawal.",
            empty="Nobody had such balances at the end of this day.",
            form=HoldingForm,
            rows=_balances,
            totals=_balance_totals,
        ),
    )
}
