"""The ledger: the only code that writes balances.

Reads fill a ``Book``; ``write`` puts down what was added to it. A wallet row is written in one
statement only, guarded by the version that was read; the rows of a wallet follow only if its
version still matched. The caller owns the transaction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from psycopg import Connection, OperationalError
from psycopg.errors import LockNotAvailable, SerializationFailure

from wallet.kinds import LIMIT_NAMES
from wallet.pg.session import Session, session_of
from wallet.state import (
    Book,
    Key,
    OpenCurrency,
    OpenGame,
    OpenLimits,
    OpenPlayer,
    OpenProvider,
    OpenSession,
    OpenWallet,
    Row,
    UndoneEarlier,
)
from wallet.time import selected, timestamp, to_datetime, to_text


class Column(NamedTuple):
    """A column of the ledger as it is written."""

    name: str
    sql_type: str


_UUIDS: Final = frozenset(("id", "command", "bonus", "closes"))


def _column(field: msgspec.structs.FieldInfo) -> Column:
    if field.name in _UUIDS:
        return Column(field.name, "uuid")
    if field.name == "digest_version":
        return Column(field.name, "smallint")
    if field.type is bool:
        return Column(field.name, "boolean")
    if field.type in (int, int | None):
        return Column("wallet_id" if field.name == "wallet" else field.name, "bigint")
    return Column(field.name, "text")


# In the order of Row's fields, which is that of the digest: it never changes within a digest version.
# What a digest version after the first one added stands at the end (``ADDED``).
COLUMNS: Final = tuple(map(_column, msgspec.structs.fields(Row)))
# The columns that came with digest version 2: the digests of older rows were made without them.
ADDED: Final = ("wagering", "shares_reference")


def _select(alias: str) -> str:
    parts = []
    for name, sql_type in COLUMNS:
        column = f"{alias}.{name}"
        if name == "created_at":
            column = selected(column)
        elif sql_type == "uuid":
            column += "::text"
        parts.append(column)
    return ", ".join(parts)


def array(values: Iterable[str], *, quoted: bool = True) -> str:
    """A PostgreSQL array literal of texts; an empty text stands for NULL."""
    texts = list(values)
    if not quoted:
        return "{" + ",".join([text or "NULL" for text in texts] if "" in texts else texts) + "}"
    if not texts:
        return "{}"
    literal = '{"' + '","'.join(texts) + '"}'
    if "\\" in literal or literal.count('"') != 2 * len(texts):
        escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
        return "{" + ",".join([f'"{text}"' if text else "NULL" for text in escaped]) + "}"
    return literal.replace('""', "NULL")


# --- reading ---------------------------------------------------------------------------------

# What the records below consist of, one part behind the other: columns, by the names of the structs' fields.
_PLAYER: Final = OpenPlayer.__struct_fields__
_WALLET: Final = OpenWallet.__struct_fields__[: OpenWallet.__struct_fields__.index("player")]
_CURRENCY: Final = OpenCurrency.__struct_fields__
_PROVIDER: Final = OpenProvider.__struct_fields__
_GAME: Final = tuple(name for name in OpenGame.__struct_fields__ if name != "provider")
_TIMES: Final = frozenset(("excluded_until", "newest_at"))


def _listed(alias: str, names: Iterable[str]) -> str:
    return ", ".join(selected(f"{alias}.{name}") if name in _TIMES else f"{alias}.{name}" for name in names)


def _places(*parts: Sequence[str]) -> tuple[slice, ...]:
    """Where each part stands in a record."""
    ends = accumulate(map(len, parts))
    return tuple(slice(end - len(part), end) for part, end in zip(parts, ends, strict=True))


_OF_PLAYER, _OF_WALLET, _OF_CURRENCY, _OF_LIMITS, _OF_PLANNING = _places(
    _PLAYER, _WALLET, _CURRENCY, LIMIT_NAMES, ("is_planned",)
)
_OF_PROVIDER, _OF_GAME = _places(_PROVIDER, _GAME)
_NO_WALLET: Final = (None,) * len(_WALLET)
_UNLIMITED: Final = (None,) * len(LIMIT_NAMES)

PLANNING: Final = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_memoize": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""PostgreSQL's settings while a posting is at work.

Joins by index in the order given keep the wallets' locks in ascending order (``UPDATE_WALLETS``). Every look-up is by
index, whatever the planner thinks of a table that was empty a minute ago; planning each statement anew would cost
more than running it, and so would remembering what was looked up by keys that hardly ever come twice.
"""

# Asked once for each statement, not for each of its rows.
_IN_FORCE: Final = " AND ".join(
    # Either was chosen by us, and no lock depends on which.
    f"current_setting('{name}') IN ('{value}', '{value.replace('generic', 'custom')}')"
    for name, value in PLANNING.items()
)

# Every LATERAL ... OFFSET 0 below is a look-up by index, one per name given, whatever the planner
# believes of a table that was empty when the statement was prepared.
_READ_WALLETS = f"""
SELECT {_listed("p", _PLAYER)}, {_listed("w", _WALLET)}, {_listed("c", _CURRENCY)}, {_listed("l", LIMIT_NAMES)},
    (SELECT {_IN_FORCE})
FROM unnest(%s::text[]) AS named(code)
CROSS JOIN LATERAL (SELECT * FROM wallet_player WHERE code = named.code OFFSET 0) p
LEFT JOIN LATERAL (SELECT * FROM wallet_wallet WHERE player_id = p.id OFFSET 0) w ON true
LEFT JOIN LATERAL (SELECT * FROM wallet_currency WHERE code = w.currency_id OFFSET 0) c ON true
LEFT JOIN LATERAL (SELECT * FROM wallet_walletlimits WHERE wallet_id = w.id OFFSET 0) l ON true
"""

_READ_SESSIONS = f"""
SELECT s.id, p.code, r.code, {selected("s.expires_at")}, s.ended_at IS NOT NULL, NOT EXISTS (
    SELECT FROM wallet_gamesession later
    WHERE later.player_id = s.player_id AND later.provider_id = s.provider_id
        AND (later.created_at, later.id) > (s.created_at, s.id)
)
FROM unnest(%s::text[]) AS named(id)
CROSS JOIN LATERAL (SELECT * FROM wallet_gamesession WHERE id = named.id OFFSET 0) s
CROSS JOIN LATERAL (SELECT * FROM wallet_provider WHERE id = s.provider_id OFFSET 0) p
CROSS JOIN LATERAL (SELECT * FROM wallet_player WHERE id = s.player_id OFFSET 0) r
"""

# A game without a name stands for the provider alone.
_READ_PROVIDERS = f"""
SELECT {_listed("p", _PROVIDER)}, {_listed("g", _GAME)}
FROM unnest(%s::text[], %s::text[]) AS named(provider, game)
CROSS JOIN LATERAL (SELECT * FROM wallet_provider WHERE code = named.provider OFFSET 0) p
LEFT JOIN LATERAL (
    SELECT * FROM wallet_game WHERE provider_id = p.id AND code = named.game OFFSET 0
) g ON true
"""

_READ_UNMOVED = """
SELECT w.id FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, seen)
CROSS JOIN LATERAL (SELECT * FROM wallet_wallet WHERE id = n.id AND version = n.seen OFFSET 0) w
"""


def _rows_where(names: str, condition: str) -> str:
    return f"""
SELECT {_select("t")} FROM {names} n
CROSS JOIN LATERAL (SELECT * FROM wallet_transaction x WHERE {condition} OFFSET 0) t
"""


_NAMED = """
SELECT t.* FROM unnest(%s::text[], %s::text[], %s::text[]) AS n(source, kind, reference)
CROSS JOIN LATERAL (
    SELECT * FROM wallet_transaction x
    WHERE x.source = n.source AND x.reference = n.reference AND x.kind = n.kind OFFSET 0
) t
"""

_READ_ROWS = f"""
WITH named AS ({_NAMED}), asked AS (SELECT * FROM unnest(%s::bigint[], %s::text[]) AS n(wallet_id, round))
SELECT {_select("named")} FROM named
UNION ALL
{_rows_where("asked", "x.wallet_id = n.wallet_id AND x.round = n.round")}
"""

# Rows that belong to those that ``_READ_ROWS`` found by name. Most commands name no row that is there yet, and this is
# not asked.
_READ_RELATED = f"""
WITH named AS ({_NAMED}), answers AS (
    SELECT t.* FROM named n
    CROSS JOIN LATERAL (SELECT player_id FROM wallet_wallet WHERE id = n.wallet_id OFFSET 0) owner
    CROSS JOIN LATERAL (SELECT id FROM wallet_wallet WHERE player_id = owner.player_id OFFSET 0) own
    CROSS JOIN LATERAL (
        SELECT * FROM wallet_transaction x
        WHERE x.wallet_id = own.id AND x.original = n.reference AND x.kind = 'WIN' OFFSET 0
    ) t
)
SELECT {_select("answers")} FROM answers
""" + "".join(
    "UNION ALL" + _rows_where(names, condition)
    for names, condition in (
        ("named", "x.closes = n.id AND x.closes IS NOT NULL AND x.status = 'POSTED'"),
        ("answers", "x.closes = n.id AND x.closes IS NOT NULL AND x.status = 'POSTED'"),
        ("named", "x.command = n.id AND NOT x.command = x.id"),
        ("named", "x.wallet_id = n.wallet_id AND x.round = n.round"),
        ("named", "n.kind = 'WIN' AND x.source = n.source AND x.reference = n.original AND x.kind = 'BET'"),
    )
)


def read_wallets(
    session: Session,
    book: Book,
    players: Collection[str],
    providers: Collection[str] = (),
    games: Collection[tuple[str, str]] = (),
    sessions: Collection[str] = (),
) -> None:
    """Read every wallet of the named players: locks and exclusion in the same snapshot.

    In the same journey the named providers, the games ``(provider, game)`` that have a row, and
    the named sessions of games.
    """
    answer = session.put(_READ_WALLETS, [array(players)])
    named = session.put(_READ_SESSIONS, [array(sessions)]) if sessions else None
    if providers:
        _read_providers(session, book, [*((provider, "") for provider in providers), *games])
    if named is not None:
        book.sessions = {session.id: session for session in (OpenSession(*record) for record in named.rows())}
    for record in answer.rows():
        (book.is_planned,) = record[_OF_PLANNING]
        player = OpenPlayer(*record[_OF_PLAYER])
        player = book.players.setdefault(player.code, player)
        columns = record[_OF_WALLET]
        if columns == _NO_WALLET:
            continue
        currency = OpenCurrency(*record[_OF_CURRENCY])
        fields: tuple[Any, ...] = (*columns, player, currency, 0, [])
        wallet = OpenWallet(*fields)
        wallet.seen = wallet.version
        # NULL until the wallet has a row.
        wallet.newest_at = wallet.newest_at or 0
        if wallet.undone_earlier is not None:
            # Read as JSON.
            wallet.undone_earlier = msgspec.convert(wallet.undone_earlier, UndoneEarlier)
        amounts = record[_OF_LIMITS]
        if amounts != _UNLIMITED:
            chosen = {name: amount for name, amount in zip(LIMIT_NAMES, amounts, strict=True) if amount is not None}
            wallet.limits = OpenLimits(chosen, wallet.totals, wallet.newest_at)
        book.wallets.setdefault(player.code, {})[currency.code] = wallet
        book.wallets_by_id[wallet.id] = wallet


def _read_providers(session: Session, book: Book, named: Collection[tuple[str, str]]) -> None:
    columns = [array(column) for column in zip(*named, strict=True)]
    for record in session.rows(_READ_PROVIDERS, columns):
        provider = OpenProvider(*record[_OF_PROVIDER])
        book.providers.setdefault(provider.code, provider)
        game = OpenGame(provider.code, *record[_OF_GAME])
        # None where no game was named, or none of that name has a row.
        if game.code is not None:
            book.games[provider.code, game.code] = game


# Whoever waits behind another waiter is not told for which row; but the first in line holds a lock that all can see.
_QUEUES: Final = """
SELECT '(' || page || ',' || tuple || ')' FROM pg_locks
WHERE locktype = 'tuple' AND granted AND relation = %s::regclass
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_place = re.compile(r"\([0-9]+,[0-9]+\)")


def locked_players(session: Session, fault: LockNotAvailable, table: str) -> set[str]:
    """The players with a row of ``table`` that others keep locked; nobody where PostgreSQL does not say.

    PostgreSQL names the row, by its place, in the fault's context, in whatever language it speaks.
    """
    places = {place for (place,) in session.rows(_QUEUES, [table])}
    context = fault.diag.context or ""
    if table in context:
        places.update(_place.findall(context))
    if not places:
        return set()
    owners = f"SELECT p.code FROM {table} x JOIN wallet_player p ON p.id = x.player_id WHERE x.ctid = ANY(%s::tid[])"
    return {code for (code,) in session.rows(owners, [array(places)])}


def read_rows(
    session: Session,
    book: Book,
    keys: Collection[Key],
    rounds: Collection[tuple[int, str]] = (),
) -> None:
    """Read the rows spent under ``keys``, what closed them, their companions and their rounds.

    Also the wins that name one of them as their bet, of whatever round and wallet of the player, and
    what closed those, and the bet that one of them names.

    Must come after ``read_wallets``: a twin that committed before the wallet was read is then
    seen here, and one that commits later makes the wallet stale (DESIGN.md §6).
    """
    asked = tuple(zip(*rounds, strict=True)) if rounds else ((), ())
    values = [*_columns(keys), array(map(str, asked[0]), quoted=False), array(asked[1])]
    rows = [Row(*record) for record in session.rows(_READ_ROWS, values)]
    if found := {row.key for row in rows}.intersection(keys):
        rows += [Row(*record) for record in session.rows(_READ_RELATED, _columns(found))]
    book.know(rows)


def _columns(keys: Collection[Key]) -> list[str]:
    return [array(column) for column in zip(*keys, strict=True)] if keys else ["{}"] * 3


# --- writing ---------------------------------------------------------------------------------


class Unplanned(OperationalError):
    """A posting read its wallets without the settings of ``PLANNING``: nothing was written."""


# The sub-select fixes the order in which rows are locked, ascending by id, so that two processes
# cannot deadlock; ``PLANNING`` turns hash and merge joins off to keep that order.
# A wallet that is only relied on is written as it was: a mere look at its version would let two
# commands that rely on each other's wallets both pass.
_STANDING: Final = ("cash", "bonus", "held", "version", "staked_total", "paid_total", "deposited_total")
CHANGED: Final = ("id", "seen", "newest_at", *_STANDING)
_numbers_of: Final = attrgetter(*CHANGED)

CHANGE_TYPE: Final = "wallet_change"
UPDATE_WALLETS = f"""
UPDATE wallet_wallet w
SET {", ".join(f"{name} = n.{name}" for name in _STANDING)},
    digest = decode(n.digest, 'hex'),
    newest_at = CASE WHEN n.version > n.seen THEN {timestamp("n.newest_at")} ELSE w.newest_at END,
    undone_earlier = n.undone_earlier::jsonb
FROM (SELECT * FROM unnest(%s::{CHANGE_TYPE}[]) u ORDER BY u.id) n
WHERE w.id = n.id AND w.version = n.seen
RETURNING w.id
"""

# A player on whom something was decided is held until the COMMIT, so that whoever changes that player comes after it.
_HOLD_PLAYERS: Final = """
UPDATE wallet_player p SET verification = n.verification
FROM (
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS h(id, verification, country) ORDER BY h.id
) n
WHERE p.id = n.id AND p.verification = n.verification AND p.country IS NOT DISTINCT FROM n.country
RETURNING p.id
"""

# All rows are one parameter: an array for each column costs PostgreSQL half as much again (docs/decisions/0040).
# The type is made by a migration; that of another digest version has another name.
ROW_TYPE: Final = "wallet_ledger_row_2"
_INSERT_ROWS = f"""
INSERT INTO wallet_transaction ({", ".join(name for name, _ in COLUMNS)}, digest)
SELECT {
    ", ".join(timestamp("n.created_at") if name == "created_at" else f"n.{name}" for name, _ in COLUMNS)
}, decode(n.digest, 'hex')
FROM unnest(%s::{ROW_TYPE}[]) n
"""
# What means something inside a composite value, or inside the array around it.
_special = re.compile(r'[,()"\\]').search


def _element(values: str) -> str:
    """An element of an array: a row whose values are joined by commas, each quoted where it must be."""
    return f'"({values})"'


def _array_of(elements: Iterable[str]) -> str:
    return "{" + ",".join(elements) + "}"


def _quoted(text: str) -> str:
    """A value inside a row inside an array; an empty one stands for NULL."""
    if not _special(text):
        return text
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return ('"' + inside + '"').replace("\\", "\\\\").replace('"', '\\"')


_as_json: Final = msgspec.json.Encoder().encode


class Line(NamedTuple):
    """A row as it is digested, and as it is written."""

    text: str
    values: str


def lines(rows: Collection[Row]) -> Iterable[Line]:
    """The rows as text, all in one go where no text holds what JSON or PostgreSQL would read as something else."""
    listed = _as_json(rows).decode()
    commas, ends = len(rows) * len(COLUMNS) - 1, len(rows) + 1
    if "\\" in listed or ")" in listed or listed.count(",") != commas or listed.count("]") != ends:
        texts = map(canonical, rows)
        return [Line(text, ",".join(map(_quoted, text.split("\n")))) for text in texts]
    values = listed[2:-2].replace(",null", ",").replace('"', "")
    return map(Line, values.replace(",", "\n").split("]\n["), values.split("],["))


def canonical(row: Row) -> str:
    """The row's columns as text, in order and joined by LF; what is digested is exactly what is written."""
    return "\n".join(map(_text, msgspec.structs.astuple(row)))


def _text(value: str | int | bool | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def first_digest(wallet: int) -> bytes:
    """What the chain of a wallet hangs on before its version 1."""
    return hashlib.sha256(str(wallet).encode()).digest()


def chain(previous: bytes, text: str) -> bytes:
    """SHA-256 of the previous row's digest, with this row's canonical text behind it."""
    return hashlib.sha256(previous + text.encode()).digest()


def write(session: Session, book: Book) -> set[int]:
    """Write what was added to the book; returns the ids of stale wallets, left untouched.

    A stale wallet is one whose version moved since it was read: somebody was first, and its
    commands must be decided again. That holds for a wallet whose balances are only shown as well:
    a refusal that leaves no row must not rest on balances older than the rows and bonuses that
    were read after them. Raises ``psycopg.errors.UniqueViolation`` when a reference was spent by a
    command on another wallet meanwhile, ``SerializationFailure`` when a player that was relied on has changed, and
    ``Unplanned``.
    """
    if book.players_relied_on:
        _hold(session, book.players_relied_on)
    known = sorted(book.wallets_by_id.values(), key=lambda wallet: wallet.id)
    touched = [wallet for wallet in known if wallet.rows or wallet.relied_on]
    shown = [wallet for wallet in known if wallet.balances_shown and not (wallet.rows or wallet.relied_on)]
    digested = _digested(touched)
    if touched and not book.is_planned:
        raise Unplanned(
            "The planner's settings are not in force, so wallets would be locked in any order."
            " Is a pooler between us and PostgreSQL, and DATABASE_PGBOUNCER off?"
        )
    matched = _update_wallets(session, touched)
    written = [_element(f"{line.values},{digest}") for row, line, digest in digested if row.wallet in matched]
    if written:
        session.put(_INSERT_ROWS, [_array_of(written)])
    matched |= _unmoved(session, shown) if shown else set()
    return {wallet.id for wallet in (*touched, *shown) if wallet.id not in matched}


def _hold(session: Session, players: Mapping[int, OpenPlayer]) -> None:
    """Keep the players as they were read until the COMMIT; wallets are locked after them, never before."""
    ids = array(map(str, players), quoted=False)
    verifications = array([player.verification for player in players.values()])
    countries = array([player.country or "" for player in players.values()])
    if len(session.rows(_HOLD_PLAYERS, [ids, verifications, countries])) < len(players):
        raise SerializationFailure("a player has changed meanwhile")


def _digested(wallets: Iterable[OpenWallet]) -> list[tuple[Row, Line, str]]:
    """The new rows as text, each with its digest in hex; leaves the newest digests behind."""
    rows = [(wallet, row) for wallet in wallets for row in wallet.rows]
    digested = []
    for (wallet, row), line in zip(rows, lines([row for _, row in rows]), strict=True):
        wallet.digest = chain(wallet.digest or first_digest(wallet.id), line.text)
        digested.append((row, line, wallet.digest.hex()))
    return digested


_COPY_ROWS: Final = f"COPY wallet_transaction ({', '.join(name for name, _ in COLUMNS)}, digest) FROM STDIN"
_CREATED_AT: Final = [name for name, _ in COLUMNS].index("created_at")


def copy(connection: Connection[Any], wallets: Iterable[OpenWallet]) -> None:
    """Write the new rows of so many wallets at once that COPY is worth it; raises ``SerializationFailure``.

    Texts of these rows may hold nothing that COPY would read as something else: a caller that makes them up sees to it.
    """
    touched = [wallet for wallet in wallets if wallet.rows]
    digested = _digested(touched)
    if len(_update_wallets(session_of(connection), touched)) < len(touched):
        raise SerializationFailure("a wallet has moved meanwhile")
    # In the order of time, as rows come: what is read by time lies together.
    digested.sort(key=lambda each: each[0].created_at)
    with connection.cursor() as cursor, cursor.copy(_COPY_ROWS) as stream:
        stream.write("".join(_copied(row, line.text, digest) for row, line, digest in digested))


def _copied(row: Row, text: str, digest: str) -> str:
    """A row as COPY reads it."""
    values = text.split("\n")
    values[_CREATED_AT] = to_text(to_datetime(row.created_at))
    return "\t".join([value or r"\N" for value in values]) + f"\t\\\\x{digest}\n"


def _update_wallets(session: Session, wallets: list[OpenWallet]) -> set[int]:
    if not wallets:
        return set()
    numbers = _as_json(list(map(_numbers_of, wallets))).decode()[2:-2].split("],[")
    changes = [_element(f"{these},{_rest(wallet)}") for these, wallet in zip(numbers, wallets, strict=True)]
    return {id for (id,) in session.rows(UPDATE_WALLETS, [_array_of(changes)])}


def _rest(wallet: OpenWallet) -> str:
    """What of a change is no number."""
    digest = wallet.digest.hex() if wallet.digest else ""
    undone = "" if wallet.undone_earlier is None else _quoted(_as_json(wallet.undone_earlier).decode())
    return f"{digest},{undone}"


def _unmoved(session: Session, wallets: list[OpenWallet]) -> set[int]:
    numbers = [array(map(str, column), quoted=False) for column in zip(*((w.id, w.seen) for w in wallets), strict=True)]
    return {id for (id,) in session.rows(_READ_UNMOVED, numbers)}
