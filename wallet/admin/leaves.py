"""Rows of the ledger a page at a time, newest first, always along an index.

A wallet's versions have no gap, so they are its page numbers too: any page of a million rows is as
near as the newest. The house's rows are leafed through by their ids, which are in order of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from wallet import money
from wallet.models import Player, Transaction, Wallet

PAGE: Final = 50


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A page of rows and where the neighbouring pages begin, as query strings."""

    rows: list[Transaction]
    newest: str | None = None
    newer: str | None = None
    older: str | None = None
    oldest: str | None = None
    said: str = ""
    # The wallet is named in each row where the rows are of several.
    wallet: Wallet | None = None
    player: Player | None = None
    round: str = ""
    empty_text: str = "No row of the ledger is here."


def whole(text: str | None) -> int | None:
    """A version out of a query string; None for anything else, and for what no version can be."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    return int(text)


def uuid(text: str | None) -> UUID | None:
    """An id as people paste it; None for anything else."""
    try:
        return UUID(text.strip()) if text else None
    except ValueError:
        return None


def with_names(rows: QuerySet[Transaction]) -> QuerySet[Transaction]:
    """The rows with all that a line of a statement shows, in the same query."""
    return rows.select_related("wallet__player", "wallet__currency")


def crumbs(wallet: Wallet) -> list[dict[str, str]]:
    """The way to a wallet's page, for its head line."""
    return [
        {"title": "players", "link": reverse("admin:wallet_player_changelist")},
        {"title": wallet.player.code, "link": reverse("admin:wallet_player_change", args=[wallet.player_id])},
        {"title": wallet.currency_id, "link": reverse("admin:wallet_wallet_change", args=[wallet.pk])},
    ]


def of_wallet(wallet: Wallet, asked: HttpRequest) -> Leaf:
    """The statement of a wallet: ``?to=VERSION`` and the rows before it, or ``?round=`` alone."""
    round = asked.GET.get("round", "").strip()
    if round:
        return _of_round(wallet, round)
    last = wallet.version
    to = min(whole(asked.GET.get("to")) or last, last)
    rows = list(_of(wallet).filter(version__lte=to).order_by("-version")[:PAGE])
    first = rows[-1].version if rows else 0
    return Leaf(
        rows=rows,
        wallet=wallet,
        newest="?" if to < last else None,
        newer=f"?to={min(to + PAGE, last)}" if to < last else None,
        older=f"?to={first - 1}" if first > 1 else None,
        oldest=f"?to={min(PAGE, last)}" if first > 1 else None,
        said=f"Rows {to} to {first} of {last}" if rows else "",
        empty_text="No money has moved in this wallet yet: its first deposit or bet will be row 1.",
    )


def _of(wallet: Wallet) -> QuerySet[Transaction]:
    return with_names(Transaction.objects.filter(wallet=wallet))


def _of_round(wallet: Wallet, round: str) -> Leaf:
    rows = [] if not money.is_reference(round) else list(_of(wallet).filter(round=round).order_by("-version")[:PAGE])
    return Leaf(
        rows=rows,
        wallet=wallet,
        round=round,
        newest="?",
        said=f"Round {round}, newest {PAGE} rows" if len(rows) == PAGE else f"Round {round}",
        empty_text=f"This wallet has no row of a round called {round}.",
    )


def of_player(player: Player) -> Leaf:
    """The newest rows of all of a player's wallets; each wallet's page has the rest."""
    parts = [_of(wallet).order_by("-version")[:PAGE] for wallet in player.wallets.all()]
    rows = list(parts[0].union(*parts[1:], all=True)) if parts else []
    rows.sort(key=lambda row: (row.created_at, row.version), reverse=True)
    return Leaf(
        rows=rows[:PAGE],
        player=player,
        said=f"The newest {PAGE}; each wallet's page has them all" if len(rows) > PAGE else "",
        empty_text="No money has moved in any wallet of this player yet.",
    )


def of_house(asked: HttpRequest) -> Leaf:
    """Everybody's rows: ``?before=ID`` and the rows before it."""
    before = uuid(asked.GET.get("before"))
    rows = with_names(Transaction.objects.order_by("-id"))
    if before is not None:
        rows = rows.filter(id__lt=before)
    page = list(rows[: PAGE + 1])
    return Leaf(
        rows=page[:PAGE],
        newest="?" if before is not None else None,
        older=f"?before={page[PAGE - 1].id}" if len(page) > PAGE else None,
        empty_text="The ledger is empty: the first deposit or bet will be its first row.",
    )
