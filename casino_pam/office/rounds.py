"""One game round of one wallet: what was staked, won and undone, in cash and in bonus money."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from casino_pam.office import gate
from wallet import money
from wallet.admin import leaves
from wallet.admin.leaves import Leaf
from wallet.kinds import Kind, Status
from wallet.models import Transaction, Wallet

# More rows than any round should have; its sums are of all of them.
PAGE: Final = 200

_LINES: Final = {
    "Staked": Q(kind=Kind.BET),
    "Stakes given back": Q(kind=Kind.ROLLBACK, original_kind=Kind.BET),
    "Won": Q(kind=Kind.WIN),
    "Wins taken back": Q(kind=Kind.ROLLBACK, original_kind=Kind.WIN),
}


class Line(NamedTuple):
    """What one kind of row moved, in minor units."""

    about: str
    cash: int
    bonus: int

    @property
    def sum(self) -> int:
        return self.cash + self.bonus


@gate.page("wallet.view_transaction")
def page(request: HttpRequest) -> HttpResponse:
    """``?wallet=ID&source=CODE&round=NAME``, as the statement links to it."""
    wallet_id, source = leaves.whole(request.GET.get("wallet")), request.GET.get("source", "")
    name = request.GET.get("round", "")
    if wallet_id is None or not (money.is_reference(source) and money.is_reference(name)):
        raise Http404
    wallet = get_object_or_404(Wallet.objects.select_related("player", "currency"), pk=wallet_id)
    rows = Transaction.objects.filter(wallet=wallet, round=name, source=source)
    shown = list(leaves.with_names(rows).order_by("version")[:PAGE])
    if not shown:
        raise Http404
    lines = _lines(rows)
    context = admin.site.each_context(request) | {
        "title": f"Round {name}",
        "crumbs": [*leaves.crumbs(wallet), {"title": f"round {name}"}],
        "wallet": wallet,
        "currency": wallet.currency,
        "source": source,
        "round": name,
        "games": sorted({row.game for row in shown if row.game}),
        "closed": _closed(rows),
        "lines": lines,
        "total": Line("For the player", sum(line.cash for line in lines), sum(line.bonus for line in lines)),
        "leaf": Leaf(rows=shown, wallet=wallet, said=f"The first {PAGE} rows" if len(shown) == PAGE else ""),
    }
    return render(request, "office/round.html", context)


def _lines(rows: QuerySet[Transaction]) -> list[Line]:
    """What each kind of row moved in all; those of which there are none are left out, the stakes never."""
    sums: dict[str, Any] = {}
    for place, matching in enumerate(_LINES.values()):
        sums[f"cash_{place}"] = Sum("cash_delta", filter=matching)
        sums[f"bonus_{place}"] = Sum("bonus_delta", filter=matching)
    found = rows.filter(status=Status.POSTED).aggregate(**sums)
    lines = [(name, found[f"cash_{place}"], found[f"bonus_{place}"]) for place, name in enumerate(_LINES)]
    return [Line(name, cash or 0, bonus or 0) for name, cash, bonus in lines if cash is not None or name == "Staked"]


def _closed(rows: QuerySet[Transaction]) -> bool:
    """Whether a row that ends the round stands (PLAY.md rule 9)."""
    ending = list(rows.filter(status=Status.POSTED, ends_round=True).values_list("pk", flat=True))
    undone = Transaction.objects.filter(closes__in=ending, status=Status.POSTED, kind=Kind.ROLLBACK)
    return bool(set(ending) - set(undone.values_list("closes", flat=True)))
