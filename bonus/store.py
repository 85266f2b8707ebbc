"""Reads bonuses into the open book of a posting, and writes what became of them.

One statement reads the live bonuses of the posting's wallets and those that its rows name; the
others run only when something in the posting asks for them. The live ones are asked for right after
the wallets, the others once the rows are known; writing comes after ``wallet.ledger.write``: a bonus of
a stale wallet is not written, and one whose own version moved sends the whole posting back.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from django.conf import settings

from bonus import lifecycle
from bonus.models import LIVE, BonusStatus, Offer
from bonus.open_bonuses import Bonuses, BonusNeeds, OpenBonus, OpenOffer
from bonus.terms import Terms, decode, encode
from wallet.kinds import Kind, Status
from wallet.ledger import array
from wallet.pg.session import Answer, Session
from wallet.state import Book
from wallet.time import HOUR, now, selected, timestamp

_TIMES: Final = frozenset(("created_at", "claim_by", "activated_at", "expires_at", "unverified_since", "ended_at"))


class _Column(NamedTuple):
    """A field of OpenBonus, and the column that it is read from and written to."""

    field: str
    name: str
    sql_type: str


def _column(field: msgspec.structs.FieldInfo) -> _Column:
    name = f"{field.name}_id" if field.name in ("offer", "player", "wallet") else field.name
    sql_type = "bigint" if field.type in (int, int | None) else "text"
    return _Column(field.name, name, {"id": "uuid", "ordinal": "integer"}.get(name, sql_type))


_COLUMNS: Final = tuple(_column(field) for field in msgspec.structs.fields(OpenBonus) if field.name != "seen")


# --- reading -----------------------------------------------------------------------------------


def _selected(name: str) -> str:
    if name in _TIMES:
        return selected(f"b.{name}")
    return f"b.{name}::text" if name == "id" else f"b.{name}"


_SELECT: Final = "SELECT " + ", ".join(_selected(name) for _, name, _ in _COLUMNS)
_LIVE: Final = ", ".join(f"'{status}'" for status in LIVE)

# As in wallet/ledger.py: look-ups by index, whatever the planner believes.
_READ_LIVE = f"""
{_SELECT} FROM unnest(%s::bigint[]) AS n(wallet)
CROSS JOIN LATERAL (
    SELECT * FROM bonus_bonus x WHERE x.wallet_id = n.wallet AND x.status IN ({_LIVE}) OFFSET 0
) b
"""

_READ_NAMED = f"""
{_SELECT} FROM unnest(%s::uuid[]) AS n(id)
CROSS JOIN LATERAL (SELECT * FROM bonus_bonus x WHERE x.id = n.id OFFSET 0) b
"""

_READ_SPENT = f"""
{_SELECT} FROM unnest(%s::text[], %s::text[]) AS n(source, reference)
CROSS JOIN LATERAL (
    SELECT * FROM bonus_bonus x WHERE x.source = n.source AND x.reference = n.reference OFFSET 0
) b
"""

_READ_ORDINALS = """
SELECT b.offer_id, b.player_id, b.ordinal, b.id::text
FROM unnest(%s::bigint[]) AS o(id) CROSS JOIN unnest(%s::bigint[]) AS p(id)
CROSS JOIN LATERAL (
    SELECT * FROM bonus_bonus x WHERE x.offer_id = o.id AND x.player_id = p.id OFFSET 0
) b
"""

_COUNT_DEPOSITS = f"""
SELECT n.wallet, d.made FROM unnest(%s::bigint[]) AS n(wallet)
CROSS JOIN LATERAL (
    SELECT count(*) AS made FROM wallet_transaction x
    WHERE x.wallet_id = n.wallet AND x.kind = '{Kind.DEPOSIT}' AND x.status = '{Status.POSTED}' OFFSET 0
) d
"""

# The newest stake of each bonus that is not settled (bonus.lifecycle says what settles one), those
# apart that the book knows, and not older than a moment. The index on (bonus, created_at) is read
# from its young end, and no further than that moment; OFFSET 0 keeps what settles a stake a look-up for
# each, where a join would read the whole of an index that was empty when the statement was prepared.
_CLOSER = f"SELECT FROM wallet_transaction u WHERE u.closes = r.id AND u.status = '{Status.POSTED}' OFFSET 0"

_READ_OPEN_STAKES = f"""
SELECT n.bonus::text, s.posted_at
FROM unnest(%s::uuid[]) AS n(bonus)
CROSS JOIN LATERAL (
    SELECT {selected("x.created_at")} AS posted_at
    FROM wallet_transaction x
    LEFT JOIN LATERAL (SELECT * FROM wallet_provider WHERE code = x.source AND ends_rounds OFFSET 0) p ON true
    WHERE x.bonus = n.bonus AND x.created_at > {timestamp("%s")}
        AND x.kind = '{Kind.BET}' AND x.bonus_delta < 0 AND NOT x.id = ANY (%s::uuid[])
        AND NOT EXISTS (
            SELECT FROM wallet_transaction r
            WHERE r.closes = x.id AND r.closes IS NOT NULL AND r.status = '{Status.POSTED}' OFFSET 0
        )
        AND NOT EXISTS (
            SELECT FROM wallet_transaction r
            WHERE r.wallet_id = x.wallet_id AND r.round = x.round AND r.source = x.source
                AND r.status = '{Status.POSTED}'
                AND (r.ends_round OR p.id IS NULL AND r.kind = '{Kind.WIN}' AND r.version > x.version)
                AND NOT EXISTS ({_CLOSER})
            OFFSET 0
        )
        AND NOT EXISTS (
            SELECT FROM wallet_transaction r
            WHERE p.id IS NULL AND r.wallet_id = x.wallet_id AND r.original = x.reference
                AND r.kind = '{Kind.WIN}' AND r.source = x.source
                AND r.status = '{Status.POSTED}' AND r.version > x.version
                AND NOT EXISTS ({_CLOSER})
            OFFSET 0
        )
    ORDER BY x.created_at DESC LIMIT 1
) s
"""


def ask(session: Session, book: Book) -> Answer:
    """Ask for the live bonuses of the wallets that were read."""
    return session.put(_READ_LIVE, [array(map(str, book.wallets_by_id), quoted=False)])


def read(session: Session, book: Book, live: Answer, needs: BonusNeeds | None = None) -> Bonuses:
    """Read what the posting may decide on: what was asked, and the bonuses that its rows name.

    A bonus that changed since its wallet was read has a newer version, or its wallet has
    (DESIGN.md §6): what is decided on the old one is not written.
    """
    needs = needs or BonusNeeds(at=now())
    bonuses = Bonuses(needs.at, settings.UNSETTLED_STAKE_HOURS * HOUR)
    _know(bonuses, live.rows())
    named = {row.bonus for row in book.rows.values() if row.bonus is not None} | needs.ids
    named.difference_update(bonuses.by_id)
    if named:
        _know(bonuses, session.rows(_READ_NAMED, [array(named, quoted=False)]))
    if needs.offers or needs.every_offer:
        _read_offers(session, bonuses, needs)
    if needs.references:
        # After what an offer has left: else a twin that commits between the two would be seen to have
        # taken it, but not to have spent the reference, and its repeat would be refused.
        names = [array(column) for column in zip(*needs.references, strict=True)]
        _know(bonuses, session.rows(_READ_SPENT, names))
    if needs.deposits:
        _count_deposits(session, bonuses, needs)
    if needs.settling:
        _read_open_stakes(session, book, bonuses, needs)
    return bonuses


# Terms may name a thousand games: long ones are few and are kept few, so that together they stay below some megabytes.
_SHORT: Final = 4_096
_short_terms = lru_cache(maxsize=1_024)(decode)
_long_terms = lru_cache(maxsize=32)(decode)


def _terms(text: Any) -> Terms:
    return _short_terms(text) if len(text) <= _SHORT else _long_terms(text)


def _opened(record: tuple[Any, ...]) -> OpenBonus:
    """A bonus as ``SELECT`` has read it."""
    bonus = OpenBonus(*record)
    bonus.terms = _terms(bonus.terms)  # read as JSON
    bonus.seen = bonus.version
    return bonus


def _know(bonuses: Bonuses, records: Iterable[tuple[Any, ...]]) -> None:
    for bonus in map(_opened, records):
        if bonus.id not in bonuses.by_id:
            bonuses.know(bonus)


def _read_offers(session: Session, bonuses: Bonuses, needs: BonusNeeds) -> None:
    offers = Offer.objects.filter(enabled=True) if needs.every_offer else Offer.objects.filter(code__in=needs.offers)
    for offer in offers:
        bonuses.offers[offer.code] = OpenOffer(offer.pk, offer.spec(), offer.granted)
    ids = [str(offer.id) for offer in bonuses.offers.values()]
    values = [array(ids, quoted=False), array(map(str, needs.players), quoted=False)]
    for offer_id, player, ordinal, bonus in session.rows(_READ_ORDINALS, values):
        bonuses.granted_to(offer_id, player)[ordinal] = bonus


def _count_deposits(session: Session, bonuses: Bonuses, needs: BonusNeeds) -> None:
    """Only where an offer is named or a claim waits can it matter which deposit this is."""
    asked = [wallet for wallet in needs.deposits if bonuses.offers or bonuses.oldest(wallet, BonusStatus.PENDING)]
    if not asked:
        return
    values = [array(map(str, asked), quoted=False)]
    bonuses.deposits.update(session.rows(_COUNT_DEPOSITS, values))


def _read_open_stakes(session: Session, book: Book, bonuses: Bonuses, needs: BonusNeeds) -> None:
    """Look up stakes of those bonuses alone that this posting may leave without money."""
    asked = []
    for wallet, spending in needs.settling.items():
        active = bonuses.active(wallet)
        if active is not None and lifecycle.too_little(book.wallets_by_id[wallet].bonus - spending, active):
            asked.append(active.id)
    if not asked:
        return
    known = [stake.id for bonus in asked for stake in lifecycle.stakes_of(book, bonus)]
    values = [array(asked, quoted=False), str(needs.at - bonuses.stake_life), array(known, quoted=False)]
    found: dict[str, int | None] = dict(session.rows(_READ_OPEN_STAKES, values))
    bonuses.open_elsewhere.update((bonus, found.get(bonus)) for bonus in asked)


# --- writing -----------------------------------------------------------------------------------


def _set(name: str) -> str:
    return timestamp(f"n.{name}") if name in _TIMES else f"n.{name}"


_FROZEN: Final = frozenset(
    ["offer_id", "player_id", "wallet_id", "source", "reference", "ordinal", "terms", "created_at", "actor", "reason"]
)
_KEPT: Final = tuple(column for column in _COLUMNS if column.name not in _FROZEN)
_SEEN: Final = _Column("seen", "seen", "bigint")


def _unnested(*columns: _Column) -> str:
    types = ", ".join(f"%s::{column.sql_type}[]" for column in columns)
    return f"unnest({types}) AS u({', '.join(column.name for column in columns)})"


def _all_or_nothing(update: str) -> str:
    """The update as a statement that fails like a lost race unless it writes as many rows as its last value says.

    So nobody has to look at what it wrote before the COMMIT, and both travel together.
    """
    return f"""
WITH written AS ({update} RETURNING 1)
SELECT CASE WHEN count(*) = %s::bigint THEN 0 ELSE bonus_overtaken() END FROM written
"""


# Locked in one order, as wallets are (wallet/ledger.py).
_UPDATE = _all_or_nothing(f"""
UPDATE bonus_bonus b SET {", ".join(f"{name} = {_set(name)}" for _, name, _ in _KEPT if name != "id")}
FROM (SELECT * FROM {_unnested(*_KEPT, _SEEN)} ORDER BY u.id) n
WHERE b.id = n.id AND b.version = n.seen
""")

# What nearly every bet changes of its bonus, and nothing else.
_PROGRESS: Final = tuple(column for column in _COLUMNS if column.name in ("id", "wagered", "version"))

_UPDATE_PROGRESS = _all_or_nothing(f"""
UPDATE bonus_bonus b SET wagered = n.wagered, version = n.version
FROM (SELECT * FROM {_unnested(*_PROGRESS, _SEEN)} ORDER BY u.id) n
WHERE b.id = n.id AND b.version = n.seen
""")

_INSERT = f"""
INSERT INTO bonus_bonus ({", ".join(name for _, name, _ in _COLUMNS)})
SELECT {", ".join(_set(name) for _, name, _ in _COLUMNS)} FROM {_unnested(*_COLUMNS).replace(" AS u(", " AS n(")}
"""

# What guards an offer's total: nobody's reading, but the row itself.
_COUNT_GRANTS = _all_or_nothing("""
UPDATE bonus_offer o SET granted = o.granted + n.made
FROM (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS u(id, made) ORDER BY u.id) n
WHERE o.id = n.id AND (o.total IS NULL OR o.granted + n.made <= o.total)
""")


def write(session: Session, bonuses: Bonuses, stale: set[int]) -> None:
    """Write the bonuses that were made or changed; those of stale wallets count as neither.

    It is sent with what comes next, the COMMIT at the latest. When one of them, or the rest of an
    offer, is not as it was read, that raises SerializationFailure.
    """
    bonuses.journal = [entry for entry in bonuses.journal if entry[0].wallet not in stale]
    if not bonuses.journal:
        return
    changed = bonuses.changed()
    made = [bonus for bonus in changed if bonus.seen is None]
    kept = [bonus for bonus in changed if bonus.seen is not None]
    progressed = _progressed(bonuses)
    _update(session, _UPDATE_PROGRESS, _PROGRESS, [bonus for bonus in kept if bonus.id in progressed])
    more = [bonus for bonus in kept if bonus.id not in progressed]
    # What frees a wallet's slot is a statement before what takes it: within one, the planner would choose.
    _update(session, _UPDATE, _KEPT, [bonus for bonus in more if bonus.status != BonusStatus.ACTIVE])
    _update(session, _UPDATE, _KEPT, [bonus for bonus in more if bonus.status == BonusStatus.ACTIVE])
    if made:
        _count_grants(session, made)
        session.put(_INSERT, _arrays(made, _COLUMNS))


def _progressed(bonuses: Bonuses) -> set[str]:
    """The bonuses of which nothing but the progress changed (ids)."""
    before = {bonus.id: copy for bonus, copy in reversed(bonuses.journal) if copy is not None}
    changed = ((copy, bonuses.by_id[id]) for id, copy in before.items())
    return {
        bonus.id
        for copy, bonus in changed
        if bonus == msgspec.structs.replace(copy, wagered=bonus.wagered, version=bonus.version)
    }


def _update(session: Session, statement: str, columns: Iterable[_Column], bonuses: list[OpenBonus]) -> None:
    if bonuses:
        session.put(statement, [*_arrays(bonuses, (*columns, _SEEN)), str(len(bonuses))])


def _count_grants(session: Session, made: list[OpenBonus]) -> None:
    counts: dict[int, int] = {}
    for bonus in made:
        counts[bonus.offer] = counts.get(bonus.offer, 0) + 1
    values = [array(map(str, column), quoted=False) for column in (counts.keys(), counts.values())]
    session.put(_COUNT_GRANTS, [*values, str(len(counts))])


def _arrays(bonuses: list[OpenBonus], columns: Iterable[_Column]) -> list[str]:
    return [_array(column, [getattr(bonus, column.field) for bonus in bonuses]) for column in columns]


def _array(column: _Column, values: list[Any]) -> str:
    if column.name == "terms":
        return array([encode(terms) for terms in values])
    quoted = column.sql_type == "text" and column.name != "status"
    return array(["" if value is None else str(value) for value in values], quoted=quoted)
