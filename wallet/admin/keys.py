"""Keys of the casino's own back ends: made with a form that shows the key once, never again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from wallet import shown
from wallet.admin.pages import AnyForm, Kept
from wallet.models import ApiKey
from wallet.models.access import SCOPES

_MEANINGS = {
    "players": "make and change players and wallets, read their statements",
    "cashier": "deposits and withdrawals",
    "adjust": "adjustments",
    "play": "bets, wins and rollbacks of its provider",
    "offers": "make and change offers",
    "bonuses": "grant and forfeit bonuses",
    "feed": "read every row of the ledger",
}


class ApiKeyForm(AnyForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {_MEANINGS[scope]}") for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What the key may do; nothing else.",
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "source", "provider", "enabled"]
        help_texts = {
            "name": "Which back end holds it.",
            "source": "Whose references its money commands name: cashier, or cashier:name. Never changes.",
            "provider": "For a back end that plays a provider itself (scope play).",
            "enabled": "A disabled key opens nothing. Keys are disabled, never deleted: their references stay.",
        }


@admin.register(ApiKey)
class ApiKeyAdmin(Kept):
    form = ApiKeyForm
    search_prefix = "name"
    search_help_text = "The beginning of the key's name"
    empty_text = "Without a key no back end can reach the API. Add one: it is shown once, right then."
    list_display = ["name", "may", "source", "provider", "use", "created"]
    list_select_related = ["provider"]
    fields = ["name", "scopes", "source", "provider", "enabled"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["source"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            # A key nobody ever sees: the answer to this request makes the one it shows.
            obj.renew()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        key = obj.renew()
        obj.save(update_fields=["digest"])
        context = self.admin_site.each_context(request) | {
            "title": obj.name,
            "opts": self.opts,
            "api_key": obj,
            "key": key,
        }
        return render(request, "admin/wallet/apikey/shown.html", context)

    @admin.display(description="May")
    def may(self, key: ApiKey) -> SafeString:
        return format_html_join(" ", "{}", ((shown.badge(scope, "grey"),) for scope in key.scopes))

    @admin.display(description="In use")
    def use(self, key: ApiKey) -> SafeString:
        return shown.switch(key.enabled, yes="enabled", no="disabled")

    @admin.display(description="Since")
    def created(self, key: ApiKey) -> SafeString:
        return shown.utc(key.created_at)
