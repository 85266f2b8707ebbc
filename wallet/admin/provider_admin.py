"""Game providers: their profile, their secrets, their games; and the keys of the casino's own back ends.

A secret or a key is shown once, on the page that answers the POST that made it. The buttons are views of their own
with a question first, and carry the state of the secrets they were asked about: pressed twice, or by two operators
at once, they act once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from wallet import audit, formatting, hindrances, providers
from wallet.admin.admin_classes import AnyForm, AuditedAdmin, ReadOnlyAdmin
from wallet.errors import InvalidField
from wallet.models import ApiKey, Game, GameSession, Provider, Transaction
from wallet.models.provider import KNOWN_BY_HEART, SCOPES, profile_of
from wallet.providers import SECRETS, replaced


@dataclass(frozen=True)
class SecretAction:
    """A button about the secrets: what it asks first and what it says afterwards.

    ``run`` changes the provider in memory and returns the secret to be shown, if it made one.
    """

    title: str
    question: str
    done: str
    run: Callable[[Provider], str | None]
    offered: Callable[[Provider], bool]


def _revoke_older(provider: Provider) -> None:
    provider.revoke(older_only=True)


def _revoke_all(provider: Provider) -> None:
    provider.revoke(older_only=False)


SECRET_ACTIONS: Final = {
    "rotate": SecretAction(
        title="Make a new secret",
        question="The new secret is shown once. The newest one of today stays live beside it until you revoke it; an "
        "older one ends now.",
        done="Made a new secret.",
        run=Provider.rotate,
        offered=lambda provider: True,
    ),
    "revoke-older": SecretAction(
        title="Revoke the older secret",
        question="Requests signed with the older secret will be refused from now on. Make sure the provider signs with "
        "the newest one.",
        done="Revoked the older secret.",
        run=_revoke_older,
        offered=lambda provider: provider.secret_two is not None,
    ),
    "revoke-all": SecretAction(
        title="Revoke every secret",
        question="The provider is shut out altogether: no bet, but no win and no rollback either. To refuse bets only, "
        "disable the provider instead.",
        done="Revoked every secret.",
        run=_revoke_all,
        offered=lambda provider: provider.secret_one is not None,
    ),
}


class ProviderForm(AnyForm):
    class Meta:
        model = Provider
        fields = "__all__"
        help_texts = {
            "code": "What it sends as X-Provider; the source of its references. Never changes.",
            "enabled": "A disabled provider's bets are refused; its wins and rollbacks still go through.",
            "reference_scope": "Whether its references are unique in the whole house or per player. Fixed from its "
            "first transaction on.",
            "replay_balance": "What a repeated request shows: the balances of its first answer, or those of now.",
            "zero_amount": "Whether a bet of zero (a free round) is accepted.",
            "win_requires_bet": "A win whose bet is unknown is refused instead of paid.",
            "late_win": "Whether a win on a closed round is paid (marked late) or refused.",
            "unknown_rollback": "The answer to a rollback of something unknown; either way its bet can never be "
            "accepted later.",
            "late_bet": "The answer to a bet that was rolled back before it came: refused, or accepted as void.",
            "rollback_after_win": "Whether a bet may be rolled back though its round has paid out.",
            "rollback_wins": "Whether it may roll wins back. An operator may in any case.",
            "win_rollback": "When the player has spent the win: refuse the rollback, or take what is there.",
            "ends_rounds": "It always sends an end of round: rounds left open are worth a look.",
            "share_references": "A bet and a win may not have one reference. For dialects whose signature does not say "
            "which of the two a request is.",
            "dialect": "What it speaks. Choosing another one sets everything below to that dialect's profile.",
            "merchant": "How it names us, where its dialect wants that (slotegrator).",
            "public_key_one": "With which it signs, in PEM, where its dialect wants that (hub88).",
            "public_key_two": "Another one beside it, while it changes keys.",
            "file_mapping": "How its own report is read (docs/reports.md); empty where it sends the file described "
            "there.",
            "currencies": 'Its codes and ours, where they differ: {"mBTC": "BTC"}. Of the same unit, one to one.',
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "dialect" in self.fields:
            self.fields["dialect"].required = False

    def clean_dialect(self) -> str:
        """Nothing chosen leaves it as it is."""
        return str(self.cleaned_data["dialect"] or self.instance.dialect)

    def clean_currencies(self) -> dict[str, str]:
        return self.cleaned_data["currencies"] or {}

    def clean_file_mapping(self) -> dict[str, Any]:
        return self.cleaned_data["file_mapping"] or {}

    def clean(self) -> dict[str, Any]:
        """Another dialect brings its profile; what was changed on the same page goes before it."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in ("dialect", "currencies", "file_mapping"):
            # An empty field says the same as what was there.
            if name in self.changed_data and cleaned.get(name) == getattr(self.instance, name):
                self.changed_data.remove(name)
        dialect = cleaned.get("dialect")
        if dialect is not None and "dialect" in self.changed_data:
            for name, value in profile_of(dialect).items():
                if name in self.fields and name not in self.changed_data:
                    cleaned[name] = value
                    self.changed_data.append(name)
        for name, check in (("currencies", providers.check_currencies), ("file_mapping", providers.check_mapping)):
            try:
                if cleaned.get(name):
                    check(cleaned[name])
            except InvalidField as wrong:
                self.add_error(name, f"It {wrong.message}.")
        return cleaned


@admin.register(Provider)
class ProviderAdmin(AuditedAdmin):
    form = ProviderForm
    search_prefix = "code"
    search_help_text = "The beginning of the provider's code"
    empty_text = "Without a provider nobody can play. Add one: its secret is shown once, right then."
    list_display = ["code", "name", "dialect", "use", "secrets"]
    change_form_before_template = "admin/wallet/provider/secrets.html"
    fieldsets = [
        (None, {"fields": [("code", "name"), ("dialect", "enabled")]}),
        (
            "What its dialect wants",
            {"fields": [("merchant", "currencies"), ("public_key_one", "public_key_two")], "classes": ["collapse"]},
        ),
        (
            "Its own report",
            {"fields": ["file_mapping"], "classes": ["collapse"]},
        ),
        ("How it numbers and repeats", {"fields": [("reference_scope", "share_references"), "replay_balance"]}),
        ("Bets and wins", {"fields": [("zero_amount", "late_win"), ("win_requires_bet", "ends_rounds")]}),
        (
            "Rollbacks",
            {"fields": [("unknown_rollback", "late_bet"), ("rollback_after_win", "win_rollback"), "rollback_wins"]},
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What stored references are made of cannot change any more."""
        if obj is None:
            return []
        used = Transaction.objects.filter(source=obj.code).exists()
        return ["code", "reference_scope"] if used else ["code"]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and not set(KNOWN_BY_HEART).isdisjoint(form.changed_data):
            # The game door knows them by heart, as it knows the secrets, and reads all again for this.
            Provider.objects.filter(pk=obj.pk).update(secrets_version=F("secrets_version") + 1)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.secrets_view)
        return [path("<int:pk>/secrets/<slug:name>/", view, name="wallet_provider_secrets"), *super().get_urls()]

    def page_context(self, row: Provider, request: HttpRequest) -> dict[str, Any]:
        permitted = self.has_change_permission(request, row)
        return {"acts": [(name, act) for name, act in SECRET_ACTIONS.items() if permitted and act.offered(row)]}

    def response_add(self, request: HttpRequest, obj: Provider, post_url_continue: str | None = None) -> HttpResponse:
        """The first secret, on the only page that ever shows it."""
        secret = obj.rotate()
        obj.save(update_fields=SECRETS)
        return self._page(request, obj, "new_secret", secret=secret)

    def secrets_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask first, then act once; the answer to the POST is the only page that ever shows a secret."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        provider = get_object_or_404(Provider, pk=pk)
        if not self.has_change_permission(request, provider):
            raise PermissionDenied
        act = SECRET_ACTIONS.get(name)
        if act is None:
            raise Http404
        if request.method != "POST":
            return self._page(request, provider, "question", act=act)
        seen = request.POST.get("seen")
        if seen != str(provider.secrets_version) or not act.offered(provider):
            return self._somebody_was_first(request, provider)
        secret = act.run(provider)
        with transaction.atomic():
            if not replaced(provider, seen=int(seen)):
                return self._somebody_was_first(request, provider)
            audit.record(request, act.title.lower(), subject=provider)
            self.log_change(request, provider, act.done)
        if secret is None:
            messages.success(request, act.done)
            return redirect("admin:wallet_provider_change", provider.pk)
        return self._page(request, provider, "new_secret", secret=secret)

    def _somebody_was_first(self, request: HttpRequest, provider: Provider) -> HttpResponse:
        messages.warning(request, "The secrets have changed since you were asked; nothing was done now.")
        return redirect("admin:wallet_provider_change", provider.pk)

    def _page(self, request: HttpRequest, provider: Provider, page: str, **more: Any) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            **self.heading(provider.code),
            "provider": provider,
            **more,
        }
        return render(request, f"admin/wallet/provider/{page}.html", context)

    @admin.display(description="Bets")
    def use(self, provider: Provider) -> SafeString:
        return formatting.switch(provider.enabled, yes="enabled", no="disabled")

    @admin.display(description="Secrets")
    def secrets(self, provider: Provider) -> SafeString:
        live = sum(secret is not None for secret in (provider.secret_one, provider.secret_two))
        if not live:
            return formatting.badge("shut out", "red")
        return formatting.badge(f"{live} live", "green" if live == 1 else "orange")


@admin.register(GameSession)
class GameSessionAdmin(ReadOnlyAdmin):
    """Sessions of games; a button ends one (casino_pam.backoffice.actions)."""

    search_prefix = "player__code"
    search_help_text = "The beginning of the player's code"
    empty_text = "No player has opened a game of a provider that names sessions."
    list_display = ["id", "player", "partner", "unit", "game_called", "created", "state"]
    list_filter = ["provider"]
    list_select_related = ["player", "provider", "currency"]
    ordering = ["-created_at", "-id"]
    change_form_before_template = "admin/wallet/gamesession/actions.html"
    fields = ["id", "player", "partner", "unit", "game_called", "created_at", "expires_at", "ended_at"]
    readonly_fields = ["game_called"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[GameSession]:
        name = Game.objects.filter(provider=OuterRef("provider"), code=OuterRef("game")).values("name")
        sessions: QuerySet[GameSession] = super().get_queryset(request)
        return sessions.annotate(game_name=Subquery(name))

    # Not by their fields, which Django makes links to pages that not everybody here may open.
    @admin.display(description="Provider")
    def partner(self, session: GameSession) -> str:
        return session.provider.code

    @admin.display(description="Currency")
    def unit(self, session: GameSession) -> str:
        return session.currency_id

    @admin.display(description="Game")
    def game_called(self, session: GameSession) -> SafeString:
        return formatting.game(session.game or "", getattr(session, "game_name", None) or "")

    @admin.display(description="Opened")
    def created(self, session: GameSession) -> SafeString:
        return formatting.utc(session.created_at)

    @admin.display(description="State")
    def state(self, session: GameSession) -> SafeString:
        now = timezone.now()
        if session.ended(now):
            return formatting.badge("ended", "grey")
        stops = hindrances.of_session(session, now)
        text = f"live, no bets: {'; '.join(stops)}" if stops else "live"
        return formatting.badge(text, "orange" if stops else "green")


class GameForm(AnyForm):
    class Meta:
        model = Game
        fields = ["provider", "code", "name", "category", "enabled"]
        help_texts = {
            "code": "As the provider sends it in bets. Never changes.",
            "name": "What people call it; shown beside its code.",
            "category": "What offers may weigh or exclude, such as slots or live. A game without a row here has none.",
            "enabled": "A disabled game refuses bets; its wins and rollbacks still go through.",
        }


@admin.register(Game)
class GameAdmin(AuditedAdmin):
    form = GameForm
    search_prefix = "code"
    search_help_text = "The beginning of the game's code"
    empty_text = "A game that is not listed is enabled and has no name and no category."
    list_before_template = "admin/wallet/game/unlisted.html"
    list_display = ["code", "name", "provider", "category", "use"]
    list_filter = ["provider", "enabled"]
    list_select_related = ["provider"]
    ordering = ["code"]
    fields = ["provider", "code", "name", "category", "enabled"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["provider", "code"] if obj else []

    @admin.display(description="Bets")
    def use(self, game: Game) -> SafeString:
        if game.enabled and not game.provider.enabled:
            return formatting.badge("provider disabled", "red")
        return formatting.switch(game.enabled, yes="enabled", no="disabled")


_MEANINGS = {
    "players": "make and change players, wallets and sessions, read their statements",
    "cashier": "deposits and withdrawals",
    "adjust": "adjustments",
    "play": "bets, wins and rollbacks of its provider",
    "offers": "make and change offers",
    "bonuses": "grant and forfeit bonuses",
    "feed": "read every row of the ledger",
    "providers": "make and change providers, and their secrets",
}


class ApiKeyForm(AnyForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, f"{scope}: {_MEANINGS[scope]}") for scope in SCOPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What the key may do; nothing else.",
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "source", "provider", "expires_at", "enabled"]
        help_texts = {
            "name": "Which back end holds it.",
            "expires_at": "UTC. From then on it opens nothing (key_expired); empty is never.",
            "source": "Whose references its money commands name: cashier, or cashier:name. Never changes.",
            "provider": "For a back end that plays a provider itself (scope play).",
            "enabled": "A disabled key opens nothing. Keys are disabled, never deleted: their references stay.",
        }


@admin.register(ApiKey)
class ApiKeyAdmin(AuditedAdmin):
    form = ApiKeyForm
    search_prefix = "name"
    search_help_text = "The beginning of the key's name"
    empty_text = "Without a key no back end can reach the API. Add one: it is shown once, right then."
    list_display = ["name", "may", "source", "provider", "use", "used", "expires", "created"]
    list_select_related = ["provider"]
    fields = ["name", "scopes", "source", "provider", "expires_at", "enabled"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["source", "used"] if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*self.fields, "used"] if obj else self.fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            # A key nobody ever sees: the answer to this request makes the one it shows.
            obj.renew()
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        key = obj.renew()
        obj.save(update_fields=["digest"])
        context = self.admin_site.each_context(request) | {
            **self.heading(obj.name),
            "api_key": obj,
            "key": key,
        }
        return render(request, "admin/wallet/apikey/new_key.html", context)

    @admin.display(description="May")
    def may(self, key: ApiKey) -> SafeString:
        return format_html_join(" ", "{}", ((formatting.badge(scope, "grey"),) for scope in key.scopes))

    @admin.display(description="In use")
    def use(self, key: ApiKey) -> SafeString:
        if key.enabled and key.expires_at is not None and key.expires_at <= timezone.now():
            return formatting.badge("expired", "red")
        return formatting.switch(key.enabled, yes="enabled", no="disabled")

    @admin.display(description="Last used")
    def used(self, key: ApiKey) -> SafeString:
        return formatting.utc(key.last_used_at)

    @admin.display(description="Expires")
    def expires(self, key: ApiKey) -> SafeString:
        return formatting.utc(key.expires_at)

    @admin.display(description="Since")
    def created(self, key: ApiKey) -> SafeString:
        return formatting.utc(key.created_at)
