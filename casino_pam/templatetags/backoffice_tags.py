"""What the pages of the admin borrow from the back office: buttons, and panels.

Django loads every library of tags while it sets its templates up, and the admin does that while it is
itself being loaded. So what rests on the admin is imported when a tag is used.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.db.models import Model
from django.template.context import Context

from wallet.models import Player, Provider, Wallet

register = template.Library()


@register.inclusion_tag("backoffice/buttons.html", takes_context=True)
def acts(context: Context, row: Model) -> dict[str, Any]:
    """A button for everything the operator may do about the row now."""
    from casino_pam.backoffice.actions import action_page

    return {"buttons": action_page.available(context["request"].user, row), "row": row}


@register.inclusion_tag("backoffice/log_ins.html")
def log_ins(operator: User) -> dict[str, Any]:
    """Where an operator is logged in."""
    from casino_pam.backoffice import own_account

    return {"log_ins": own_account.log_ins(operator)}


@register.inclusion_tag("backoffice/player_panel.html", takes_context=True)
def player_panel(context: Context, player: Player, wallets: list[Wallet]) -> dict[str, Any]:
    """What happened to the player besides the ledger's rows."""
    from casino_pam.backoffice import player_panel

    return player_panel.of_player(player, wallets, context["request"].user)


@register.inclusion_tag("backoffice/restrictions.html", takes_context=True)
def restricted_by(context: Context, player: Player) -> dict[str, Any]:
    """Who locked or excluded the player, when and why."""
    from casino_pam.backoffice import player_panel

    may = context["request"].user.has_perm
    return {"restrictions": player_panel.restricted_by(player), "audits": may(player_panel.AUDITS)}


@register.inclusion_tag("backoffice/acts_panel.html", takes_context=True)
def acts_on(context: Context, player: Player) -> dict[str, Any]:
    """What was done to the player, by whom and why."""
    from casino_pam.backoffice import player_panel

    may = context["request"].user.has_perm
    if not may("wallet.view_player"):
        return {}
    return {"player": player, "entries": player_panel.entries_of(player), "audits": may(player_panel.AUDITS)}


@register.inclusion_tag("backoffice/provider_panel.html", takes_context=True)
def provider_panel(context: Context, provider: Provider | None) -> dict[str, Any]:
    """What whoever integrates the provider needs; for those who may change it, since it is signed in its name."""
    from casino_pam.backoffice import provider_panel

    if provider is None or not context["request"].user.has_perm("wallet.change_provider"):
        return {}
    return {"may_see": True, **provider_panel.of_provider(provider)}


@register.inclusion_tag("backoffice/live_bonuses.html", takes_context=True)
def live_bonuses(context: Context, wallet: Wallet) -> dict[str, Any]:
    """The bonuses that live in the wallet, and the withdrawals that wait in it."""
    from casino_pam.backoffice import player_panel, withdrawals

    may = context["request"].user.has_perm
    return {
        "wallet": wallet,
        "may_see": may("bonus.view_bonus"),
        "bonuses": player_panel.live(wallet) if may("bonus.view_bonus") else [],
        "waiting": withdrawals.of_wallets([wallet]) if may("wallet.view_transaction") else [],
    }


@register.inclusion_tag("backoffice/approvals_card.html", takes_context=True)
def waiting_approvals(context: Context) -> dict[str, Any]:
    """How much waits for a second person, in a card of the front page."""
    from casino_pam.backoffice import approval_pages

    if not context["request"].user.has_perm(approval_pages.VIEW):
        return {}
    return {
        "may_see": True,
        "pending": approval_pages.count_for(context["request"]),
        "unposted": approval_pages.unposted(),
    }


@register.inclusion_tag("backoffice/withdrawals_card.html", takes_context=True)
def open_withdrawals(context: Context) -> dict[str, Any]:
    """The queue of withdrawals in a card of the front page."""
    from casino_pam.backoffice import overview, withdrawals

    if not context["request"].user.has_perm("wallet.view_withdrawals"):
        return {}
    return {"may_settle": True, "ages": overview.withdrawal_ages(), **withdrawals.queue()}
