"""Wallets and their statements, and the feed of all rows for the warehouse, AML and CRM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db import connection
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import spreadsheet
from casino_pam.api import responses
from casino_pam.api.fields import Body, instant, optional
from casino_pam.api.rest import examples, pagination, serializers
from casino_pam.api.rest.base import RestView
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
        query=("at",),
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> Response:
        at = optional(instant, pagination.named(request, ("at",)), "at")
        if at is not None:
            (wallet,) = accounts.wallets(player, currency)
            return Response(responses.wallet_at(wallet, history.row_at(wallet, at)))
        now, until = commands.now(), commands.deadline()
        asked = commands.Balance(source=self.key.source, player=player, currency=currency, at=now, deadline=until)
        return Response(responses.standing(posting.execute(asked)))


class Transactions(RestView):
    """A wallet's statement, newest first."""

    scope = "players"

    @documented(
        "A wallet's statement",
        answers=serializers.Entries,
        query=pagination.STATEMENT,
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> Response:
        query = pagination.named(request, pagination.STATEMENT)
        return Response(statement_page(accounts.wallets(player, currency), query))


class TransactionsCsv(RestView):
    """The whole statement, or what the filters leave of it, as a file."""

    scope = "players"

    @documented(
        "A wallet's statement as a file",
        answers={(200, "text/csv"): OpenApiTypes.STR},
        query=pagination.STATEMENT[:-1],
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> StreamingHttpResponse:
        wanted = pagination.statement_filter(pagination.named(request, pagination.STATEMENT[:-1]))
        (wallet,) = accounts.wallets(player, currency)
        return spreadsheet.download("transactions.csv", _pieces(wallet, wanted))


def statement_page(wallets: list[WalletModel], query: Body) -> dict[str, Any]:
    """A page of the wallets' merged statements."""
    wanted, below = pagination.statement_filter(query), pagination.below(query, len(wallets))
    page = history.page(wallets, wanted, below)
    by_id = {wallet.id: wallet for wallet in wallets}
    for row in page.rows:
        row.wallet = by_id[row.wallet_id]
    return {"results": serializers.Entry(page.rows, many=True).data, "next": pagination.cursor(page)}


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

    @documented("Every row of the house", answers=serializers.FeedPage, query=("after",))
    def get(self, request: Request) -> Response:
        after = pagination.after(pagination.named(request, ("after",))) or history.START
        rows = history.feed_page(after)
        last = rows[-1].id if rows else after
        return Response({"results": serializers.FeedEntry(rows, many=True).data, "next": str(last)})
