"""The back ends that are told of events: where, of what, and with which secret; what became of it is a page of its own
(casino_pam/backoffice/event_pages.py).
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from wallet import audit, formatting
from wallet.admin.admin_classes import AnyForm, AuditedAdmin
from wallet.models import Endpoint
from wallet.models.endpoint import EVENTS


class EndpointForm(AnyForm):
    kinds = forms.MultipleChoiceField(
        label="Events",
        choices=[(kind, kind) for kind in EVENTS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        required=False,
        help_text="None ticked: all of them, and those that later versions bring.",
    )

    class Meta:
        model = Endpoint
        fields = ["code", "url", "kinds", "enabled"]
        labels = {"url": "URL"}
        help_texts = {
            "code": "What it is called here and in X-Provider: small letters, digits, - and _. Never changes.",
            "url": "Where events are sent, by POST. https only; redirects are not followed.",
            "enabled": "A disabled endpoint is told nothing: what happens meanwhile is not kept for it.",
        }


@admin.register(Endpoint)
class EndpointAdmin(AuditedAdmin):
    form = EndpointForm
    search_prefix = "code"
    search_help_text = "The beginning of the endpoint's code"
    empty_text = "No back end is told of events. Add one: its secret is shown once, right then."
    list_display = ["code", "url", "told", "use", "delivered"]
    change_form_before_template = "admin/wallet/endpoint/secret.html"
    fields = ["code", "url", "kinds", "enabled"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["code"] if obj else []

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.secret_view)
        return [path("<int:pk>/secret/", view, name="wallet_endpoint_secret"), *super().get_urls()]

    def page_context(self, row: Endpoint, request: HttpRequest) -> dict[str, Any]:
        return {"may_change": self.has_change_permission(request, row)}

    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: str | None = None) -> HttpResponse:
        """The first secret, on the only page that ever shows it."""
        secret = obj.renew()
        obj.save(update_fields=["secret"])
        return self._page(request, obj, secret=secret)

    def secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask first; the answer to the POST is the only page that ever shows a secret."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        endpoint = get_object_or_404(Endpoint, pk=pk)
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        if request.method != "POST":
            return self._page(request, endpoint)
        secret = endpoint.renew()
        with transaction.atomic():
            endpoint.save(update_fields=["secret"])
            audit.record(request, "make a new secret", subject=endpoint)
            self.log_change(request, endpoint, "Made a new secret.")
        return self._page(request, endpoint, secret=secret)

    def _page(self, request: HttpRequest, endpoint: Endpoint, **more: Any) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": endpoint.code,
            "opts": self.opts,
            "endpoint": endpoint,
            **more,
        }
        return render(request, "admin/wallet/endpoint/new_secret.html", context)

    @admin.display(description="Events")
    def told(self, endpoint: Endpoint) -> str:
        return ", ".join(endpoint.kinds) or "all"

    @admin.display(description="In use")
    def use(self, endpoint: Endpoint) -> SafeString:
        return formatting.switch(endpoint.enabled, yes="enabled", no="disabled")

    @admin.display(description="Last delivered")
    def delivered(self, endpoint: Endpoint) -> SafeString:
        return formatting.utc(endpoint.delivered_at)
