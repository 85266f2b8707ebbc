"""The paths below /api/v1/. A name in a path may itself hold a slash, sent as %2F; it stays one name."""

from __future__ import annotations

from urllib.parse import unquote

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from casino_pam.api.rest import (
    bonus_views,
    grant_list_views,
    money_views,
    player_views,
    provider_views,
    session_views,
    wallet_views,
)
from casino_pam.api.rest.rest_view import NotFoundView


class Name(StringConverter):
    """One segment of the path as it was sent, decoded once and only when it is known to be one segment.

    What is not UTF-8 becomes a name that nothing can have (RestView.initial).
    """

    regex = "(?:[^/%]|%[0-9A-Fa-f]{2})+"

    def to_python(self, value: str) -> str:
        return unquote(value)


register_converter(Name, "name")

WALLET = "players/<name:player>/wallets/<name:currency>"

urlpatterns = [
    path("players", player_views.Players.as_view()),
    path(f"{WALLET}/transactions", wallet_views.Transactions.as_view()),
    path(f"{WALLET}/transactions.csv", wallet_views.TransactionsCsv.as_view()),
    path(WALLET, wallet_views.Wallet.as_view()),
    path("players/<name:player>/wallets", player_views.PlayerWallets.as_view()),
    path("players/<name:player>/bonuses", bonus_views.PlayerBonuses.as_view()),
    path("players/<name:player>/limits", player_views.PlayerLimits.as_view()),
    path("players/<name:player>/sessions", session_views.PlayerSessions.as_view()),
    path("players/<name:player>/tokens", player_views.PlayerTokens.as_view()),
    path("players/<name:player>", player_views.Player.as_view()),
    path("sessions/<name:session>", session_views.Session.as_view()),
    path("deposits", money_views.Deposits.as_view()),
    path("deposits/check", money_views.DepositCheck.as_view()),
    path("withdrawals", money_views.Withdrawals.as_view()),
    path("withdrawals/<name:reference>/settle", money_views.Settle.as_view()),
    path("withdrawals/<name:reference>/release", money_views.Release.as_view()),
    path("withdrawals/<name:reference>", money_views.Withdrawal.as_view()),
    path("adjustments", money_views.Adjustments.as_view()),
    path("bets", money_views.Bets.as_view()),
    path("wins", money_views.Wins.as_view()),
    path("rollbacks", money_views.Rollbacks.as_view()),
    path("me", player_views.Me.as_view()),
    path("me/wallets", player_views.MyWallets.as_view()),
    path("me/transactions", player_views.MyTransactions.as_view()),
    path("me/limits", player_views.MyLimits.as_view()),
    path("me/limits/changes", player_views.MyLimitChanges.as_view()),
    path("me/reality-check", player_views.MyRealityCheck.as_view()),
    path("me/exclusion", player_views.MyExclusion.as_view()),
    path("me/sessions", session_views.MySessions.as_view()),
    path("me/sessions/<name:session>", session_views.MySession.as_view()),
    path("me/socket-ticket", player_views.MySocketTicket.as_view()),
    path("offers", bonus_views.Offers.as_view()),
    path("offers/<name:offer>", bonus_views.Offer.as_view()),
    path("bonuses", bonus_views.Bonuses.as_view()),
    path("bonuses/<name:bonus>/forfeit", bonus_views.ForfeitBonus.as_view()),
    path("bonuses/<name:bonus>", bonus_views.Bonus.as_view()),
    path("grant-lists", grant_list_views.GrantLists.as_view()),
    path("grant-lists/<name:grant_list>/answers.csv", grant_list_views.GrantListAnswers.as_view()),
    path("grant-lists/<name:grant_list>", grant_list_views.GrantListProgress.as_view()),
    path("me/offers", bonus_views.MyOffers.as_view()),
    path("me/bonuses", bonus_views.MyBonuses.as_view()),
    path("me/promo-codes", bonus_views.MyPromoCodes.as_view()),
    path("me/bonuses/<name:bonus>/forfeit", bonus_views.ForfeitMyBonus.as_view()),
    path("providers", provider_views.Providers.as_view()),
    path("providers/<name:provider>", provider_views.Provider.as_view()),
    path("providers/<name:provider>/secrets", provider_views.ProviderSecrets.as_view()),
    path("providers/<name:provider>/secrets/older", provider_views.ProviderOlderSecret.as_view()),
    path("feed", wallet_views.Feed.as_view()),
    re_path(r"", NotFoundView.as_view()),
]
