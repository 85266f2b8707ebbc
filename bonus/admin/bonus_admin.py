"""Bonuses, to be looked at: how far each has come, what it was promised, and every row that says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bonus import rules, terms
from bonus.describe import in_words
from bonus.models import WAITING, Bonus, BonusStatus, Offer
from wallet import formatting
from wallet.admin import ledger_pages
from wallet.admin.admin_classes import ReadOnlyAdmin
from wallet.admin.ledger_pages import LedgerPage
from wallet.models import Player, Transaction

# A search that fits more players or offers than this is to be made more precise.
NAMED: Final = 100

_COLOURS: Final = {
    BonusStatus.PENDING: "grey",
    BonusStatus.QUEUED: "blue",
    BonusStatus.ACTIVE: "green",
    BonusStatus.COMPLETED: "violet",
    BonusStatus.DEPLETED: "orange",
    BonusStatus.EXPIRED: "orange",
    BonusStatus.FORFEITED: "red",
    BonusStatus.CANCELLED: "red",
}
_MEANINGS: Final = {
    BonusStatus.PENDING: "waits for its deposit, its first win or an approval",
    BonusStatus.QUEUED: "waits until the bonus before it has ended",
    BonusStatus.ACTIVE: "is being wagered",
    BonusStatus.COMPLETED: "was wagered, and became cash",
    BonusStatus.DEPLETED: "its money was lost before it was wagered",
    BonusStatus.EXPIRED: "ran out of time",
    BonusStatus.FORFEITED: "was given up, or taken back",
    BonusStatus.CANCELLED: "was taken back before it began",
}
_SET_ASIDE: Final = "is wagered; its money is set aside until the player is verified, and then becomes cash"
FALLEN_BACK: Final = Q(
    status=BonusStatus.COMPLETED, wagered__lt=F("required") * rules.BASIS_POINTS, ended_reference__isnull=True
)
"""Completed bonuses whose bets were rolled back afterwards: somebody should look at what was converted.

One that an operator completed was never wagered to its end, and somebody did look at it."""


def present_status(bonus: Bonus) -> BonusStatus:
    """As every reader is told: a bonus past its time has expired, whether or not the row is posted yet."""
    runs_out = bonus.claim_by if bonus.status in WAITING else bonus.expires_at
    live = bonus.status in WAITING or bonus.status == BonusStatus.ACTIVE
    if live and runs_out is not None and runs_out <= timezone.now():
        return BonusStatus.EXPIRED
    return BonusStatus(bonus.status)


def badge_of(bonus: Bonus) -> SafeString:
    if bonus.unverified:
        return formatting.badge("waits for verification", "blue")
    status = present_status(bonus)
    return formatting.badge(status, _COLOURS[status])


def progress(bonus: Bonus) -> rules.Progress:
    return rules.shown_progress(
        bonus.wagered, bonus.required, completed=bonus.status == BonusStatus.COMPLETED or bonus.unverified
    )


class ReviewFilter(admin.SimpleListFilter):
    title = "review"
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "completed, then fell back")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Bonus]) -> QuerySet[Bonus]:
        return queryset.filter(FALLEN_BACK) if self.value() == "yes" else queryset


def ending_within(bonuses: QuerySet[Bonus], span: timedelta) -> QuerySet[Bonus]:
    """Those that run out, or are to be started, within so long; each part is found along an index of its own."""
    now = timezone.now()
    runs_out = Q(status=BonusStatus.ACTIVE, expires_at__gt=now, expires_at__lte=now + span)
    return bonuses.filter(runs_out | Q(status__in=WAITING, claim_by__gt=now, claim_by__lte=now + span))


class EndingFilter(admin.SimpleListFilter):
    title = "end"
    parameter_name = "ends"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("day", "within 24 hours"), ("week", "within 7 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Bonus]) -> QuerySet[Bonus]:
        days = {"day": 1, "week": 7}.get(self.value() or "")
        return ending_within(queryset, timedelta(days=days)) if days else queryset


def rows_of(bonus: Bonus, asked: HttpRequest) -> LedgerPage:
    """The ledger's rows of a bonus, newest first: ``?to=VERSION`` and those before it."""
    rows = ledger_pages.with_names(Transaction.objects.filter(bonus=bonus.pk)).order_by("-created_at", "-version")
    to = ledger_pages.whole(asked.GET.get("to"))
    begin = Transaction.objects.filter(wallet=bonus.wallet_id, version=to).first() if to else None
    if begin is not None:
        rows = rows.filter(created_at__lte=begin.created_at, version__lte=begin.version)
    page = list(rows[: ledger_pages.PAGE + 1])
    return LedgerPage(
        rows=page[: ledger_pages.PAGE],
        newest="?" if begin is not None else None,
        older=f"?to={page[ledger_pages.PAGE].version}" if len(page) > ledger_pages.PAGE else None,
        empty_text="No row yet: its money enters when it becomes active.",
    )


@admin.register(Bonus)
class BonusAdmin(ReadOnlyAdmin):
    search_help_text = "A bonus's id, or the beginning of a player's or an offer's code"
    empty_text = "No bonus has been granted yet."
    list_display = [
        "player_and_currency",
        "offer_link",
        "status_badge",
        "progress_bar",
        "granted_amount",
        "required_amount",
        "created",
        "runs_out",
    ]
    list_filter = ["status", EndingFilter, ReviewFilter, "offer", "wallet__currency"]
    list_before_template = "admin/bonus/bonus/as_file.html"
    list_select_related = ["offer", "player", "wallet__currency"]
    # The ids are in order of time, and indexed.
    ordering = ["-id"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("player_and_currency", "offer_link"),
                    ("reference_text", "source"),
                    ("actor", "approver", "reason"),
                ]
            },
        ),
        (
            "Dates",
            {"fields": [("created", "to_be_claimed"), ("activated", "runs_out"), ("ended", "ended_reason")]},
        ),
    ]
    readonly_fields = [
        "player_and_currency",
        "offer_link",
        "reference_text",
        "created",
        "to_be_claimed",
        "activated",
        "runs_out",
        "ended",
    ]
    change_form_before_template = "admin/bonus/bonus/progress.html"
    change_form_outer_after_template = "admin/bonus/bonus/rows.html"

    class Media:
        css = {"all": ["bonus/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bonus]:
        return super().get_queryset(request).select_related("offer", "player", "wallet__currency", "wallet__player")

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return ("id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Bonus], search_term: str
    ) -> tuple[QuerySet[Bonus], bool]:
        """Players and offers are looked up first, each along its own index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        id = ledger_pages.uuid(term)
        if id is not None:
            return queryset.filter(id=id), False
        begins = Q(code__startswith=term) | Q(code__startswith=term.lower())
        players = list(Player.objects.filter(begins).order_by("code").values_list("pk", flat=True)[:NAMED])
        offers = list(Offer.objects.filter(begins).order_by("code").values_list("pk", flat=True)[:NAMED])
        return queryset.filter(Q(player__in=players) | Q(offer__in=offers)), False

    def page_context(self, row: Bonus, request: HttpRequest) -> dict[str, Any]:
        currency = row.wallet.currency
        status = present_status(row)
        wagered, percent = progress(row)
        crumbs = [*ledger_pages.wallet_crumbs(row.wallet), {"title": row.offer.code}]
        return {
            "title": f"{row.offer.name} of {row.player.code}",
            "subtitle": "",
            "crumbs": crumbs,
            "bonus": row,
            "currency": currency,
            "badge": badge_of(row),
            "meaning": _SET_ASIDE if row.unverified else _MEANINGS[status],
            "overdue": status != row.status,
            "fallen_back": row.status == BonusStatus.COMPLETED
            and row.ended_reference is None
            and row.wagered < row.required * rules.BASIS_POINTS,
            "wagered": wagered,
            "percent": percent,
            "recorded": formatting.amount(row.wagered // rules.BASIS_POINTS, currency),
            "terms": in_words(terms.decode(row.terms), currency.digits),
            "ledger_page": rows_of(row, request),
        }

    @admin.display(description="Player")
    def player_and_currency(self, bonus: Bonus) -> SafeString:
        # The list leads from its first column to the bonus; the page leads on to the wallet.
        return format_html("{}, {}", bonus.player.code, bonus.wallet.currency_id)

    @admin.display(description="Offer")
    def offer_link(self, bonus: Bonus) -> SafeString:
        link = reverse("admin:bonus_offer_change", args=[bonus.offer_id])
        return format_html('<a class="link" href="{}">{}</a>', link, bonus.offer.code)

    @admin.display(description="Reference")
    def reference_text(self, bonus: Bonus) -> str:
        return formatting.reference(bonus.reference)

    @admin.display(description="Status")
    def status_badge(self, bonus: Bonus) -> SafeString:
        return badge_of(bonus)

    @admin.display(description="Progress")
    def progress_bar(self, bonus: Bonus) -> SafeString:
        percent = progress(bonus).percent
        return format_html('<progress class="wagering" max="100" value="{}"></progress> {} %', percent, percent)

    @admin.display(description="Granted")
    def granted_amount(self, bonus: Bonus) -> SafeString:
        return formatting.amount(bonus.amount, bonus.wallet.currency)

    @admin.display(description="To be wagered")
    def required_amount(self, bonus: Bonus) -> SafeString:
        return formatting.amount(bonus.required, bonus.wallet.currency)

    @admin.display(description="Promised")
    def created(self, bonus: Bonus) -> SafeString:
        return formatting.utc(bonus.created_at)

    @admin.display(description="To be started by")
    def to_be_claimed(self, bonus: Bonus) -> SafeString:
        return formatting.utc(bonus.claim_by)

    @admin.display(description="Started")
    def activated(self, bonus: Bonus) -> SafeString:
        return formatting.utc(bonus.activated_at)

    @admin.display(description="Runs out")
    def runs_out(self, bonus: Bonus) -> SafeString:
        return formatting.utc(bonus.claim_by if bonus.activated_at is None else bonus.expires_at)

    @admin.display(description="Ended")
    def ended(self, bonus: Bonus) -> SafeString:
        return formatting.utc(bonus.ended_at)
