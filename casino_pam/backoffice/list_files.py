"""Lists as files: the audit trail, players, bonuses, withdrawals and statements, narrowed as their pages are.

Who took a file is in the audit trail. Files are read a page at a time along an index, and between two pages no
connection is kept from anybody. Days and moments are written by ISO 8601 in UTC, amounts with their currency's digits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import SuspiciousOperation
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from bonus.models import Bonus
from bonus.rules import BASIS_POINTS
from casino_pam import spreadsheet
from casino_pam.backoffice import permissions, withdrawals
from wallet import audit, formatting, games, history, money
from wallet.admin import ledger_pages
from wallet.admin.date_fields import read_day
from wallet.kinds import Status
from wallet.models import AuditEntry, Currency, Player, Transaction, Wallet
from wallet.time import to_text

LINES: Final = 500

Cells = Iterable[Any]


class ListFile(NamedTuple):
    """A list of the admin as a file: ``lines`` makes one or more lines of a row, which is found by ``key``."""

    name: str
    model: type[Model]
    permission: str
    act: str
    columns: tuple[str, ...]
    lines: Callable[[Any], Iterable[Cells]]
    key: str = "id"
    newest_first: bool = True


def _moment(instant: datetime | None) -> str:
    return "" if instant is None else to_text(instant)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


# --- the audit trail -----------------------------------------------------------------------------

_TRAIL: Final = (
    "id",
    "at",
    "actor",
    "roles",
    "address",
    "act",
    "outcome",
    "player",
    "subject",
    "reason",
    "before",
    "after",
    "reference",
)


def _trail_lines(entry: AuditEntry) -> Iterator[Cells]:
    values = [getattr(entry, name) for name in _TRAIL]
    texts = {"at": to_text(entry.at), "roles": ", ".join(entry.roles)}
    for name in ("before", "after"):
        told = getattr(entry, name)
        texts[name] = "" if told is None else json.dumps(told, cls=DjangoJSONEncoder, ensure_ascii=False)
    yield [texts.get(name, value) for name, value in zip(_TRAIL, values, strict=True)]


# --- players -------------------------------------------------------------------------------------

_PLAYERS: Final = (
    "player",
    "country",
    "bets_locked",
    "deposits_locked",
    "withdrawals_locked",
    "excluded_until",
    "verification",
    "tags",
    "created_at",
    "currency",
    "cash",
    "bonus",
    "held",
)


def _player_lines(player: Player) -> Iterator[Cells]:
    """A line for each wallet; one for a player without any."""
    locks = [_yes(lock) for lock in (player.bet_locked, player.deposit_locked, player.withdraw_locked)]
    tags = " ".join(sorted(tag.name for tag in player.tags.all()))
    stands = (_moment(player.excluded_until), player.verification, tags, _moment(player.created_at))
    about = [player.code, player.country, *locks, *stands]
    wallets = sorted(player.wallets.all(), key=lambda wallet: wallet.id)
    for wallet in wallets:
        amounts = (wallet.cash, wallet.bonus, wallet.held)
        yield [*about, wallet.currency_id, *(money.show(minor, wallet.currency.digits) for minor in amounts)]
    if not wallets:
        yield [*about, "", "", "", ""]


# --- bonuses -------------------------------------------------------------------------------------

_BONUSES: Final = (
    "id",
    "player",
    "currency",
    "offer",
    "status",
    "granted",
    "to_be_wagered",
    "wagered",
    "became_cash",
    "promised_at",
    "claim_by",
    "started_at",
    "expires_at",
    "ended_at",
    "ended_reason",
    "source",
    "reference",
    "actor",
    "reason",
)


def _bonus_lines(bonus: Bonus) -> Iterator[Cells]:
    amounts = (bonus.amount, bonus.required, bonus.wagered // BASIS_POINTS, bonus.converted)
    moments = (bonus.created_at, bonus.claim_by, bonus.activated_at, bonus.expires_at, bonus.ended_at)
    yield [
        *(bonus.id, bonus.player.code, bonus.wallet.currency_id, bonus.offer.code, bonus.status),
        *(money.show(minor, bonus.wallet.currency.digits) for minor in amounts),
        *map(_moment, moments),
        *(bonus.ended_reason, bonus.source, formatting.reference(bonus.reference), bonus.actor, bonus.reason),
    ]


LISTS: Final = (
    ListFile("audit-trail", AuditEntry, "wallet.view_auditentry", "export audit trail", _TRAIL, _trail_lines),
    ListFile(
        "players", Player, "wallet.view_player", "export players", _PLAYERS, _player_lines, "code", newest_first=False
    ),
    ListFile("bonuses", Bonus, "bonus.view_bonus", "export bonuses", _BONUSES, _bonus_lines),
)


def _list_page(listed: ListFile) -> permissions.View:
    """The list's own filters and search, in its order. Taking it away is noted in the audit trail."""

    def file(request: HttpRequest) -> HttpResponseBase:
        window = cast("Any", admin.site._registry[listed.model])
        try:
            rows = window.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            raise SuspiciousOperation("no such filter of the list") from None
        if listed.newest_first:
            # Before the first page is read: the file ends with the rows there are now.
            newest = listed.model._base_manager.order_by(f"-{listed.key}").values_list(listed.key, flat=True).first()
            rows = rows.filter(**{f"{listed.key}__lte": newest}) if newest else rows.none()
        audit.record(request, listed.act, subject=request.GET.urlencode())
        return spreadsheet.download(f"{listed.name}.csv", _list_pieces(listed, rows))

    return permissions.page(listed.permission)(file)


def _list_pieces(listed: ListFile, rows: QuerySet[Any]) -> Iterator[str]:
    yield spreadsheet.line(listed.columns)
    beyond = f"{listed.key}__{'lt' if listed.newest_first else 'gt'}"
    page = list(rows[:LINES])
    while page:
        piece = "".join(spreadsheet.line(cells) for row in page for cells in listed.lines(row))
        last = getattr(page[-1], listed.key)
        connection.close()
        yield piece
        page = list(rows.filter(**{beyond: last})[:LINES])
    connection.close()


# --- withdrawals ---------------------------------------------------------------------------------

_WITHDRAWALS: Final = ("asked_at", "waits_hours", "player", "currency", "amount", "reference", "source", "id")


@permissions.page(withdrawals.VIEW)
def withdrawals_file(request: HttpRequest) -> HttpResponseBase:
    """The queue as it is narrowed, the oldest first."""
    audit.record(request, "export withdrawals", subject=request.GET.urlencode())
    return spreadsheet.download("withdrawals.csv", _withdrawal_pieces(withdrawals.QueueFilter(request.GET).rows()))


def _withdrawal_pieces(rows: QuerySet[Transaction]) -> Iterator[str]:
    yield spreadsheet.line(_WITHDRAWALS)
    now = timezone.now()
    ids = list(rows.values_list("id", flat=True))
    for first in range(0, len(ids), LINES):
        portion = list(rows.filter(id__in=ids[first : first + LINES]))
        connection.close()
        yield "".join(spreadsheet.line(_withdrawal_cells(row, now)) for row in portion)


def _withdrawal_cells(row: Transaction, now: datetime) -> Cells:
    hours = max(0, int((now - row.created_at).total_seconds()) // 3600)
    amount = money.show(row.amount, row.wallet.currency.digits)
    whose = (row.wallet.player.code, row.wallet.currency_id, amount)
    return (to_text(row.created_at), hours, *whose, *_names(row), row.id)


def _names(row: Transaction) -> tuple[str, str]:
    return formatting.reference(row.reference), row.source


# --- statements ----------------------------------------------------------------------------------

VIEW: Final = "wallet.view_transaction"
# Rows of a statement that is printed; the file has them all.
PRINTED: Final = 1_000
_STATEMENT: Final = (
    "row",
    "time",
    "kind",
    "status",
    "refusal",
    "reference",
    "source",
    "round",
    "game",
    "game_name",
    "currency",
    "amount",
    "cash",
    "bonus",
    "held",
    "cash_after",
    "bonus_after",
    "held_after",
    "actor",
    "reason",
    "id",
)
_AMOUNTS: Final = (
    "amount",
    "cash_delta",
    "bonus_delta",
    "held_delta",
    "cash_after",
    "bonus_after",
    "held_after",
)


def _narrowed(request: HttpRequest, pk: int) -> tuple[Wallet, dict[str, str], history.StatementFilter]:
    """A wallet, what its statement is narrowed to, and the same as the statement knows it; 400 for nonsense."""
    wallet = get_object_or_404(Wallet.objects.select_related("player", "currency"), pk=pk)
    chosen = ledger_pages.choices_of(request)
    wanted = ledger_pages.wanted(chosen)
    if wanted is None:
        raise SuspiciousOperation("a statement cannot be narrowed to that")
    return wallet, chosen, wanted


@permissions.page(VIEW)
def statement_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The whole statement as it is narrowed, the newest row first."""
    wallet, chosen, wanted = _narrowed(request, pk)
    about = f"{wallet.player.code}, {wallet.currency_id}"
    audit.record(request, "export statement", player=wallet.player.code, subject=about, after=chosen)
    name = f"statement-{wallet.player_id}-{wallet.currency_id}.csv"
    return spreadsheet.download(name, _statement_pieces(wallet, wanted))


def _statement_pieces(wallet: Wallet, wanted: history.StatementFilter) -> Iterator[str]:
    yield spreadsheet.line(_STATEMENT)
    for rows in history.walk([wallet], wanted, LINES):
        games.give_names(rows)
        piece = "".join(spreadsheet.line(_statement_cells(row, wallet)) for row in rows)
        connection.close()
        yield piece
    connection.close()


def _statement_cells(row: Any, wallet: Wallet) -> Cells:
    amounts = [money.show(getattr(row, name), wallet.currency.digits) for name in _AMOUNTS]
    return [
        *(row.version, to_text(row.created_at), row.kind, row.status, row.refusal, *_names(row)),
        *(row.round, row.game, row.game_name, wallet.currency_id, *amounts, row.actor, row.reason, row.id),
    ]


@permissions.page(VIEW)
def statement_print(request: HttpRequest, pk: int) -> HttpResponse:
    """The statement as a page to be printed, the oldest row first, with the balances before and after it."""
    wallet, chosen, wanted = _narrowed(request, pk)
    found = history.page([wallet], wanted, None, PRINTED)
    games.give_names(found.rows)
    rows = found.rows[::-1]
    until = read_day(chosen.get("until"))
    last = history.version_before(wallet, wanted.until) if wanted.until else wallet.version
    first = history.version_before(wallet, wanted.since) if wanted.since else 0
    context = {
        "wallet": wallet,
        "currency": wallet.currency,
        "chosen": {name: text for name, text in chosen.items() if name not in ("since", "until")},
        "since": chosen.get("since") or f"{found.rows[-1].created_at if found.rows else wallet.created_at:%Y-%m-%d}",
        "until": min(until, timezone.now().date()) if until else timezone.now().date(),
        "rows": rows,
        "lines": _printed(rows, wallet.currency),
        "cut": PRINTED if found.below else 0,
        "before": _balances(wallet, first),
        "after": _balances(wallet, last),
        "printed": timezone.now(),
        "file": urlencode(chosen),
    }
    return render(request, "backoffice/statement_print.html", context)


_PRINTED_ROW: Final = """<tr>
<td data-label="Row" class="number">{}</td><td data-label="Time" class="time">{}</td><td data-label="What">{}</td>
<td data-label="Reference">{}</td><td data-label="Round and game">{}</td><td data-label="Cash" class="number">{}</td>
<td data-label="Bonus" class="number">{}</td><td data-label="Held" class="number">{}</td>
<td data-label="Cash after" class="number">{}</td><td data-label="Bonus after" class="number">{}</td>
</tr>
"""


def _printed(rows: Iterable[Any], currency: Currency) -> SafeString:
    """The rows as HTML, put together here: a template would need four times as long for a thousand of them."""
    digits = currency.digits
    lines = []
    for row in rows:
        status = "" if row.status == Status.POSTED else f", {row.status.lower()}"
        played = " ".join(filter(None, (row.round, row.game_name, row.game, "" if status else row.reason)))
        texts = (formatting.words(row.kind.lower()) + status, formatting.reference(row.reference), played)
        moved = (formatting.moved(each, digits) for each in (row.cash_delta, row.bonus_delta, row.held_delta))
        stood = (formatting.number(each, digits) for each in (row.cash_after, row.bonus_after))
        time = row.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(_PRINTED_ROW.format(money.grouped(row.version), time, *map(escape, texts), *moved, *stood))
    # Whatever others have written was escaped, and the rest are our own numbers.
    return mark_safe("".join(lines))  # noqa: S308


class Balances(NamedTuple):
    """What a wallet held after a row, in minor units."""

    cash: int = 0
    bonus: int = 0
    held: int = 0


def _balances(wallet: Wallet, version: int) -> Balances:
    columns = ("cash_after", "bonus_after", "held_after")
    rows = Transaction.objects.filter(wallet=wallet, version=version)
    return Balances(*(rows.values_list(*columns).first() or ()))


def patterns() -> list[URLPattern]:
    return [
        *(path(f"{each.name}.csv", _list_page(each), name=each.name.replace("-", "_")) for each in LISTS),
        path("withdrawals.csv", withdrawals_file, name="withdrawals_file"),
        path("wallet/<int:pk>/statement.csv", statement_file, name="statement_file"),
        path("wallet/<int:pk>/statement/", statement_print, name="statement_print"),
    ]
