"""The paths below /api/v1/. A name in a path may itself hold a slash, sent as %2F."""

from __future__ import annotations

from django.urls import path, re_path

from casino_pam.api.rest import bonus_views, money_views, player_views, wallet_views
from casino_pam.api.rest.base import NotFoundView

WALLET = "players/<path:player>/wallets/<str:currency>"

urlpatterns = [
    path("players", player_views.Players.as_view()),
    path(f"{WALLET}/transactions", wallet_views.Transactions.as_view()),
    path(f"{WALLET}/transactions.csv", wallet_views.TransactionsCsv.as_view()),
    path(WALLET, wallet_views.Wallet.as_view()),
    path("players/<path:player>/wallets", player_views.PlayerWallets.as_view()),
    path("players/<path:player>/bonuses", bonus_views.PlayerBonuses.as_view()),
    path("players/<path:player>/limits", player_views.PlayerLimits.as_view()),
    path("players/<path:player>/tokens", player_views.PlayerTokens.as_view()),
    path("players/<path:player>", player_views.Player.as_view()),
    path("deposits", money_views.Deposits.as_view()),
    path("deposits/check", money_views.DepositCheck.as_view()),
    path("withdrawals", money_views.Withdrawals.as_view()),
    path("withdrawals/<path:reference>/settle", money_views.Settle.as_view()),
    path("withdrawals/<path:reference>/release", money_views.Release.as_view()),
    path("withdrawals/<path:reference>", money_views.Withdrawal.as_view()),
    path("adjustments", money_views.Adjustments.as_view()),
    path("bets", money_views.Bets.as_view()),
    path("wins", money_views.Wins.as_view()),
    path("rollbacks", money_views.Rollbacks.as_view()),
    path("me", player_views.Me.as_view()),
    path("me/wallets", player_views.MyWallets.as_view()),
    path("me/transactions", player_views.MyTransactions.as_view()),
    path("me/limits", player_views.MyLimits.as_view()),
    path("me/exclusion", player_views.MyExclusion.as_view()),
    path("me/socket-ticket", player_views.MySocketTicket.as_view()),
    path("offers", bonus_views.Offers.as_view()),
    path("offers/<str:offer>", bonus_views.Offer.as_view()),
    path("bonuses", bonus_views.Bonuses.as_view()),
    path("bonuses/<str:bonus>/forfeit", bonus_views.ForfeitBonus.as_view()),
    path("bonuses/<str:bonus>", bonus_views.Bonus.as_view()),
    path("me/offers", bonus_views.MyOffers.as_view()),
    path("me/bonuses", bonus_views.MyBonuses.as_view()),
    path("me/bonuses/<str:bonus>/forfeit", bonus_views.ForfeitMyBonus.as_view()),
    path("feed", wallet_views.Feed.as_view()),
    re_path(r"", NotFoundView.as_view()),
]
