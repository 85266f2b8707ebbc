"""The first page after log-in, and one search box: a player, a transaction's id, a reference, a round.

Every look-up is exact, or the beginning of an indexed name, so that it costs the same at ten million rows as at ten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib import admin
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from unfold.dataclasses import SearchResult

from wallet import formatting
from wallet.admin import ledger_pages, operator_admin
from wallet.kinds import HOUSE_SOURCES, scoped
from wallet.models import ApiKey, Player, Provider, ReconciliationRun, Transaction, Wallet

PLAYERS: Final = 20
LONGEST: Final = 300


@dataclass
class Matches:
    """What a term stands for; either list may be cut at its bound."""

    players: list[Player] = field(default_factory=list)
    rows: list[Transaction] = field(default_factory=list)

    @property
    def only_player(self) -> Player | None:
        return self.players[0] if len(self.players) == 1 and not self.rows else None

    @property
    def only_row(self) -> Transaction | None:
        return self.rows[0] if len(self.rows) == 1 and not self.players else None


def find(term: str, *, players: bool, rows: bool) -> Matches:
    """Everything a term may mean, as far as the one who asks may see it."""
    term = term.strip()
    if not term or len(term) > LONGEST or not (term.isascii() and term.isprintable()):
        return Matches()
    found = Matches()
    if players:
        found.players = list(players_called(term))
    if rows:
        found.rows = rows_called(term)
    return found


def players_called(term: str) -> QuerySet[Player]:
    begins = Q(code__startswith=term) | Q(code__startswith=term.lower())
    return Player.objects.filter(begins).order_by("code")[:PLAYERS]


def rows_called(term: str) -> list[Transaction]:
    """Rows by their id, their bonus, their reference, or, behind a player's code, their round."""
    id = ledger_pages.uuid(term)
    if id is not None:
        return _newest(Transaction.objects.filter(Q(id=id) | Q(bonus=id)))
    found = _newest(Transaction.objects.filter(source__in=sources(), reference=term))
    return found or _of_a_player(term)


def sources() -> list[str]:
    """Everybody who may have named a reference: the ledger's key begins with the source."""
    return [
        *HOUSE_SOURCES,
        *Provider.objects.values_list("code", flat=True),
        *ApiKey.objects.order_by().values_list("source", flat=True).distinct(),
    ]


def _of_a_player(term: str) -> list[Transaction]:
    """``alice r-1``: a reference or round of Alice; both may hold spaces, so each place is tried."""
    splits = [(term[:place].strip(), term[place:].strip()) for place, sign in enumerate(term) if sign == " "]
    codes = {player.code: player for player in Player.objects.filter(code__in=[head for head, _ in splits])}
    for head, name in splits:
        if head in codes and name:
            wallets = list(codes[head].wallets.all())
            references = [name, scoped(head, name)]
            by_reference = Q(source__in=sources(), reference__in=references, wallet__in=wallets)
            return _newest(Transaction.objects.filter(Q(wallet__in=wallets, round=name) | by_reference))
    return []


def _newest(rows: QuerySet[Transaction]) -> list[Transaction]:
    return list(ledger_pages.with_names(rows).order_by("-created_at", "-version")[: ledger_pages.PAGE])


def search(request: HttpRequest) -> HttpResponse:
    """The page of the search box; where one thing alone is meant, that thing's own page."""
    term = request.GET.get("q", "")
    found = find(
        term,
        players=request.user.has_perm("wallet.view_player"),
        rows=request.user.has_perm("wallet.view_transaction"),
    )
    if "extended" in request.GET:
        return _pop_up(request, term.strip(), found)
    if found.only_player:
        return redirect("admin:wallet_player_change", found.only_player.pk)
    if found.only_row:
        return redirect("admin:wallet_transaction_change", found.only_row.pk)
    context = admin.site.each_context(request) | {
        "title": "Find",
        "term": term,
        "found": found,
        "ledger_page": ledger_pages.LedgerPage(rows=found.rows),
        "players_cut": len(found.players) == PLAYERS,
    }
    return render(request, "admin/search.html", context)


def _pop_up(request: HttpRequest, term: str, found: Matches) -> HttpResponse:
    results = [
        SearchResult(
            title=player.code,
            description="player",
            link=reverse("admin:wallet_player_change", args=[player.pk]),
            icon="person",
        )
        for player in found.players
    ] + [
        SearchResult(
            title=f"{row.kind} {formatting.reference(row.reference)}",
            description=f"{row.wallet.player.code}, {row.created_at:%Y-%m-%d %H:%M:%S} UTC",
            link=reverse("admin:wallet_transaction_change", args=[row.pk]),
            icon="receipt_long",
        )
        for row in found.rows
    ]
    return render(request, "unfold/helpers/command_results.html", {"term": term, "results": results})


NEWEST = 12


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What each may see of it; nothing here reads more than a few rows."""
    context["title"] = "Overview"
    may = request.user.has_perm
    if may("wallet.view_transaction"):
        context["ledger_page"] = ledger_pages.LedgerPage(
            rows=list(ledger_pages.with_names(Transaction.objects.order_by("-id"))[:NEWEST]),
            empty_text="The ledger is empty: the first deposit or bet will be its first row.",
        )
    if may("wallet.view_wallet"):
        context["sizes"] = [(model._meta.verbose_name_plural, about(model)) for model in (Player, Wallet, Transaction)]
    if may("wallet.view_reconciliationrun"):
        # A run over one wallet says nothing of the house.
        run = ReconciliationRun.objects.exclude(scope=ReconciliationRun.Scope.WALLET).first()
        context |= {"may_see_runs": True, "run": run, "verdict": operator_admin.verdict(run) if run else None}
    return context


def about(model: type[Player | Wallet | Transaction]) -> str:
    """How many rows, exactly while they are few, else as PostgreSQL estimates them."""
    exact = model.objects.order_by()[:1001].count()
    if exact <= 1000:
        return str(exact)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        ((estimate,),) = cursor.fetchall()
    return f"about {estimate:,}" if estimate > exact else "more than 1,000"
