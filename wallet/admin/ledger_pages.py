"""The ledger in the admin: every row can be found and read a page at a time, none can be touched.

Pages go newest first and always along an index. A wallet's versions have no gap, so they are its page numbers too:
any page of a million rows is as near as the newest. All rows together are paged by
their ids, which are in order of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from wallet import formatting, games, history, money
from wallet.admin import transaction_list
from wallet.admin.admin_classes import ReadOnlyAdmin
from wallet.admin.date_fields import presets, read_day
from wallet.admin.transaction_list import TransactionChoices
from wallet.kinds import KINDS, Status
from wallet.models import Player, Transaction, Wallet
from wallet.time import made_at, midnight

PAGE: Final = 50
CHOICES: Final = ("kind", "round", "reference", "since", "until")
"""What a statement can be narrowed to, as named in its address; days are UTC."""


@dataclass(frozen=True, kw_only=True)
class LedgerPage:
    """A page of rows and where the neighbouring pages begin, as query strings."""

    rows: list[Transaction]
    newest: str | None = None
    newer: str | None = None
    older: str | None = None
    oldest: str | None = None
    summary: str = ""
    # The wallet is named in each row where the rows are of several.
    wallet: Wallet | None = None
    player: Player | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
    # The row that the page is about.
    marked: UUID | None = None
    empty_text: str = "No row of the ledger is here."

    def __post_init__(self) -> None:
        games.give_names(self.rows)

    @property
    def chosen_query(self) -> str:
        """What was chosen, as it stands in an address."""
        return urlencode(self.chosen)


def whole(text: str | None) -> int | None:
    """A version out of a query string; None for anything else, and for what no version can be."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    return int(text)


def uuid(text: str | None) -> UUID | None:
    """An id as people paste it; None for anything else."""
    try:
        return UUID(text.strip()) if text else None
    except ValueError:
        return None


def with_names(rows: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """The rows with all that a line of a statement shows, in the same query."""
    return rows.select_related("wallet__player", "wallet__currency").annotate(game_name=games.name_of_row())


def player_crumbs(player: Player) -> list[dict[str, str]]:
    """The way to a player's page, for its head line."""
    return [
        {"title": "Players", "link": reverse("admin:wallet_player_changelist")},
        {"title": player.code, "link": reverse("admin:wallet_player_change", args=[player.pk])},
    ]


def wallet_crumbs(wallet: Wallet) -> list[dict[str, str]]:
    """The way to a wallet's page."""
    return [
        *player_crumbs(wallet.player),
        {"title": wallet.currency_id, "link": reverse("admin:wallet_wallet_change", args=[wallet.pk])},
    ]


def of_wallet(wallet: Wallet, asked: HttpRequest) -> LedgerPage:
    """The statement of a wallet: ``?to=VERSION`` and the rows before it; of these what CHOICES leave."""
    chosen = choices_of(asked)
    if chosen:
        return _chosen(wallet, chosen, whole(asked.GET.get("to")))
    last = wallet.version
    to = min(whole(asked.GET.get("to")) or last, last)
    rows = list(_of(wallet).filter(version__lte=to).order_by("-version")[:PAGE])
    first = rows[-1].version if rows else 0
    return LedgerPage(
        rows=rows,
        wallet=wallet,
        newest="?" if to < last else None,
        newer=f"?to={min(to + PAGE, last)}" if to < last else None,
        older=f"?to={first - 1}" if first > 1 else None,
        oldest=f"?to={min(PAGE, last)}" if first > 1 else None,
        summary=f"Rows {to:,} to {first:,} of {last:,}" if rows else "",
        empty_text="No money has moved in this wallet yet: its first deposit or bet will be row 1.",
    )


def choices_of(asked: HttpRequest) -> dict[str, str]:
    """What a statement is to be narrowed to, as an address says it."""
    return {name: text for name in CHOICES if (text := asked.GET.get(name, "").strip())}


def _of(wallet: Wallet) -> QuerySet[Transaction]:
    return with_names(Transaction.objects.filter(wallet=wallet))


def _chosen(wallet: Wallet, chosen: dict[str, str], to: int | None) -> LedgerPage:
    """Only the rows that were chosen; a choice that names nothing finds nothing."""
    narrowing = wanted(chosen)
    found = history.Page([], None)
    if narrowing is not None:
        found = history.page([wallet], narrowing, None if to is None else [min(to, wallet.version) + 1], PAGE)
    for row in found.rows:
        # Read already, with its player and currency.
        row.wallet = wallet
    older = found.below[0] - 1 if found.below else 0
    return LedgerPage(
        rows=found.rows,
        wallet=wallet,
        chosen=chosen,
        newest=f"?{urlencode(chosen)}" if to is not None else None,
        older=f"?{urlencode({**chosen, 'to': older})}" if older > 0 else None,
        summary="Rows that match",
        empty_text="No row of this wallet matches, as far as this page looks."
        if older
        else "No row of this wallet matches.",
    )


def wanted(chosen: dict[str, str]) -> history.StatementFilter | None:
    """The choices as the statement knows them; None if one of them can name nothing."""
    if any(not money.is_reference(text) for text in chosen.values()):
        return None
    since, until = _day(chosen.get("since")), _day(chosen.get("until"))
    kind = chosen.get("kind")
    if ("since" in chosen and since is None) or ("until" in chosen and until is None) or kind not in (None, *KINDS):
        return None
    return history.StatementFilter(
        kind=kind,
        round=chosen.get("round"),
        reference=chosen.get("reference"),
        since=since,
        # The day that was named is within.
        until=None if until is None else until + timedelta(days=1),
    )


def _day(text: str | None) -> datetime | None:
    """The first moment, in UTC, of a day such as 2026-09-22."""
    day = read_day(text)
    return midnight(day) if day else None


def of_player(player: Player) -> LedgerPage:
    """The newest rows of all of a player's wallets; each wallet's page has the rest."""
    parts = [_of(wallet).order_by("-version")[:PAGE] for wallet in player.wallets.all()]
    rows = list(parts[0].union(*parts[1:], all=True)) if parts else []
    rows.sort(key=lambda row: (row.created_at, row.version), reverse=True)
    return LedgerPage(
        rows=rows[:PAGE],
        player=player,
        summary=f"The newest {PAGE}; each wallet's page has them all" if len(rows) > PAGE else "",
        empty_text="No money has moved in any wallet of this player yet.",
    )


def of_ledger(choices: TransactionChoices, before: UUID | None) -> LedgerPage:
    """Everybody's rows as chosen, those before the id ``before``; none where a choice is wrong."""
    if choices.is_bound and not choices.is_valid():
        return LedgerPage(rows=[], empty_text="Nothing was looked for.")
    rows = transaction_list.rows_from(choices, before)
    floor = transaction_list.floor_of(rows) if choices.chosen else None
    if floor is not None:
        rows = rows.filter(id__gte=floor)
    page = list(with_names(transaction_list.narrowed(rows, choices))[: PAGE + 1])
    further = page[PAGE - 1].id if len(page) > PAGE else floor
    chosen = urlencode(choices.chosen)
    return LedgerPage(
        rows=page[:PAGE],
        chosen=choices.chosen,
        newest=f"?{chosen}" if before is not None else None,
        older=f"?{urlencode({**choices.chosen, 'before': further})}" if further else None,
        summary=_looked_through(floor) if floor and len(page) <= PAGE else "",
        empty_text=_nothing_found(choices, floor),
    )


def _looked_through(floor: UUID) -> str:
    """How far a page has looked, which found fewer rows than it has room for."""
    return f"Looked through {transaction_list.REACH:,} rows, back to {made_at(floor):%Y-%m-%d %H:%M:%S} UTC"


def _nothing_found(choices: TransactionChoices, floor: UUID | None) -> str:
    if not choices.chosen:
        return "The ledger is empty: the first deposit or bet will be its first row."
    return "No row matches as far as this page looks." if floor else "No row matches."


# What a page shows only where the row has it, and the column that says whether it does.
_IF_THERE: Final = {
    "round": "round",
    "game_called": "game",
    "win_source": "win_source",
    "actor": "actor",
    "reason": "reason",
    "named_original": "original",
    "closes": "closes",
    "void": "void_amount",
    "short": "shortfall",
    "bonus": "bonus",
    "counted": "contribution",
    "wagered": "wagered_after",
}
_BASIS_POINT_DIGITS: Final = 4

Lines = list[tuple[str | None, dict[str, Any]]]

_PAGE: Final[Lines] = [
    (None, {"fields": [("what", "state"), ("time", "owner"), ("id", "row_number")]}),
    (
        "Asked by",
        {"fields": [("source", "name"), ("round", "game_called"), ("win_source", "named_original"), "closes"]},
    ),
    ("Who and why", {"fields": [("actor", "reason")]}),
    (
        "Money",
        {
            "fields": [
                ("asked", "void", "short"),
                ("cash_moved", "bonus_moved", "held_moved"),
                ("cash_then", "bonus_then", "held_then"),
            ]
        },
    ),
    ("Wagering", {"fields": ["bonus", ("counted", "wagered")]}),
    ("Proof", {"fields": ["command", "chain", "digest_version"], "classes": ["collapse"]}),
]


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin):
    readonly_fields = [
        *("what", "state", "time", "owner", "row_number", "name", "game_called", "asked", "void", "short"),
        *("cash_moved", "bonus_moved", "held_moved", "cash_then", "bonus_then", "held_then"),
        *("named_original", "counted", "wagered", "chain"),
    ]
    change_form_before_template = "admin/wallet/transaction/actions.html"
    change_form_outer_after_template = "admin/wallet/transaction/related.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        return with_names(super().get_queryset(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The page without the fields this row has nothing to say in."""
        absent = {name for name, column in _IF_THERE.items() if not getattr(obj, column, None)}
        return [(title, options) for title, options in (_without(absent, part) for part in _PAGE) if options["fields"]]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Not Django's list: that one counts the rows and leafs through them by offset."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        choices = TransactionChoices(request.GET or None)
        context = self.admin_site.each_context(request) | {
            **self.heading(),
            "opts": self.opts,
            "choices": choices,
            "reach": transaction_list.REACH,
            "presets": list(presets()),
            "ledger_page": of_ledger(choices, uuid(request.GET.get("before"))),
            **(extra_context or {}),
        }
        status = 400 if choices.errors else 200
        return render(request, "admin/wallet/transaction/all_rows.html", context, status=status)

    def page_context(self, row: Transaction, request: HttpRequest) -> dict[str, Any]:
        return {
            "title": f"{row.kind} {row.source} {formatting.reference(row.reference)}",
            "subtitle": "",
            "crumbs": [*wallet_crumbs(row.wallet), {"title": f"row {row.version}"}],
            "ledger_page": LedgerPage(rows=related_to(row), empty_text="No other row belongs to this one."),
            "neighbours": LedgerPage(rows=neighbours_of(row), wallet=row.wallet, marked=row.pk),
        }

    @admin.display(description="Kind")
    def what(self, row: Transaction) -> SafeString:
        marks = [name for name, said in (("late", row.late), ("ends its round", row.ends_round)) if said]
        if row.captured:
            marks.append("captured, to be reviewed")
        return format_html("{} {}", formatting.kind(row.kind), ", ".join(marks))

    @admin.display(description="Status")
    def state(self, row: Transaction) -> SafeString:
        return format_html("{} {}", formatting.status(row.status), formatting.words(row.refusal or ""))

    @admin.display(description="Time")
    def time(self, row: Transaction) -> SafeString:
        return formatting.utc(row.created_at)

    @admin.display(description="Wallet")
    def owner(self, row: Transaction) -> SafeString:
        link = reverse("admin:wallet_wallet_change", args=[row.wallet_id])
        text = f"{row.wallet.player.code}, {row.wallet.currency_id}"
        return format_html('<a class="link" href="{}?to={}">{}</a>', link, row.version, text)

    @admin.display(description="Row")
    def row_number(self, row: Transaction) -> str:
        return f"{row.version:,} of {row.wallet.version:,}"

    @admin.display(description="Reference")
    def name(self, row: Transaction) -> str:
        return formatting.reference(row.reference)

    @admin.display(description="Game")
    def game_called(self, row: Transaction) -> SafeString:
        games.give_names([row])
        named: Any = row
        return formatting.game(row.game or "", named.game_name)

    @admin.display(description="Original")
    def named_original(self, row: Transaction) -> str:
        return formatting.reference(row.original or formatting.NOTHING)

    @admin.display(description="Counted towards wagering")
    def counted(self, row: Transaction) -> SafeString:
        return _basis_points(row.contribution, row)

    @admin.display(description="Wagered after it")
    def wagered(self, row: Transaction) -> SafeString:
        return _basis_points(row.wagered_after or 0, row)

    @admin.display(description="Amount")
    def asked(self, row: Transaction) -> SafeString:
        return formatting.amount(row.amount, row.wallet.currency)

    @admin.display(description="Could not be paid or returned")
    def void(self, row: Transaction) -> SafeString:
        return formatting.amount(row.void_amount, row.wallet.currency)

    @admin.display(description="Shortfall")
    def short(self, row: Transaction) -> SafeString:
        return formatting.amount(row.shortfall, row.wallet.currency)

    @admin.display(description="Cash moved")
    def cash_moved(self, row: Transaction) -> SafeString:
        return formatting.delta(row.cash_delta, row.wallet.currency)

    @admin.display(description="Bonus moved")
    def bonus_moved(self, row: Transaction) -> SafeString:
        return formatting.delta(row.bonus_delta, row.wallet.currency)

    @admin.display(description="Held moved")
    def held_moved(self, row: Transaction) -> SafeString:
        return formatting.delta(row.held_delta, row.wallet.currency)

    @admin.display(description="Cash after")
    def cash_then(self, row: Transaction) -> SafeString:
        return formatting.amount(row.cash_after, row.wallet.currency)

    @admin.display(description="Bonus after")
    def bonus_then(self, row: Transaction) -> SafeString:
        return formatting.amount(row.bonus_after, row.wallet.currency)

    @admin.display(description="Held after")
    def held_then(self, row: Transaction) -> SafeString:
        return formatting.amount(row.held_after, row.wallet.currency)

    @admin.display(description="Digest")
    def chain(self, row: Transaction) -> str:
        return bytes(row.digest).hex()


def _without(absent: set[str], part: tuple[str | None, dict[str, Any]]) -> tuple[str | None, dict[str, Any]]:
    """A part of the page, its lines shortened by the absent fields and the empty lines left out."""
    title, options = part
    lines = [(line,) if isinstance(line, str) else line for line in options["fields"]]
    kept = [tuple(name for name in line if name not in absent) for line in lines]
    return title, options | {"fields": [line for line in kept if line]}


def _basis_points(counted: int, row: Transaction) -> SafeString:
    """A contribution, which is kept in minor units times basis points."""
    currency = row.wallet.currency
    exact = formatting.number(counted, currency.digits + _BASIS_POINT_DIGITS)
    return format_html('<span class="money">{} <span class="unit">{}</span></span>', exact, currency.code)


def related_to(row: Transaction) -> list[Transaction]:
    """What the row undoes or ends, what undid or ended it, and the other rows of its command."""
    named = Q(id__in=[id for id in (row.closes, row.command) if id is not None])
    closing = Q(closes=row.id, status=Status.POSTED)
    companions = Q(command=row.command) & ~Q(command=F("id"))
    rows = Transaction.objects.filter(named | closing | companions).exclude(id=row.id)
    return list(with_names(rows).order_by("created_at", "version"))


def neighbours_of(row: Transaction) -> list[Transaction]:
    """The row between the two before it and the two after it in its wallet, newest first."""
    near = Transaction.objects.filter(wallet=row.wallet_id, version__range=(row.version - 2, row.version + 2))
    return list(with_names(near).order_by("-version"))
