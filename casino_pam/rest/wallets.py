"""Wallets and their statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.db import connection
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, commands, spreadsheet, teller
from casino_pam.fields import Body, instant, optional
from casino_pam.rest import examples, queries, shapes, shown
from casino_pam.rest.described import described
from casino_pam.rest.door import Door
from wallet import statement
from wallet.models import Wallet as WalletModel
from wallet.statement import Wanted

CSV_PAGE: Final = 1_000


class Wallet(Door):
    """Where a wallet stands, now or ``?at=`` an instant."""

    scope = "players"

    @described(
        "Read a wallet, now or in the past",
        answers=shapes.Wallet,
        gets=examples.WALLET,
        query=("at",),
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> Response:
        at = optional(instant, queries.named(request, ("at",)), "at")
        if at is not None:
            (wallet,) = accounts.wallets(player, currency)
            return Response(shown.past(wallet, statement.row_at(wallet, at)))
        now, until = commands.now(), commands.deadline()
        asked = commands.Balance(source=self.key.source, player=player, currency=currency, at=now, deadline=until)
        return Response(shown.standing(teller.carry_out(asked)))


class Transactions(Door):
    """A wallet's statement, newest first."""

    scope = "players"

    @described(
        "A wallet's statement",
        answers=shapes.Entries,
        query=queries.STATEMENT,
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> Response:
        query = queries.named(request, queries.STATEMENT)
        return Response(listed(accounts.wallets(player, currency), query))


class TransactionsCsv(Door):
    """The whole statement, or what the filters leave of it, as a file."""

    scope = "players"

    @described(
        "A wallet's statement as a file",
        answers={(200, "text/csv"): OpenApiTypes.STR},
        query=queries.STATEMENT[:-1],
        refusals=("unknown_player", "unknown_wallet"),
    )
    def get(self, request: Request, player: str, currency: str) -> StreamingHttpResponse:
        wanted = queries.wanted(queries.named(request, queries.STATEMENT[:-1]))
        (wallet,) = accounts.wallets(player, currency)
        return spreadsheet.download("transactions.csv", _pieces(wallet, wanted))


def listed(wallets: list[WalletModel], query: Body) -> dict[str, Any]:
    """A page of the wallets' merged statements."""
    wanted, below = queries.wanted(query), queries.below(query, len(wallets))
    page = statement.page(wallets, wanted, below)
    by_id = {wallet.id: wallet for wallet in wallets}
    results = [shown.entry(row, by_id[row.wallet_id]) for row in page.rows]
    return {"results": results, "next": queries.cursor(page)}


def _pieces(wallet: WalletModel, wanted: Wanted) -> Iterator[str]:
    """The file page by page; between two pages no connection is kept from anybody."""
    yield spreadsheet.line(COLUMNS)
    try:
        for rows in statement.walk([wallet], wanted, CSV_PAGE):
            entries = (shown.entry(row, wallet) for row in rows)
            piece = "".join(spreadsheet.line(entry[name] for name in COLUMNS) for entry in entries)
            connection.close()
            yield piece
    finally:
        connection.close()


COLUMNS: Final = (
    "transaction",
    "command",
    "kind",
    "status",
    "source",
    "reference",
    "round",
    "game",
    "currency",
    "amount",
    "cash_delta",
    "bonus_delta",
    "held_delta",
    "cash",
    "bonus",
    "held",
    "version",
    "refusal",
    "created_at",
)
