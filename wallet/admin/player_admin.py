"""Players and what they hold: found by one box and looked at; what is done to them is done in the back office."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import UnfoldAdminTextInputWidget

from wallet import formatting, hindrances, money
from wallet.admin import ledger_pages, player_filters
from wallet.admin.admin_classes import AnyForm, AuditedAdmin, ReadOnlyAdmin
from wallet.admin.date_fields import presets
from wallet.kinds import KINDS, Verification
from wallet.models import Checkpoint, Currency, Player, Wallet

# What a player's verification is called where nothing says what the word is about, and its colour.
_VERIFICATIONS: Final = {
    Verification.UNVERIFIED: ("unverified", "grey"),
    Verification.PENDING: ("verification pending", "blue"),
    Verification.VERIFIED: ("verified", "green"),
    Verification.REJECTED: ("verification rejected", "red"),
}


def states(player: Player, wallets: Sequence[Wallet] = ()) -> SafeString:
    """Everything that keeps a player from doing something, in words, and the verification.

    ``wallets`` have limits and currencies.
    """
    said = [(lock, "orange") for lock in ("bet", "deposit", "withdraw") if getattr(player, f"{lock}_locked")]
    badges = [formatting.badge(f"{lock} locked", colour) for lock, colour in said]
    if player.excluded_until is not None and player.excluded_until > timezone.now():
        badges.append(formatting.badge(f"excluded {formatting.lasting(player.excluded_until)}", "red"))
    found = hindrances.of_wallets(wallets, timezone.now()) if wallets else {}
    badges += [formatting.badge(text, "orange") for text in dict.fromkeys(chain(*found.values()))]
    badges = badges or [formatting.badge("not restricted", "green")]
    badges.append(formatting.badge(*_VERIFICATIONS[player.verification]))
    return format_html_join(" ", "{}", ((badge,) for badge in badges))


@admin.register(Player)
class PlayerAdmin(AuditedAdmin):
    search_prefix = "code"
    search_help_text = "The beginning of the player's code"
    empty_text = "Players are made by the casino's back end, through POST /api/v1/players."
    list_display = ["code", "country", "states", "balances", "created"]
    list_filter = [*player_filters.FILTERS, "bet_locked", "deposit_locked", "withdraw_locked"]
    list_before_template = "admin/wallet/player/narrow.html"
    ordering = ["code"]
    # A code never changes: back ends and providers know the player by it.
    fields = [("country", "created")]
    readonly_fields = ["created"]
    change_form_before_template = "admin/wallet/player/wallets.html"
    change_form_outer_after_template = "admin/wallet/player/newest.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Player]:
        return super().get_queryset(request).prefetch_related("wallets__currency", "wallets__limits", "tags")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def page_context(self, row: Player, request: HttpRequest) -> dict[str, Any]:
        wallets = sorted(row.wallets.all(), key=lambda wallet: wallet.id)
        return {
            "title": row.code,
            "subtitle": "",
            "crumbs": ledger_pages.player_crumbs(row),
            "wallets": wallets,
            "states": states(row, wallets),
            "tags": list(row.tags.all()),
            "ledger_page": ledger_pages.of_player(row),
        }

    @admin.display(description="State")
    def states(self, player: Player) -> SafeString:
        return states(player)

    @admin.display(description="Wallets (cash + bonus)")
    def balances(self, player: Player) -> SafeString:
        amounts = [formatting.amount(wallet.balance, wallet.currency) for wallet in player.wallets.all()]
        return format_html_join(mark_safe("<br>"), "{}", ((amount,) for amount in amounts)) or formatting.utc(None)

    @admin.display(description="Since")
    def created(self, player: Player) -> SafeString:
        return formatting.utc(player.created_at)


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    search_prefix = "player__code"
    search_help_text = "The beginning of the player's code"
    empty_text = "Wallets are made by the casino's back end, with their player or later."
    list_display = ["player", "currency_code", "cash_now", "bonus_now", "held_now", "row_count", "newest"]
    list_filter = ["currency"]
    list_select_related = ["player", "currency"]
    ordering = ["-id"]
    fieldsets = [
        (
            "Over its lifetime, net of rollbacks",
            {"fields": [("deposited", "staked", "paid")]},
        ),
        ("Proof", {"fields": [("row_count", "newest", "opened"), ("chain", "proven")], "classes": ["collapse"]}),
    ]
    readonly_fields = ["deposited", "staked", "paid", "row_count", "newest", "opened", "chain", "proven"]
    change_form_before_template = "admin/wallet/wallet/balances.html"
    change_form_outer_after_template = "admin/wallet/statement.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Wallet]:
        return super().get_queryset(request).select_related("player", "currency")

    def page_context(self, row: Wallet, request: HttpRequest) -> dict[str, Any]:
        return {
            "title": f"{row.player.code}, {row.currency_id}",
            "crumbs": ledger_pages.wallet_crumbs(row),
            "wallet": row,
            "states": states(row.player, [row]),
            "kinds": KINDS,
            "presets": list(presets()),
            "ledger_page": ledger_pages.of_wallet(row, request),
        }

    @admin.display(description="Currency")
    def currency_code(self, wallet: Wallet) -> str:
        return wallet.currency_id

    @admin.display(description="Cash")
    def cash_now(self, wallet: Wallet) -> SafeString:
        return formatting.amount(wallet.cash, wallet.currency)

    @admin.display(description="Bonus")
    def bonus_now(self, wallet: Wallet) -> SafeString:
        return formatting.amount(wallet.bonus, wallet.currency)

    @admin.display(description="Held")
    def held_now(self, wallet: Wallet) -> SafeString:
        return formatting.amount(wallet.held, wallet.currency)

    @admin.display(description="Deposited")
    def deposited(self, wallet: Wallet) -> SafeString:
        return formatting.amount(wallet.deposited_total, wallet.currency)

    @admin.display(description="Staked")
    def staked(self, wallet: Wallet) -> SafeString:
        return formatting.amount(wallet.staked_total, wallet.currency)

    @admin.display(description="Paid out")
    def paid(self, wallet: Wallet) -> SafeString:
        return formatting.amount(wallet.paid_total, wallet.currency)

    @admin.display(description="Rows")
    def row_count(self, wallet: Wallet) -> str:
        return money.grouped(wallet.version)

    @admin.display(description="Newest row")
    def newest(self, wallet: Wallet) -> SafeString:
        return formatting.utc(wallet.newest_at)

    @admin.display(description="Opened")
    def opened(self, wallet: Wallet) -> SafeString:
        return formatting.utc(wallet.created_at)

    @admin.display(description="Digest of the newest row")
    def chain(self, wallet: Wallet) -> str:
        return bytes(wallet.digest).hex() if wallet.digest else formatting.NOTHING

    @admin.display(description="Proven by reconciliation")
    def proven(self, wallet: Wallet) -> SafeString:
        checked = Checkpoint.objects.filter(wallet=wallet).first()
        if checked is None:
            return formatting.badge("not yet", "grey")
        if checked.suspect:
            return formatting.badge("suspect: something was found here", "red")
        return formatting.badge(f"rows 1 to {checked.version:,}", "green")


THRESHOLDS: Final = ("approval_above", "settle_above")


class CurrencyForm(AnyForm):
    """The thresholds are typed as amounts; they are kept in minor units like all money."""

    approval_above = forms.CharField(
        label="Approval above",
        initial="1000",
        help_text="Adjustments above this amount wait for a second operator.",
        widget=UnfoldAdminTextInputWidget,
    )
    settle_above = forms.CharField(
        label="Withdrawals approved above",
        required=False,
        help_text="Withdrawals above this amount are settled by two people. Left empty, one person settles any.",
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Currency
        fields = ["code", "digits", "enabled", "approval_above", "settle_above"]
        help_texts = {
            "code": "Three capital letters or more, such as EUR. Never changes.",
            "digits": "Decimal places of the minor unit: JPY 0, EUR 2, KWD 3, BTC 8. Never changes: every stored "
            "amount is a count of this unit.",
            "enabled": "A disabled currency refuses new bets; wins, rollbacks and withdrawals go on.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name in THRESHOLDS:
                amount = getattr(self.instance, name)
                self.initial[name] = "" if amount is None else money.show(amount, self.instance.digits)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        digits = self.instance.digits if self.instance.pk else cleaned.get("digits")
        for name in THRESHOLDS:
            if name not in cleaned or digits is None:
                continue
            try:
                cleaned[name] = money.parse(cleaned[name], digits) if cleaned[name] else None
            except money.InvalidAmount as wrong:
                self.add_error(name, f"This {wrong}.")
        return cleaned


@admin.register(Currency)
class CurrencyAdmin(AuditedAdmin):
    form = CurrencyForm
    empty_text = "Without a currency no wallet can be opened."
    list_display = ["code", "digits", "use", "threshold", "payouts"]
    fields = ["code", "digits", "enabled", "approval_above", "settle_above"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["code", "digits"] if obj else []

    def changes(self, form: Any, row: Any, add: bool) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The thresholds are told as amounts, as they were typed."""
        before, after = super().changes(form, row, add)
        for told in filter(None, (before, after)):
            for name in THRESHOLDS:
                if told.get(name) is not None:
                    told[name] = f"{money.show(told[name], row.digits)} {row.code}"
        return before, after

    @admin.display(description="In use")
    def use(self, currency: Currency) -> SafeString:
        return formatting.switch(currency.enabled, yes="enabled", no="no new bets")

    @admin.display(description="Approval above")
    def threshold(self, currency: Currency) -> SafeString:
        return formatting.amount(currency.approval_above, currency)

    @admin.display(description="Withdrawals approved above")
    def payouts(self, currency: Currency) -> SafeString:
        above = currency.settle_above
        return formatting.utc(None) if above is None else formatting.amount(above, currency)
