"""The ledger: every row can be found and read, none can be touched."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from wallet import money, shown
from wallet.admin import leaves
from wallet.admin.pages import Window
from wallet.kinds import Status
from wallet.models import Transaction

# What a page shows only where the row has it, and the column that says whether it does.
_IF_THERE: Final = {
    "round": "round",
    "game": "game",
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
    ("Asked by", {"fields": [("source", "name"), ("round", "game"), ("win_source", "named_original"), "closes"]}),
    ("By hand", {"fields": [("actor", "reason")]}),
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
class TransactionAdmin(Window):
    readonly_fields = [
        *("what", "state", "time", "owner", "row_number", "name", "asked", "void", "short"),
        *("cash_moved", "bonus_moved", "held_moved", "cash_then", "bonus_then", "held_then"),
        *("named_original", "counted", "wagered", "chain"),
    ]
    change_form_before_template = "admin/wallet/transaction/acts.html"
    change_form_outer_after_template = "admin/wallet/transaction/related.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transaction]:
        return leaves.with_names(super().get_queryset(request))

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
        context = self.admin_site.each_context(request) | {
            "title": "Transactions",
            "opts": self.opts,
            "leaf": leaves.of_house(request),
            **(extra_context or {}),
        }
        return render(request, "admin/wallet/transaction/house.html", context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id) if object_id else None
        if row is not None and self.has_view_permission(request, row):
            related = leaves.Leaf(rows=related_to(row), empty_text="No other row belongs to this one.")
            title = f"{row.kind} {row.source} {shown.reference(row.reference)}"
            crumbs = [*leaves.crumbs(row.wallet), {"title": f"row {row.version}"}]
            extra_context = {
                "title": title,
                "subtitle": "",
                "crumbs": crumbs,
                "leaf": related,
                "neighbours": leaves.Leaf(rows=neighbours_of(row), wallet=row.wallet, marked=row.pk),
                **(extra_context or {}),
            }
        return super().changeform_view(request, object_id, form_url, extra_context)

    @admin.display(description="Kind")
    def what(self, row: Transaction) -> SafeString:
        marks = [name for name, said in (("late", row.late), ("ends its round", row.ends_round)) if said]
        if row.captured:
            marks.append("captured, to be reviewed")
        return format_html("{} {}", shown.kind(row.kind), ", ".join(marks))

    @admin.display(description="Status")
    def state(self, row: Transaction) -> SafeString:
        return format_html("{} {}", shown.status(row.status), shown.words(row.refusal or ""))

    @admin.display(description="Time")
    def time(self, row: Transaction) -> SafeString:
        return shown.utc(row.created_at)

    @admin.display(description="Wallet")
    def owner(self, row: Transaction) -> SafeString:
        link = reverse("admin:wallet_wallet_change", args=[row.wallet_id])
        text = f"{row.wallet.player.code}, {row.wallet.currency_id}"
        return format_html('<a class="link" href="{}?to={}">{}</a>', link, row.version, text)

    @admin.display(description="Row")
    def row_number(self, row: Transaction) -> str:
        return f"{row.version} of {row.wallet.version}"

    @admin.display(description="Reference")
    def name(self, row: Transaction) -> str:
        return shown.reference(row.reference)

    @admin.display(description="Original")
    def named_original(self, row: Transaction) -> str:
        return shown.reference(row.original or shown.NOTHING)

    @admin.display(description="Counted towards wagering")
    def counted(self, row: Transaction) -> SafeString:
        return _basis_points(row.contribution, row)

    @admin.display(description="Wagered after it")
    def wagered(self, row: Transaction) -> SafeString:
        return _basis_points(row.wagered_after or 0, row)

    @admin.display(description="Amount")
    def asked(self, row: Transaction) -> SafeString:
        return shown.amount(row.amount, row.wallet.currency)

    @admin.display(description="Could not be paid or returned")
    def void(self, row: Transaction) -> SafeString:
        return shown.amount(row.void_amount, row.wallet.currency)

    @admin.display(description="Shortfall")
    def short(self, row: Transaction) -> SafeString:
        return shown.amount(row.shortfall, row.wallet.currency)

    @admin.display(description="Cash moved")
    def cash_moved(self, row: Transaction) -> SafeString:
        return shown.delta(row.cash_delta, row.wallet.currency)

    @admin.display(description="Bonus moved")
    def bonus_moved(self, row: Transaction) -> SafeString:
        return shown.delta(row.bonus_delta, row.wallet.currency)

    @admin.display(description="Held moved")
    def held_moved(self, row: Transaction) -> SafeString:
        return shown.delta(row.held_delta, row.wallet.currency)

    @admin.display(description="Cash after")
    def cash_then(self, row: Transaction) -> SafeString:
        return shown.amount(row.cash_after, row.wallet.currency)

    @admin.display(description="Bonus after")
    def bonus_then(self, row: Transaction) -> SafeString:
        return shown.amount(row.bonus_after, row.wallet.currency)

    @admin.display(description="Held after")
    def held_then(self, row: Transaction) -> SafeString:
        return shown.amount(row.held_after, row.wallet.currency)

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
    exact = money.show(counted, currency.digits + _BASIS_POINT_DIGITS)
    return format_html('<span class="money">{} <span class="unit">{}</span></span>', exact, currency.code)


def related_to(row: Transaction) -> list[Transaction]:
    """What the row undoes or ends, what undid or ended it, and the other rows of its command."""
    named = Q(id__in=[id for id in (row.closes, row.command) if id is not None])
    closing = Q(closes=row.id, status=Status.POSTED)
    companions = Q(command=row.command) & ~Q(command=F("id"))
    rows = Transaction.objects.filter(named | closing | companions).exclude(id=row.id)
    return list(leaves.with_names(rows).order_by("created_at", "version"))


def neighbours_of(row: Transaction) -> list[Transaction]:
    """The row between the two before it and the two after it in its wallet, newest first."""
    near = Transaction.objects.filter(wallet=row.wallet_id, version__range=(row.version - 2, row.version + 2))
    return list(leaves.with_names(near).order_by("-version"))
