"""What concerns the house as a whole: references spent once, the trial balance, the seal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from wallet.kinds import Kind
from wallet.reconcile.checks import Cursored, Discrepancy


class Key(NamedTuple):
    """Columns that no two rows share (``among`` those rows), and the unique index that sees to it."""

    invariant: int
    name: str
    columns: tuple[str, ...]
    among: str


VERSION_KEY: Final = Key(2, "ledger_version", ("wallet_id", "version"), "true")
KEYS: Final = (
    VERSION_KEY,
    Key(4, "ledger_reference", ("source", "reference", "kind"), "true"),
    Key(4, "ledger_shared_reference", ("source", "reference"), "kind IN ('BET', 'WIN') AND shares_reference"),
    Key(4, "ledger_closes", ("closes",), "closes IS NOT NULL AND status = 'POSTED'"),
)

_IN_FORCE: Final = """
SELECT i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate
   AND (i.indpred IS NOT NULL) = %(partial)s
   AND ARRAY(
       SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k(number, place)
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place
   ) = %(columns)s
FROM pg_index i
WHERE i.indrelid = 'wallet_transaction'::regclass AND i.indexrelid = to_regclass(%(index)s)
"""


def in_force(cursor: Cursored, key: Key) -> bool:
    """Whether the key's unique index is there, complete, and of these very columns."""
    values = {"index": key.name, "columns": list(key.columns), "partial": key.among != "true"}
    return any(is_whole for (is_whole,) in cursor.execute(_IN_FORCE, values))


# The operator's account on the other side of each kind (DESIGN.md §5). HOLD, RELEASE and END_ROUND
# have none: what they move must come to nothing.
ACCOUNTS: Final = {
    Kind.DEPOSIT: "cashier",
    Kind.SETTLE: "cashier",
    Kind.BET: "house",
    Kind.WIN: "house",
    Kind.ROLLBACK: "house",
    Kind.GRANT: "promo",
    Kind.CONVERT: "promo",
    Kind.FORFEIT: "promo",
    Kind.EXPIRE: "promo",
    Kind.ADJUST: "adjustments",
}

_PLAYERS: Final = "SELECT currency_id, sum(cash::numeric + bonus + held) FROM wallet_wallet GROUP BY currency_id"
_MOVED: Final = """
SELECT w.currency_id, t.kind, sum(t.cash_delta + t.bonus_delta + t.held_delta)
FROM wallet_transaction t JOIN wallet_wallet w ON w.id = t.wallet_id GROUP BY w.currency_id, t.kind
"""


def trial_balance(cursor: Cursored) -> dict[str, dict[str, int]]:
    """Every account of each currency in minor units; those of one currency come to zero."""
    balances = {
        currency: {"players": int(total)} | dict.fromkeys(ACCOUNTS.values(), 0)
        for currency, total in cursor.execute(_PLAYERS).fetchall()
    }
    for currency, kind, moved in cursor.execute(_MOVED).fetchall():
        if kind in ACCOUNTS:
            balances[currency][ACCOUNTS[kind]] -= int(moved)
    return balances


def balanced(cursor: Cursored) -> Iterator[Discrepancy]:
    """Whether what the players have is what the operator's accounts say they were given."""
    for currency, accounts in sorted(trial_balance(cursor).items()):
        if sum(accounts.values()) != 0:
            told = ", ".join(f"{account} {amount}" for account, amount in accounts.items())
            yield Discrepancy(1, None, None, f"{currency} comes to {sum(accounts.values())}, not 0: {told}")


def spent_once(cursor: Cursored) -> Iterator[Discrepancy]:
    """Versions and references spent twice, and rows closed twice.

    A unique index in force is the proof that there are none; where one is missing, all rows are
    compared.
    """
    for key in KEYS:
        if not in_force(cursor, key):
            yield from _spent_again(cursor, key)


def _spent_again(cursor: Cursored, key: Key) -> Iterator[Discrepancy]:
    columns = ", ".join(key.columns)
    found = cursor.execute(f"""
        SELECT wallet_id, version, times, concat_ws(' ', {columns})
        FROM (
            SELECT {columns}, count(*) AS times FROM wallet_transaction WHERE {key.among}
            GROUP BY {columns} HAVING count(*) > 1
        ) again JOIN wallet_transaction USING ({columns})
        WHERE {key.among} ORDER BY {columns}, wallet_id, version
    """)
    for wallet, version, times, name in found:
        yield Discrepancy(key.invariant, wallet, version, f"{' '.join(key.columns)} {name!r} stands in {times} rows")


_SEAL: Final = """
SELECT encode(sha256(coalesce(string_agg(digest, ''::bytea ORDER BY id), ''::bytea)), 'hex')
FROM wallet_wallet WHERE digest IS NOT NULL
"""


def seal(cursor: Cursored) -> str:
    """SHA-256 in hex over the newest digests (32 bytes each) of all wallets in the order of their ids.

    Kept elsewhere, it shows whether the books were rewritten, even by whoever owns the database.
    """
    ((digest,),) = cursor.execute(_SEAL).fetchall()
    return str(digest)
