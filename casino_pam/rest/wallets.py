"""Wallets and their statements."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, commands, teller
from casino_pam.fields import Body, instant, optional
from casino_pam.rest import examples, queries, shapes, shown
from casino_pam.rest.described import described
from casino_pam.rest.door import Door
from wallet import statement
from wallet.models import Wallet as WalletModel
from wallet.statement import Wanted

CSV_PAGE: Final = 1_000

_number_shape = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


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
        named = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
        return StreamingHttpResponse(_lines(wallet, wanted), content_type="text/csv; charset=utf-8", headers=named)


def listed(wallets: list[WalletModel], query: Body) -> dict[str, Any]:
    """A page of the wallets' merged statements."""
    wanted, below = queries.wanted(query), queries.below(query, len(wallets))
    page = statement.page(wallets, wanted, below)
    by_id = {wallet.id: wallet for wallet in wallets}
    results = [shown.entry(row, by_id[row.wallet_id]) for row in page.rows]
    return {"results": results, "next": queries.cursor(page)}


async def _lines(wallet: WalletModel, wanted: Wanted) -> AsyncIterator[str]:
    """The file piece by piece; between two pieces no connection is kept from anybody."""
    pages = _pages(wallet, wanted)
    yield ",".join(COLUMNS) + "\r\n"
    while (piece := await sync_to_async(_next)(pages)) is not None:
        yield piece


def _next(pages: Iterator[str]) -> str | None:
    try:
        return next(pages, None)
    finally:
        connection.close()


def _pages(wallet: WalletModel, wanted: Wanted) -> Iterator[str]:
    for rows in statement.walk([wallet], wanted, CSV_PAGE):
        entries = (shown.entry(row, wallet) for row in rows)
        yield "".join(_line(entry[name] for name in COLUMNS) for entry in entries)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _line(cells: Iterable[Any]) -> str:
    line: str = csv.writer(_Echo()).writerow([safe(cell) for cell in cells])
    return line


def safe(cell: Any) -> str:
    """The cell as text that no spreadsheet takes for a formula; a negative number is none."""
    text = "" if cell is None else str(cell)
    if text.startswith(("=", "+", "-", "@", "\t", "\r")) and not _number_shape(text):
        return "'" + text
    return text


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
