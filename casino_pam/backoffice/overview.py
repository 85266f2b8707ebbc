"""The first page after log-in: what waits for the operator, the days of the house, and the newest rows last.

What a role may see of it follows its permissions. The days are read from the sums by day, once in a while for
everybody; nothing here reads more than some thousand rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from psycopg.errors import QueryCanceled

from bonus.admin.bonus_admin import ending_within
from bonus.models import Bonus
from casino_pam.backoffice import withdrawals
from wallet import formatting, money
from wallet.admin import ledger_pages, operator_admin
from wallet.admin.date_fields import today
from wallet.models import Player, ProviderRun, ReconciliationRun, Transaction, Wallet
from wallet.reports import figures
from wallet.reports.sums import snapshot

NEWEST: Final = 12
DAYS: Final = 30
# Today stands beside the day of the same name.
WEEK: Final = 7
# The days are added up once in so long for everybody, within so long.
KEPT_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 2
# More rows than this that nobody has taken into the sums are left out of them.
MOST_UNSUMMED: Final = 50_000
# Nobody counts further.
COUNTED: Final = 1_000
# Comparisons of providers' files that are looked at.
RUNS: Final = 500

Operator = User | AnonymousUser


# --- what waits ----------------------------------------------------------------------------------


class Card(NamedTuple):
    """Something that waits: how much of it, what it is about, and where it is dealt with."""

    title: str
    value: str
    about: str
    link: str
    alarm: bool = False


def waiting(user: Operator) -> Iterator[Card]:
    """What waits for this operator, beside what has a card of its own (casino_pam/templatetags/backoffice_tags.py)."""
    if user.has_perm("wallet.view_providerrun"):
        yield _provider_card(user)
    if user.has_perm("bonus.extend_bonus"):
        count = ending_within(Bonus.objects.all(), timedelta(days=1)).order_by()[: COUNTED + 1].count()
        link = f"{reverse('admin:bonus_bonus_changelist')}?ends=day"
        yield Card("Bonuses that end within 24 hours", _bounded(count), "active, or waiting to be started", link)


def _bounded(count: int) -> str:
    return f"more than {COUNTED:,}" if count > COUNTED else money.grouped(count)


def _provider_card(user: Operator) -> Card:
    """The days of providers whose newest comparison still differs; what is only of another day waits for nobody."""
    newest: dict[tuple[str, date], bool] = {}
    runs = ProviderRun.objects.order_by("-id").values_list("provider", "day", "difference_count", "summary")
    for provider, day, count, summary in runs[:RUNS]:
        differs = count > 0 and any(each["what"] != "other_day" for each in summary)
        newest.setdefault((provider, day), differs)
    undecided = sorted(key for key, differs in newest.items() if differs)
    about = f"the oldest is {undecided[0][0]} of {undecided[0][1]}" if undecided else "every newest comparison agrees"
    may_compare = user.has_perm("wallet.reconcile_provider")
    link = reverse("backoffice:provider_files" if may_compare else "admin:wallet_providerrun_changelist")
    return Card("Provider days that differ", money.grouped(len(undecided)), about, link, bool(undecided))


class Age(NamedTuple):
    """How many withdrawals have waited for so long."""

    title: str
    how_many: int


_AGES: Final = (
    ("over 3 days", timedelta(days=3), None),
    ("1 to 3 days", timedelta(days=1), timedelta(days=3)),
    ("1 to 24 hours", timedelta(hours=1), timedelta(days=1)),
    ("under 1 hour", None, timedelta(hours=1)),
)


def withdrawal_ages() -> list[Age]:
    """Open withdrawals by how long they have waited, of the oldest COUNTED; those of which there are none left out."""
    now = timezone.now()
    waits = [now - at for at in withdrawals.held().values_list("created_at", flat=True)[:COUNTED]]
    ages = []
    for title, least, most in _AGES:
        how_many = sum((least is None or wait >= least) and (most is None or wait < most) for wait in waits)
        if how_many:
            ages.append(Age(title, how_many))
    return ages


# --- the days ------------------------------------------------------------------------------------


class Figure(NamedTuple):
    """What is drawn by day; those see it who have one of the permissions."""

    name: str
    title: str
    about: str
    permissions: tuple[str, ...]


_REPORTS: Final = "wallet.view_reports"
FIGURES: Final = (
    Figure("ggr", "GGR", "stakes less payouts", (_REPORTS,)),
    Figure("deposited", "Deposits", "money that came in", (_REPORTS, "wallet.settle_withdrawal")),
    Figure("paid_out", "Withdrawals", "money that was paid out", (_REPORTS, "wallet.settle_withdrawal")),
    Figure("players", "Active players", "who bet, in whatever currency", (_REPORTS, "wallet.lock_player")),
    Figure("converted", "Bonus cost", "bonus money that became cash", (_REPORTS, "bonus.grant_bonus")),
)
PLAYERS: Final = "players"


def days(user: Operator, currency: str) -> dict[str, Any]:
    """The figures that the operator may see, each drawn over 30 days, with today beside the same day a week ago."""
    seen = [each for each in FIGURES if any(map(user.has_perm, each.permissions))]
    if not seen:
        return {}
    found = _cached_days()
    if found is None:
        return {"too_slow": True}
    currencies = found["currencies"]
    busiest = max(currencies, key=lambda code: int(currencies[code]["bets"]), default="")
    chosen = currency if currency in currencies else busiest
    labels = [str(today() - timedelta(days=ago)) for ago in range(DAYS - 1, -1, -1)]
    amounts = currencies.get(chosen, {"digits": 0})
    drawn = [
        _drawn(each, found[PLAYERS], "", 0, labels)
        if each.name == PLAYERS
        else _drawn(each, amounts.get(each.name, {}), chosen, amounts["digits"], labels)
        for each in seen
    ]
    return {
        "figures": drawn,
        "chosen": chosen,
        "currencies": sorted(currencies) if len(currencies) > 1 else [],
        "weekday": f"{today() - timedelta(days=WEEK):%A}",
        "left_out": found["left_out"],
        "charts": {"labels": labels, "series": {each["name"]: each["series"] for each in drawn}},
    }


def _drawn(figure: Figure, by_day: dict[str, int], unit: str, digits: int, labels: list[str]) -> dict[str, Any]:
    """A figure as the template shows it: its days as decimal strings, today's and last week's as people read them."""
    minor = [by_day.get(label, 0) for label in labels]
    return {
        "name": figure.name,
        "title": figure.title,
        "about": figure.about,
        "unit": unit,
        "today": formatting.number(minor[-1], digits),
        "week_ago": formatting.number(minor[-1 - WEEK], digits),
        "series": [money.show(each, digits) for each in minor],
    }


def _cached_days() -> dict[str, Any] | None:
    """What was added up a moment ago, for everybody; None where it took too long. Without Redis each adds up anew."""
    key = f"overview:{today()}"
    kept: dict[str, Any] | None = cache.get(key)
    if kept is None:
        kept = {"found": _days()}
        cache.set(key, kept, KEPT_SECONDS)
    found: dict[str, Any] | None = kept["found"]
    return found


def _days() -> dict[str, Any] | None:
    first = today() - timedelta(days=DAYS - 1)
    try:
        with snapshot(PATIENCE_SECONDS) as own:
            found = figures.days(own, first, today(), MOST_UNSUMMED)
    except QueryCanceled:
        return None
    currencies: dict[str, dict[str, Any]] = {}
    for each in found.by_currency:
        of_currency = currencies.setdefault(
            each.currency, {"digits": each.digits, "bets": 0, **{name: {} for name in _MONEY}}
        )
        of_currency["bets"] += each.bets
        for name in _MONEY:
            of_currency[name][str(each.day)] = int(getattr(each, name))
    players = {str(each.day): each.players for each in found.active}
    return {"currencies": currencies, PLAYERS: players, "left_out": found.left_out}


_MONEY: Final = tuple(each.name for each in FIGURES if each.name != PLAYERS)


# --- the page ------------------------------------------------------------------------------------


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What each may see of it."""
    context["title"] = "Overview"
    may = request.user.has_perm
    context["waiting"] = list(waiting(request.user))
    context |= days(request.user, request.GET.get("currency", ""))
    if may("wallet.view_transaction"):
        context["ledger_page"] = ledger_pages.LedgerPage(
            rows=list(ledger_pages.with_names(Transaction.objects.order_by("-id"))[:NEWEST]),
            empty_text="The ledger is empty: the first deposit or bet will be its first row.",
        )
    if may("wallet.view_wallet"):
        context["sizes"] = sizes()
    if may("wallet.view_reconciliationrun"):
        # A run over one wallet says nothing of the house.
        run = ReconciliationRun.objects.exclude(scope=ReconciliationRun.Scope.WALLET).first()
        context |= {"may_see_runs": True, "run": run, "verdict": operator_admin.verdict(run) if run else None}
    return context


_COUNTED_MODELS: Final = (Player, Wallet, Transaction)
_SIZES: Final = " UNION ALL ".join(
    f"SELECT {place} AS place, (SELECT count(*) FROM (SELECT 1 FROM {model._meta.db_table} LIMIT {COUNTED + 1}) few),"
    f" (SELECT reltuples::bigint FROM pg_class WHERE oid = '{model._meta.db_table}'::regclass)"
    for place, model in enumerate(_COUNTED_MODELS)
)


def sizes() -> list[tuple[str, str]]:
    """How many players, wallets and rows there are: exactly while they are few, else as PostgreSQL estimates them."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_SIZES} ORDER BY place")
        counts = [(few, estimate) for _, few, estimate in cursor.fetchall()]
    names = [str(model._meta.verbose_name_plural) for model in _COUNTED_MODELS]
    return [(name, _size(few, estimate)) for name, (few, estimate) in zip(names, counts, strict=True)]


def _size(few: int, estimate: int) -> str:
    if few <= COUNTED:
        return money.grouped(few)
    return f"about {estimate:,}" if estimate > few else f"more than {COUNTED:,}"
