"""The whole ledger in one file that proves itself, for when its database is to go (docs/scaling.md, "Closing a cell").

One JSON value a line, in UTF-8: an object that says what the columns are; then of every wallet, in the order of their
ids, an object that says where it stands, and each of its rows, in the order of their versions, as a string: the very
text that its digest was made of. Row digests are left out, for they follow: SHA-256 of the digest before and the text,
from the wallet's id to the digest with which the wallet stands. The last line is an object with the counts and the
seal, which is that of ``manage.py reconcile --seal``. Whoever reads it needs neither us nor PostgreSQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

import msgspec

from wallet.ledger import COLUMNS, chain, first_digest
from wallet.reconcile.checks import CANONICAL
from wallet.reports.sums import Connected, every, stream
from wallet.time import selected

FORMAT: Final = "casino-pam ledger 1"
_NAMES: Final = tuple(name for name, _ in COLUMNS)
# Where each column stands in a row's text.
_PLACES: Final = {name: _NAMES.index(name) for name in _NAMES}


class Broken(Exception):
    """A file that does not prove itself; the message says where."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a file, or the ledger, comes to; ``seal`` as ``ledger_wide.seal`` has it."""

    wallets: int
    rows: int
    seal: str


class ArchivedWallet(msgspec.Struct, frozen=True):
    """Where a wallet stands: balances in minor units, its newest digest in hex, none before its first row."""

    wallet: int
    player: str
    currency: str
    digits: int
    cash: int
    bonus: int
    held: int
    version: int
    digest: str | None


class _Head(msgspec.Struct, frozen=True):
    format: str
    taken_at: int
    columns: tuple[str, ...]


class _Line(msgspec.Struct):
    wallet: int
    text: str


_WALLETS: Final = """
SELECT w.id AS wallet, p.code AS player, w.currency_id AS currency, c.digits, w.cash, w.bonus, w.held, w.version,
    encode(w.digest, 'hex') AS digest
FROM wallet_wallet w JOIN wallet_player p ON p.id = w.player_id JOIN wallet_currency c ON c.code = w.currency_id
ORDER BY w.id
"""
_ROWS: Final = f"SELECT wallet_id AS wallet, {CANONICAL} AS text FROM wallet_transaction ORDER BY wallet_id, version"


def lines(own: Connected) -> Iterator[bytes]:
    """The file's lines, of the snapshot that the connection reads."""
    encode = msgspec.json.Encoder().encode
    ((taken_at,),) = own.execute(f"SELECT {selected('transaction_timestamp()')}").fetchall()
    yield encode(_Head(FORMAT, taken_at, _NAMES))
    rows = groupby(stream(own, _ROWS, {}, _Line), attrgetter("wallet"))
    upcoming = next(rows, None)
    seal, wallets, written = hashlib.sha256(), 0, 0
    for wallet in every(own, _WALLETS, {}, ArchivedWallet):
        yield encode(wallet)
        wallets += 1
        seal.update(bytes.fromhex(wallet.digest or ""))
        if upcoming is not None and upcoming[0] == wallet.wallet:
            for row in upcoming[1]:
                yield encode(row.text)
                written += 1
            upcoming = next(rows, None)
    yield encode(Summary(wallets=wallets, rows=written, seal=seal.hexdigest()))


def verified(found: Iterable[bytes]) -> Summary:
    """Read a file's lines, chain every row anew and add up every wallet. Raises Broken."""
    numbered = enumerate(map(_decoded, found), 1)
    _head(next(numbered, (1, None)))
    seal, wallets, rows = hashlib.sha256(), 0, 0
    wallet: _Reading | None = None
    for number, value in numbered:
        if isinstance(value, str):
            if wallet is None:
                raise Broken(f"line {number}: a row of no wallet")
            wallet.add(number, value)
            rows += 1
            continue
        if wallet is not None:
            seal.update(wallet.finished(number))
        if isinstance(value, dict) and "seal" in value:
            summary = Summary(wallets=wallets, rows=rows, seal=seal.hexdigest())
            if value != msgspec.to_builtins(summary):
                raise Broken(f"line {number}: it comes to {summary}")
            if next(numbered, None) is not None:
                raise Broken(f"line {number + 1}: nothing may follow")
            return summary
        following = _Reading(_wallet(number, value))
        if wallet is not None and following.stands.wallet <= wallet.stands.wallet:
            raise Broken(f"line {number}: wallets are not in order")
        wallet = following
        wallets += 1
    raise Broken("its end is missing")


class _Reading:
    """A wallet while its rows are read."""

    def __init__(self, stands: ArchivedWallet) -> None:
        self.stands = stands
        self.version = 0
        self.digest = first_digest(stands.wallet)
        self.balances = [0, 0, 0]

    def add(self, number: int, text: str) -> None:
        """Chain a row. Raises Broken where it does not follow on the one before."""
        values = text.split("\n")
        self.version += 1
        if len(values) > len(_NAMES) or len(values) <= _PLACES["created_at"]:
            raise Broken(f"line {number}: {len(values)} columns")
        if values[_PLACES["wallet_id"]] != str(self.stands.wallet) or values[_PLACES["version"]] != str(self.version):
            raise Broken(f"line {number}: is not version {self.version} of wallet {self.stands.wallet}")
        for place, name in enumerate(("cash", "bonus", "held")):
            self.balances[place] += int(values[_PLACES[f"{name}_delta"]])
            if values[_PLACES[f"{name}_after"]] != str(self.balances[place]):
                raise Broken(f"line {number}: {name} comes to {self.balances[place]}")
        self.digest = chain(self.digest, text)

    def finished(self, number: int) -> bytes:
        """The newest digest; raises Broken where it, or anything else, is not how the wallet stands."""
        stands = self.stands
        if self.version == 0 and stands.digest is None and not (stands.cash or stands.bonus or stands.held):
            return b""
        if self.version != stands.version or self.balances != [stands.cash, stands.bonus, stands.held]:
            raise Broken(f"before line {number}: rows and balances of wallet {stands.wallet} disagree")
        if self.digest.hex() != stands.digest:
            raise Broken(f"before line {number}: a row of wallet {stands.wallet} was changed: the digest is another")
        return self.digest


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise Broken(f"{line[:60]!r} is no JSON: {error}") from None


def _head(numbered: tuple[int, Any]) -> None:
    number, value = numbered
    if not isinstance(value, dict) or value.get("format") != FORMAT or value.get("columns") != list(_NAMES):
        raise Broken(f"line {number}: this is no {FORMAT}")


def _wallet(number: int, value: Any) -> ArchivedWallet:
    try:
        return msgspec.convert(value, ArchivedWallet)
    except msgspec.ValidationError as error:
        raise Broken(f"line {number}: {error}") from None
