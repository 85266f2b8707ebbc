"""What the player's page shows beside wallets and rows, each part to those who may see it; and the page of a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.db.models import F, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.safestring import SafeString

from bonus import rules
from bonus.admin.bonus_admin import badge_of, progress
from bonus.models import LIVE, Bonus, BonusStatus
from casino_pam.backoffice import permissions, withdrawals
from casino_pam.engine import commands
from wallet import audit, games, hindrances, history, limits, money
from wallet.admin import ledger_pages
from wallet.admin.ledger_pages import LedgerPage
from wallet.history import Lifetime
from wallet.kinds import BONUS, Kind, Status
from wallet.models import AuditEntry, Player, Transaction, Wallet

NEWEST: Final = 10


@dataclass(frozen=True)
class BonusLine:
    """A bonus in a line of a list."""

    bonus: Bonus
    badge: SafeString
    come: rules.Progress


_CONVERTED: Final = f"""
SELECT b.wallet_id, sum(t.cash_delta)::bigint
FROM bonus_bonus b
CROSS JOIN LATERAL (
    SELECT cash_delta FROM wallet_transaction x
    WHERE x.source = '{BONUS}' AND x.reference = b.id::text AND x.kind = '{Kind.CONVERT}' OFFSET 0
) t
WHERE b.wallet_id = ANY (%s) AND b.status = '{BonusStatus.COMPLETED}'
GROUP BY b.wallet_id
"""


@dataclass(frozen=True)
class Totals:
    """What a wallet has come to, in minor units, net of rollbacks; ``bonus_cost`` is what became cash of bonuses."""

    wallet: Wallet
    lifetime: Lifetime
    bonus_cost: int

    @property
    def ggr(self) -> int:
        """As docs/reports.md has it."""
        return self.wallet.staked_total - self.wallet.paid_total


def of_player(player: Player, wallets: list[Wallet], user: Any) -> dict[str, Any]:
    may = user.has_perm
    found: dict[str, Any] = {
        "player": player,
        "notes": list(player.notes.all()[:NEWEST]),
        "crm": settings.CRM_PLAYER_URL.replace("{player}", quote(player.code, safe="")),
    }
    if may("wallet.view_wallet"):
        found["totals"] = _totals(wallets)
        found |= {"limited": _limited(wallets), "now": timezone.now(), "may_limit": may("wallet.limit_player")}
        found["hold_for"] = limits.hold_for(player)
    if may("bonus.view_bonus"):
        found["bonuses"] = _bonuses(player)
    if may("wallet.view_transaction"):
        found["waiting"] = withdrawals.of_wallets(wallets)
    return found


# Who may read the whole trail.
AUDITS: Final = "wallet.view_auditentry"
# What may restrict a player, by operators and by back ends or the player.
_RESTRICTING: Final = ("lock", "exclude", "cool-off", "change player")
# So many acts back who restricted a player is looked for; the audit trail has the others.
_REACH: Final = 100


@dataclass(frozen=True)
class RestrictedBy:
    """A lock or exclusion in force, and the act that set it; None where the trail does not tell within reach."""

    what: str
    entry: AuditEntry | None


def entries_of(player: Player) -> list[AuditEntry]:
    """The newest acts on the player, done or refused, for whoever may see the player.

    A token handed out at each log-in is none of them. Each tells of this player alone; addresses and roles of operators
    are for auditors.
    """
    return list(_acts_on(player)[:NEWEST])


def _acts_on(player: Player) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(~Q(act="issue token"), player=player.code).order_by("-id")


def restricted_by(player: Player) -> list[RestrictedBy]:
    """Who set what restricts the player now; asks nothing where nothing does."""
    set_now = [name for name, column in hindrances.LOCKS.items() if getattr(player, column)]
    excluded = player.excluded_until is not None and player.excluded_until > timezone.now()
    if not (set_now or excluded):
        return []
    acts = [entry for entry in _acts_on(player)[:_REACH] if entry.act in _RESTRICTING and entry.outcome == audit.DONE]
    found = [
        RestrictedBy(f"{name} locked", next((entry for entry in acts if _locked(entry, name)), None))
        for name in set_now
    ]
    if excluded:
        found.append(RestrictedBy("excluded", next(filter(_excluded, acts), None)))
    return found


def _locked(entry: AuditEntry, name: str) -> bool:
    """Whether the act locked it: of a back end's changes the columns are kept, of operators' what was allowed then."""
    after, before = entry.after or {}, entry.before or {}
    if entry.act == "change player":
        return after.get(hindrances.LOCKS[name]) is True
    return entry.act == "lock" and "locked" in after.get(name, "") and "locked" not in before.get(name, "")


def _excluded(entry: AuditEntry) -> bool:
    return entry.act in ("exclude", "cool-off") or (entry.after or {}).get("excluded_until") is not None


def live(wallet: Wallet) -> list[BonusLine]:
    """The wallet's active bonus, and those that wait for its place."""
    bonuses = Bonus.objects.filter(wallet=wallet, status__in=LIVE).select_related("offer", "wallet__currency")
    shown = [_bonus_line(bonus) for bonus in bonuses.order_by("id")]
    return sorted(shown, key=lambda one: one.bonus.status != BonusStatus.ACTIVE)


def _totals(wallets: list[Wallet]) -> list[Totals]:
    lifetimes, costs = history.lifetimes(wallets), _bonus_costs(wallets)
    return [Totals(wallet, lifetimes[wallet.pk], costs.get(wallet.pk, 0)) for wallet in wallets]


def _bonus_costs(wallets: list[Wallet]) -> dict[int, int]:
    """What was converted, by wallet: each bonus that was has one row, found by the bonus's name."""
    with connection.cursor() as cursor:
        cursor.execute(_CONVERTED, [[wallet.pk for wallet in wallets]])
        return dict(cursor.fetchall())


def _limited(wallets: list[Wallet]) -> list[tuple[Wallet, list[limits.Limit]]]:
    """Each wallet with the limits that are set."""
    found = limits.of_each(wallets, commands.now())
    return [(wallet, [limit for limit in found[wallet.id] if limit.amount is not None]) for wallet in wallets]


def _bonuses(player: Player) -> list[BonusLine]:
    """The live ones, then the newest of the others."""
    bonuses = Bonus.objects.filter(player=player).select_related("offer", "wallet__currency")
    return [_bonus_line(bonus) for bonus in bonuses.order_by(F("ended_at").desc(nulls_first=True), "-id")[:NEWEST]]


def _bonus_line(bonus: Bonus) -> BonusLine:
    return BonusLine(bonus, badge_of(bonus), progress(bonus))


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


@permissions.page("wallet.view_transaction")
def page(request: HttpRequest) -> HttpResponse:
    """``?wallet=ID&source=CODE&round=NAME``, as the statement links to it."""
    wallet_id, source = ledger_pages.whole(request.GET.get("wallet")), request.GET.get("source", "")
    name = request.GET.get("round", "")
    if wallet_id is None or not (money.is_reference(source) and money.is_reference(name)):
        raise Http404
    wallet = get_object_or_404(Wallet.objects.select_related("player", "currency"), pk=wallet_id)
    rows = Transaction.objects.filter(wallet=wallet, round=name, source=source)
    shown = list(ledger_pages.with_names(rows).order_by("version")[:PAGE])
    if not shown:
        raise Http404
    lines = _lines(rows)
    known = games.names((row.source, row.game or "") for row in shown)
    context = admin.site.each_context(request) | {
        "title": f"Round {name}",
        "crumbs": [*ledger_pages.wallet_crumbs(wallet), {"title": f"round {name}"}],
        "wallet": wallet,
        "currency": wallet.currency,
        "source": source,
        "round": name,
        "games": sorted({known.get((row.source, row.game), row.game) for row in shown if row.game}),
        "closed": _closed(rows),
        "lines": lines,
        "total": Line("For the player", sum(line.cash for line in lines), sum(line.bonus for line in lines)),
        "ledger_page": LedgerPage(
            rows=shown, wallet=wallet, summary=f"The first {PAGE} rows" if len(shown) == PAGE else ""
        ),
    }
    return render(request, "backoffice/round.html", context)


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
