"""The one search box: a player, a transaction's id, a reference, a round.

Every look-up is exact, or the beginning of an indexed name, so that it costs the same at ten million rows as at ten.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from unfold.dataclasses import SearchResult

from wallet import formatting
from wallet.admin import ledger_pages
from wallet.kinds import HOUSE_SOURCES, scoped
from wallet.models import ApiKey, Player, Provider, Transaction, Wallet

PLAYERS: Final = 20
ROUNDS: Final = 20
# Rows looked at for them.
ROUND_ROWS: Final = 1_000
LONGEST: Final = 300


class Round(NamedTuple):
    """A round of a wallet, by the name that its source gave it."""

    wallet: Wallet
    source: str
    name: str

    @property
    def address(self) -> str:
        query = urlencode({"wallet": self.wallet.pk, "source": self.source, "round": self.name})
        return f"{reverse('backoffice:round')}?{query}"


@dataclass
class Matches:
    """What a term stands for; either list may be cut at its bound."""

    players: list[Player] = field(default_factory=list)
    rows: list[Transaction] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    @property
    def only_player(self) -> Player | None:
        return self.players[0] if len(self.players) == 1 and not self.rows and not self.rounds else None

    @property
    def only_row(self) -> Transaction | None:
        return self.rows[0] if len(self.rows) == 1 and not self.players and not self.rounds else None

    @property
    def only_round(self) -> Round | None:
        return self.rounds[0] if len(self.rounds) == 1 and not self.players and not self.rows else None


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
        found.rounds = rounds_called(term)
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


def rounds_called(name: str) -> list[Round]:
    """The rounds of that name, of whatever player: providers may number them anew for each."""
    looked_at = Transaction.objects.filter(round=name).order_by().values_list("wallet_id", "source")[:ROUND_ROWS]
    # In the order in which they came, each once.
    keys = list(dict.fromkeys(looked_at))[:ROUNDS]
    wallets = Wallet.objects.select_related("player").in_bulk([wallet for wallet, _ in keys]) if keys else {}
    return [Round(wallets[wallet], source, name) for wallet, source in keys]


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
    if found.only_round:
        return redirect(found.only_round.address)
    context = admin.site.each_context(request) | {
        "title": "Find",
        "term": term,
        "found": found,
        "ledger_page": ledger_pages.LedgerPage(rows=found.rows),
        "players_cut": len(found.players) == PLAYERS,
        "rounds_cut": len(found.rounds) == ROUNDS,
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
    results += [
        SearchResult(
            title=f"Round {each.name}",
            description=f"{each.wallet.player.code}, {each.wallet.currency_id}, {each.source}",
            link=each.address,
            icon="casino",
        )
        for each in found.rounds
    ]
    return render(request, "unfold/helpers/command_results.html", {"term": term, "results": results})
