"""Games by name: what people call them, the list of them as a file, and those that providers send unlisted.

The bet's path knows nothing of any of it: a game without a row is played as it ever was, and what is unlisted is read
from the sums by day.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, NamedTuple, Protocol

from django.db import transaction
from django.db.models import OuterRef, Subquery

from wallet import audit, money
from wallet.models import Game, Provider
from wallet.models.oversight import COMMAND
from wallet.reports.sums import Connected, every

# --- names ---------------------------------------------------------------------------------------

GameKey = tuple[str, str]
"""A provider's code and its code of the game."""


class _Played(Protocol):
    """A row of the ledger, or what has its columns."""

    source: str
    game: str | None


def names(keys: Iterable[GameKey]) -> dict[GameKey, str]:
    """The names of those games that have one; asks nothing where there is no game."""
    wanted = {(source, code) for source, code in keys if code}
    if not wanted:
        return {}
    sources, codes = {source for source, _ in wanted}, {code for _, code in wanted}
    rows = Game.objects.filter(provider__code__in=sources, code__in=codes).exclude(name="").order_by()
    return {(source, code): name for source, code, name in rows.values_list("provider__code", "code", "name")}


def name_of_row() -> Subquery:
    """The name of the game of a row of the ledger, to be read with the row."""
    named = Game.objects.filter(provider__code=OuterRef("source"), code=OuterRef("game")).order_by()
    return Subquery(named.values("name")[:1])


def every_name() -> dict[GameKey, str]:
    """The names of all games that have one."""
    rows = Game.objects.exclude(name="").order_by().values_list("provider__code", "code", "name")
    return {(source, code): name for source, code, name in rows}


def give_names(rows: Iterable[_Played]) -> None:
    """Let each row say in ``game_name`` what its game is called; those that were read with it say so already."""
    shown: list[Any] = [row for row in rows if not hasattr(row, "game_name")]
    known = names((row.source, row.game or "") for row in shown)
    for row in shown:
        row.game_name = known.get((row.source, row.game or ""), "")


# --- unlisted games ------------------------------------------------------------------------------

UNLISTED_DAYS: Final = 30
MOST_UNLISTED: Final = 500


@dataclass(frozen=True)
class UnlistedGame:
    """A game that a provider sent and that has no row; ``bets`` of the days looked at."""

    provider: str
    provider_id: int
    code: str
    bets: int
    first: date
    last: date


_UNLISTED: Final = """
SELECT p.code AS provider, p.id AS provider_id, s.game AS code,
       coalesce(sum(s.rows) FILTER (WHERE s.kind = 'BET'), 0)::bigint AS bets, min(s.day) AS first, max(s.day) AS last
FROM wallet_daysum s JOIN wallet_provider p ON p.code = s.source
WHERE s.day >= %(since)s AND s.game <> ''
  AND NOT EXISTS (SELECT FROM wallet_game g WHERE g.provider_id = p.id AND g.code = s.game)
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 3 LIMIT %(most)s
"""


def unlisted(own: Connected, today: date) -> list[UnlistedGame]:
    """The games that were played on the last 30 days and that nobody has listed, the busiest first."""
    values = {"since": today - timedelta(days=UNLISTED_DAYS - 1), "most": MOST_UNLISTED}
    return every(own, _UNLISTED, values, UnlistedGame)


# --- a file of games -----------------------------------------------------------------------------

COLUMNS: Final = ("provider", "code", "name", "category", "enabled")
# The others may be left out, and then stay as they are.
NEEDED: Final = ("provider", "code")
_LONGEST: Final = {"name": 128, "category": 64}
_SWITCH: Final = {"yes": True, "no": False}
# Lines written between two reports of the progress.
STRIDE: Final = 500


class GameFileFaults(Exception):
    """The file cannot be taken; ``faults`` says of every line what is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Imported(NamedTuple):
    """How many games a file has made, changed, and found as they were."""

    made: int
    changed: int
    unchanged: int


@dataclass
class _GameFile:
    """What was read: the fields of each game, and the line on which it stands."""

    games: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    lines: dict[tuple[int, str], int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def import_games(lines: Iterable[str], name: str, progress: Callable[[int, int], None]) -> Imported:
    """Make and change the games of a CSV file (its text, line by line), all of them or none.

    Games that the file does not name stay as they are. ``progress`` hears how many of how many are written. The audit
    trail says that the file ``name`` was taken. Raises GameFileFaults with all that is wrong.
    """
    found = _read(lines)
    if found.faults:
        raise GameFileFaults(found.faults)
    with transaction.atomic():
        made, changed = _sorted_out(found.games)
        games = [*made, *changed]
        total = len(games)
        # Every line has the same columns; only those are written where the game is there.
        columns = list(next(iter(found.games.values())))
        keys = ["provider", "code"] if columns else None
        for first in range(0, total, STRIDE):
            portion = games[first : first + STRIDE]
            Game.objects.bulk_create(
                portion,
                update_conflicts=bool(columns),
                ignore_conflicts=not columns,
                update_fields=columns or None,
                unique_fields=keys,
            )
            progress(first + len(portion), total)
        outcome = Imported(len(made), len(changed), len(found.games) - total)
        actor = COMMAND + "import_games"
        audit.named(None, actor, "import games", roles=[], subject=name[:300], after=outcome._asdict())
    return outcome


def _sorted_out(wanted: Mapping[tuple[int, str], dict[str, Any]]) -> tuple[list[Game], list[Game]]:
    """The games that are to be made, and those that are there and differ, as they are to be."""
    made, changed = [], []
    known = {(game.provider_id, game.code): game for game in Game.objects.all()}
    for (provider, code), fields in wanted.items():
        game = known.get((provider, code))
        if game is None:
            made.append(Game(provider_id=provider, code=code, **fields))
        elif any(getattr(game, name) != value for name, value in fields.items()):
            changed.append(Game(provider_id=provider, code=code, **fields))
    return made, changed


def _read(lines: Iterable[str]) -> _GameFile:
    found = _GameFile()
    text = iter(lines)
    head = next(text, "").removeprefix("\ufeff").rstrip("\r\n")
    separator = ";" if ";" in head else ","
    header = [name.strip().strip('"').lower() for name in head.split(separator)]
    found.faults += _header_faults(header)
    if found.faults:
        return found
    providers = dict(Provider.objects.values_list("code", "id"))
    reader = csv.reader(text, delimiter=separator, strict=True)
    try:
        for cells in reader:
            if cells:
                _take(found, reader.line_num + 1, header, cells, providers)
    except csv.Error as error:
        found.faults.append(f"line {reader.line_num + 1}: {error}")
    if not found.games and not found.faults:
        found.faults.append("The file names no game.")
    return found


def _header_faults(header: list[str]) -> list[str]:
    faults = [f'line 1: the column "{name}" is missing' for name in NEEDED if name not in header]
    known = ", ".join(COLUMNS)
    faults += [f"line 1: there is no column {name!r}: known are {known}" for name in header if name not in COLUMNS]
    faults += [f'line 1: the column "{name}" stands twice' for name in COLUMNS if header.count(name) > 1]
    return faults


def _take(found: _GameFile, line: int, header: list[str], cells: list[str], providers: Mapping[str, int]) -> None:
    """Read one line; what is wrong with it joins the faults."""
    if len(cells) != len(header):
        found.faults.append(f"line {line}: it has {len(cells)} fields, the header {len(header)}")
        return
    told = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    faults = list(_faults(told, providers))
    key = (providers.get(told["provider"], 0), told["code"])
    if not faults and key in found.lines:
        faults.append(f"{told['provider']} {told['code']} stands on line {found.lines[key]} already")
    found.faults += [f"line {line}: {fault}" for fault in faults]
    found.lines.setdefault(key, line)
    if not faults:
        fields: dict[str, Any] = {name: told[name] for name in _LONGEST if name in told}
        if "enabled" in told:
            fields["enabled"] = _SWITCH[told["enabled"].lower()]
        found.games[key] = fields


def _faults(told: Mapping[str, str], providers: Mapping[str, int]) -> Iterator[str]:
    if told["provider"] not in providers:
        yield f"there is no provider {told['provider']!r}"
    if not money.is_reference(told["code"]):
        yield "the code must be 1 to 128 printable ASCII characters"
    for name, longest in _LONGEST.items():
        text = told.get(name, "")
        if len(text) > longest or not text.isprintable():
            yield f"the {name} must be at most {longest} printable characters"
    if told.get("enabled", "yes").lower() not in _SWITCH:
        yield f"enabled is {told['enabled']!r}: it must be yes or no"
