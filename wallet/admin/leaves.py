"""Rows of the ledger a page at a time, newest first, always along an index.

A wallet's versions have no gap, so they are its page numbers too: any page of a million rows is as
near as the newest. The house's rows are leafed through by their ids, which are in order of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from wallet import money, statement
from wallet.kinds import KINDS
from wallet.models import Player, Transaction, Wallet

PAGE: Final = 50
CHOICES: Final = ("kind", "round", "reference", "since", "until")
"""What a statement can be narrowed to, as named in its address; days are UTC."""


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
    chosen: Mapping[str, str] = field(default_factory=dict)
    # The row that the page is about.
    marked: UUID | None = None
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


def crumbs_of(player: Player) -> list[dict[str, str]]:
    """The way to a player's page, for its head line."""
    return [
        {"title": "players", "link": reverse("admin:wallet_player_changelist")},
        {"title": player.code, "link": reverse("admin:wallet_player_change", args=[player.pk])},
    ]


def crumbs(wallet: Wallet) -> list[dict[str, str]]:
    """The way to a wallet's page."""
    return [
        *crumbs_of(wallet.player),
        {"title": wallet.currency_id, "link": reverse("admin:wallet_wallet_change", args=[wallet.pk])},
    ]


def of_wallet(wallet: Wallet, asked: HttpRequest) -> Leaf:
    """The statement of a wallet: ``?to=VERSION`` and the rows before it; of these what CHOICES leave."""
    chosen = {name: text for name in CHOICES if (text := asked.GET.get(name, "").strip())}
    if chosen:
        return _chosen(wallet, chosen, whole(asked.GET.get("to")))
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


def _chosen(wallet: Wallet, chosen: dict[str, str], to: int | None) -> Leaf:
    """Only the rows that were chosen; a choice that names nothing finds nothing."""
    wanted = _wanted(chosen)
    found = statement.Page([], None)
    if wanted is not None:
        found = statement.page([wallet], wanted, None if to is None else [min(to, wallet.version) + 1], PAGE)
    for row in found.rows:
        # Read already, with its player and currency.
        row.wallet = wallet
    older = found.below[0] - 1 if found.below else 0
    return Leaf(
        rows=found.rows,
        wallet=wallet,
        chosen=chosen,
        newest=f"?{urlencode(chosen)}" if to is not None else None,
        older=f"?{urlencode({**chosen, 'to': older})}" if older > 0 else None,
        said="Rows that match",
        empty_text="No row of this wallet matches, as far as this page looks."
        if older
        else "No row of this wallet matches.",
    )


def _wanted(chosen: dict[str, str]) -> statement.Wanted | None:
    """The choices as the statement knows them; None if one of them can name nothing."""
    if any(not money.is_reference(text) for text in chosen.values()):
        return None
    since, until = _day(chosen.get("since")), _day(chosen.get("until"))
    kind = chosen.get("kind")
    if ("since" in chosen and since is None) or ("until" in chosen and until is None) or kind not in (None, *KINDS):
        return None
    return statement.Wanted(
        kind=kind,
        round=chosen.get("round"),
        reference=chosen.get("reference"),
        since=since,
        # The day that was named is within.
        until=None if until is None else until + timedelta(days=1),
    )


def _day(text: str | None) -> datetime | None:
    """The first moment, in UTC, of a day such as 2026-09-22."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    # The very last day has no day after it.
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day.year < 9999 else None


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
