"""Offers: written with a form that explains itself and works an example for the numbers typed in.

An offer is never deleted: its bonuses name it. A closed offer grants nothing any more.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from bonus import campaigns
from bonus.admin.offer_form import OfferForm, currency_fields, form_for
from bonus.campaign_tables import OffersSummedUp
from bonus.describe import Line, in_words, worked_example
from bonus.models import Offer
from bonus.terms import OfferSpec
from wallet import formatting, money
from wallet.admin.admin_classes import AuditedAdmin
from wallet.models import Currency

_PARTS: Final[list[tuple[str | None, str, list[Any]]]] = [
    (None, "", [("code", "name"), ("kind", "enabled"), "seen"]),
    (
        "What is granted",
        "The amounts are below, currency by currency.",
        [
            ("percent_bp", "which_deposit"),
            ("per_player", "total"),
            "valid_from",
            "valid_until",
            ("promo_code", "countries"),
        ],
    ),
    (
        "What must be wagered",
        "A stake counts with the weight of its game; the most precise weight holds: game, category, provider, others.",
        [
            ("multiplier", "base"),
            ("counted", "weights.default"),
            ("weights.game", "weights.category"),
            "weights.provider",
            ("excluded.game", "excluded.category"),
        ],
    ),
    ("While it is played", "", [("spend_order", "on_withdrawal"), ("max_stake_bp", "over_max_stake")]),
    ("How it ends", "", [("conversion", "sticky"), ("claim_days", "spend_days")]),
]


# Days and currencies of the campaign that its page shows; the report has them all.
DAYS_SHOWN: Final = 30


class CampaignRow(NamedTuple):
    """An offer's figures of a day, or of all days, as its page shows them."""

    campaign: campaigns.Campaign
    cost: str
    wagered: str
    conversion: str


def _shown(each: campaigns.Campaign) -> CampaignRow:
    share = money.show(10_000 * each.earned // each.granted, 2) + " %" if each.granted else formatting.NOTHING
    return CampaignRow(each, money.show(each.cost, each.digits), money.show(each.counted, each.digits), share)


class InCurrency(NamedTuple):
    """An offer as players with wallets in one currency meet it."""

    currency: str
    terms: list[Line]
    example: list[Line]


def explained(spec: OfferSpec) -> list[InCurrency]:
    """The terms in words and one worked example, by currency."""
    digits = dict(Currency.objects.values_list("code", "digits"))
    now = timezone.now()
    return [
        InCurrency(currency, in_words(terms, digits[currency]), worked_example(terms, digits[currency], now))
        for currency, terms in ((code, spec.terms_for(code)) for code in sorted(spec.amounts))
    ]


@admin.register(Offer)
class OfferAdmin(AuditedAdmin):
    search_prefix = "code"
    search_help_text = "The beginning of the offer's code"
    empty_text = "An offer is a promise to players: add the first one here, or through POST /api/v1/offers."
    list_display = ["code", "name", "kind", "use", "promo_code", "currencies", "granted_so_far", "edited"]
    list_filter = ["kind", "enabled"]
    ordering = ["code"]
    readonly_fields = ["use", "currencies", "granted_so_far", "edited"]
    change_form_before_template = "admin/bonus/offer/terms_line.html"
    change_form_after_template = "admin/bonus/offer/preview.html"
    change_form_outer_after_template = "admin/bonus/offer/example.html"

    class Media:
        css = {"all": ["bonus/admin.css"]}
        js = ["bonus/offer_form.js"]

    def get_urls(self) -> list[URLPattern]:
        example = self.admin_site.admin_view(self.example)
        return [
            path("example/", example, name="bonus_offer_example"),
            path("<int:pk>/example/", example, name="bonus_offer_example_of"),
            *super().get_urls(),
        ]

    def example(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """The worked example for what is typed, and what is wrong with it; nothing is saved."""
        offer = None if pk is None else get_object_or_404(Offer, pk=pk)
        if not self._may_write(request, offer):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        sent = request.POST.copy()
        sent["_preview"] = "yes"
        form = form_for(_currencies(offer))(sent, instance=offer)
        form.is_valid()
        wrong = [
            (form.fields[name].label or name if name in form.fields else "", said) for name, said in form.errors.items()
        ]
        context = {"explained": explained(form.spec) if form.spec else [], "previewing": True, "wrong": wrong}
        return render(request, "admin/bonus/offer/examples.html", context)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if not self._may_write(request, obj):
            return [(None, {"fields": [("code", "name"), ("use", "currencies"), ("granted_so_far", "edited")]})]
        parts = [(title, {"fields": lines, "description": said}) for title, said, lines in _PARTS]
        return [*parts, *(_in_currency(code, obj, request) for code in _currencies(obj))]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if not self._may_write(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        return form_for(_currencies(obj))

    def _may_write(self, request: HttpRequest, offer: Offer | None) -> bool:
        return self.has_add_permission(request) if offer is None else self.has_change_permission(request, offer)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The form has saved the offer already, as a whole and by the road of the REST API."""

    def changes(self, form: Any, row: Any, add: bool) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The fields as they were typed: amounts and weights are no columns of their own."""
        names = [name for name in (form.fields if add else form.changed_data) if name != "seen"]
        after = {name: form[name].value() for name in names}
        return None if add else {name: form.get_initial_for_field(form.fields[name], name) for name in names}, after

    def response_post_save_add(self, request: HttpRequest, obj: Offer) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:bonus_offer_change", args=[obj.pk]))

    def response_post_save_change(self, request: HttpRequest, obj: Offer) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:bonus_offer_change", args=[obj.pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        form = context["adminform"].form
        obj: Offer | None = context.get("original")
        spec = form.spec if isinstance(form, OfferForm) else obj.spec() if obj else None
        context |= {
            "explained": explained(spec) if spec else [],
            "previewing": isinstance(form, OfferForm) and form.is_bound,
            "may_write": isinstance(form, OfferForm),
        }
        if obj is not None:
            whole, newest = campaigns.of_offer(obj, DAYS_SHOWN)
            context |= {
                "campaign": [_shown(each) for each in whole],
                "campaign_days": [_shown(each) for each in newest],
                "summed_up": OffersSummedUp.objects.first(),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.display(description="State")
    def use(self, offer: Offer) -> SafeString:
        return formatting.switch(offer.enabled, yes="open", no="closed")

    @admin.display(description="Currencies")
    def currencies(self, offer: Offer) -> str:
        return ", ".join(sorted(offer.amounts))

    @admin.display(description="Granted")
    def granted_so_far(self, offer: Offer) -> str:
        return str(offer.granted) if offer.total is None else f"{offer.granted} of {offer.total}"

    @admin.display(description="Last edited")
    def edited(self, offer: Offer) -> SafeString:
        return formatting.utc(offer.updated_at)


def _in_currency(currency: str, offer: Offer | None, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    """The part of one currency; folded up where neither the offer nor what was sent says anything in it."""
    folded = offer is not None and currency not in offer.amounts and f"amounts.{currency}" not in request.POST
    return f"In {currency}", {"fields": currency_fields(currency), "classes": ["collapse"] if folded else []}


def _currencies(offer: Offer | None) -> list[str]:
    """Those that players may play in, and those that the offer names already."""
    known = Currency.objects.order_by("code").values_list("code", "enabled")
    named = offer.amounts if offer else {}
    return [code for code, enabled in known if enabled or code in named]
