"""Wallets and their statements, and the feed of all rows for the warehouse, AML and CRM."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db import connection
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from bonus.models import Bonus
from casino_pam import spreadsheet
from casino_pam.api import responses
from casino_pam.api.rest import examples, serializers
from casino_pam.api.rest.pagination import STATEMENT, FeedPagination, StatementPagination, named
from casino_pam.api.rest.rest_view import RestView
from casino_pam.api.rest.schema import documented
from casino_pam.engine import accounts, commands, posting
from wallet import history
from wallet.history import StatementFilter
from wallet.models import Wallet as WalletModel

CSV_PAGE: Final = 1_000


class Wallet(RestView):
    """Where a wallet stands, now or ``?at=`` an instant."""

    scope = "players"

    @documented(
        "Read a wallet, now or in the past",
        answers=serializers.Wallet,
        gets=examples.WALLET,
        query=(serializers.InstantQuery,),
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> Response:
        at = self.query(serializers.InstantQuery).get("at")
        if at is not None:
            (wallet,) = accounts.wallets(player, currency)
            return Response(responses.wallet_at(wallet, history.row_at(wallet, at), due=_had_bonus_due(wallet, at)))
        now, until = commands.now(), commands.deadline()
        asked = commands.Balance(source=self.key.source, player=player, currency=currency, at=now, deadline=until)
        return Response(responses.standing(posting.execute(asked)))


def _had_bonus_due(wallet: WalletModel, at: datetime) -> bool:
    """Whether the bonus that was active at the instant had run out of time by then, though its end was not posted."""
    ran_out = Bonus.objects.filter(wallet=wallet, activated_at__lte=at, expires_at__lte=at)
    return ran_out.exclude(ended_at__lte=at).exists()


class Transactions(RestView):
    """A wallet's statement, newest first."""

    scope = "players"
    pagination_class = StatementPagination

    @documented(
        "A wallet's statement",
        answers=serializers.Entry(many=True),
        query=(serializers.StatementQuery,),
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> Response:
        # A parameter that came twice is refused before the wallet is looked for.
        named(request, STATEMENT)
        rows = self.paginate_queryset(accounts.wallets(player, currency))
        return self.get_paginated_response(serializers.Entry(rows, many=True).data)


class TransactionsCsv(RestView):
    """The whole statement, or what the filters leave of it, as a file."""

    scope = "players"

    @documented(
        "A wallet's statement as a file",
        answers={(200, "text/csv"): OpenApiTypes.STR},
        query=(serializers.StatementQuery,),
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> StreamingHttpResponse:
        wanted = StatementFilter(**self.query(serializers.StatementQuery))
        (wallet,) = accounts.wallets(player, currency)
        return spreadsheet.download("transactions.csv", _pieces(wallet, wanted))


def _pieces(wallet: WalletModel, wanted: StatementFilter) -> Iterator[str]:
    """The file page by page; between two pages no connection is kept from anybody."""
    yield spreadsheet.line(serializers.Entry().fields)
    try:
        for rows in history.walk([wallet], wanted, CSV_PAGE):
            for row in rows:
                row.wallet = wallet
            piece = "".join(spreadsheet.line(entry.values()) for entry in serializers.Entry(rows, many=True).data)
            connection.close()
            yield piece
    finally:
        connection.close()


class Feed(RestView):
    """Rows in an order that never skips one. ``next`` is always there: ask with it again later."""

    scope = "feed"
    pagination_class = FeedPagination

    @documented("Every row of the house", answers=serializers.FeedEntry(many=True))
    def get(self, request: Request) -> Response:
        rows = self.paginate_queryset(history.feed_page)
        return self.get_paginated_response(serializers.FeedEntry(rows, many=True).data)
