"""The paths below /api/v1/. A name in a path may itself hold a slash, sent as %2F."""

from __future__ import annotations

from django.urls import path, re_path

from casino_pam.rest import cashier, feed, limits, me, offers, players, plays, promises, wallets
from casino_pam.rest.door import Nowhere

WALLET = "players/<path:player>/wallets/<str:currency>"

urlpatterns = [
    path("players", players.Players.as_view()),
    path(f"{WALLET}/transactions", wallets.Transactions.as_view()),
    path(f"{WALLET}/transactions.csv", wallets.TransactionsCsv.as_view()),
    path(WALLET, wallets.Wallet.as_view()),
    path("players/<path:player>/wallets", players.PlayerWallets.as_view()),
    path("players/<path:player>/bonuses", promises.PlayerBonuses.as_view()),
    path("players/<path:player>/limits", limits.PlayerLimits.as_view()),
    path("players/<path:player>/tokens", players.PlayerTokens.as_view()),
    path("players/<path:player>", players.Player.as_view()),
    path("deposits", cashier.Deposits.as_view()),
    path("deposits/check", cashier.DepositCheck.as_view()),
    path("withdrawals", cashier.Withdrawals.as_view()),
    path("withdrawals/<path:reference>/settle", cashier.Settle.as_view()),
    path("withdrawals/<path:reference>/release", cashier.Release.as_view()),
    path("withdrawals/<path:reference>", cashier.Withdrawal.as_view()),
    path("adjustments", cashier.Adjustments.as_view()),
    path("bets", plays.Bets.as_view()),
    path("wins", plays.Wins.as_view()),
    path("rollbacks", plays.Rollbacks.as_view()),
    path("me", me.Me.as_view()),
    path("me/wallets", me.MyWallets.as_view()),
    path("me/transactions", me.MyTransactions.as_view()),
    path("me/limits", limits.MyLimits.as_view()),
    path("me/exclusion", limits.MyExclusion.as_view()),
    path("me/socket-ticket", me.MySocketTicket.as_view()),
    path("offers", offers.Offers.as_view()),
    path("offers/<str:offer>", offers.Offer.as_view()),
    path("bonuses", promises.Bonuses.as_view()),
    path("bonuses/<str:bonus>/forfeit", promises.ForfeitBonus.as_view()),
    path("bonuses/<str:bonus>", promises.Bonus.as_view()),
    path("me/offers", promises.MyOffers.as_view()),
    path("me/bonuses", promises.MyBonuses.as_view()),
    path("me/bonuses/<str:bonus>/forfeit", promises.ForfeitMyBonus.as_view()),
    path("feed", feed.Feed.as_view()),
    re_path(r"", Nowhere.as_view()),
]
