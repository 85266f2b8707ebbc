"""The judge of money: the ledger against the journal of the clients. Imports nothing of the product.

What it knows of the tables, of the answers and of the digest it knows from their description alone:
whatever the product believes of itself, this is what providers were told and what stands.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import psycopg

from tests.faults.journal import Entry

# The canonical form of a row: these columns in this order, as text, joined by LF; an empty text for NULL.
CANONICAL: Final = (
    "id",
    "command",
    "wallet_id",
    "version",
    "kind",
    "status",
    "source",
    "reference",
    "round",
    "game",
    "amount",
    "cash_delta",
    "bonus_delta",
    "held_delta",
    "cash_after",
    "bonus_after",
    "held_after",
    "staked_total",
    "paid_total",
    "deposited_total",
    "bonus",
    "contribution",
    "wagered_after",
    "original",
    "original_kind",
    "closes",
    "win_source",
    "ends_round",
    "late",
    "captured",
    "void_amount",
    "shortfall",
    "refusal",
    "actor",
    "reason",
    "digest_version",
)
# Behind the time, of rows of digest version 2.
ADDED: Final = ("wagering", "shares_reference")
MICROSECONDS: Final = "(extract(epoch from created_at) * 1000000)::bigint"
ROWS: Final = (
    f"SELECT {', '.join(CANONICAL)}, {MICROSECONDS}, {', '.join(ADDED)}, digest"
    " FROM wallet_transaction ORDER BY wallet_id, version"
)
WALLETS: Final = """
SELECT w.id, p.code, c.digits, w.cash, w.bonus, w.held, w.version, w.digest
FROM wallet_wallet w JOIN wallet_player p ON p.id = w.player_id JOIN wallet_currency c ON c.code = w.currency_id
"""
WAGERED: Final = """
SELECT b.id::text, b.wagered, coalesce(sum(t.contribution), 0) FROM bonus_bonus b
LEFT JOIN wallet_transaction t ON t.bonus = b.id GROUP BY b.id
HAVING b.wagered <> coalesce(sum(t.contribution), 0)
"""
TWICE: Final = (
    "SELECT source, kind, reference, count(*) FROM wallet_transaction GROUP BY 1, 2, 3 HAVING count(*) > 1",
    "SELECT closes, count(*) FROM wallet_transaction WHERE status = 'POSTED' AND closes IS NOT NULL"
    " GROUP BY 1 HAVING count(*) > 1",
)
KINDS: Final = {
    "bet": "BET",
    "win": "WIN",
    "rollback": "ROLLBACK",
    "deposit": "DEPOSIT",
    "hold": "HOLD",
    "settle": "SETTLE",
    "release": "RELEASE",
}
# Every refusal the doors document, with its status.
DOCUMENTED: Final = {
    400: {"malformed", "invalid_field"},
    401: {"unauthenticated"},
    403: {"forbidden"},
    404: {"unknown_player", "unknown_wallet", "unknown_currency", "unknown_transaction", "unknown_withdrawal"},
    409: {
        "reference_reused",
        "original_mismatch",
        "rolled_back",
        "already_rolled_back",
        "round_closed",
        "has_payout",
        "unknown_original",
        "already_settled",
        "already_released",
    },
    413: {"too_large"},
    422: {"insufficient_funds", "wallet_locked", "player_excluded", "limit_reached", "stake_above_limit"}
    | {"game_excluded", "currency_disabled", "bonus_active"},
    429: {"rate_limited"},
}


class Row(NamedTuple):
    """What has to be remembered of a row of the ledger."""

    id: str
    command: str
    wallet: int
    status: str
    amount: int
    moved: int
    held: int
    closes: str | None
    extras: int
    refusal: str | None


class Last(NamedTuple):
    """Where a command left its wallet."""

    version: int
    cash: int
    bonus: int


class Claim(NamedTuple):
    """One operation that was asked, and one answer to it."""

    kind: str
    reference: str
    player: str | None
    asked: dict[str, Any]
    status: int
    answer: dict[str, Any]


class Open(NamedTuple):
    """A request that was sent and is not answered yet."""

    due: int
    call: str
    path: str
    asked: Any


class Ledger:
    """The whole ledger, read once in order; ``violations`` is what is wrong with it by itself."""

    def __init__(self, url: str) -> None:
        self.violations: list[str] = []
        self.rows: dict[tuple[str, str], Row] = {}
        self.last: dict[str, Last] = {}
        self.closed: set[str] = set()
        self.wallets: dict[int, tuple[Any, ...]] = {}
        with psycopg.connect(url) as connection:
            self.wallets = {record[0]: record for record in connection.execute(WALLETS)}
            for query in (*TWICE, WAGERED):
                self.violations += [f"{query.split(' FROM ')[0]}: {record}" for record in connection.execute(query)]
            with connection.cursor(name="rows") as cursor:
                cursor.itersize = 5000
                self._read(cursor.execute(ROWS))

    def _read(self, records: Iterable[tuple[Any, ...]]) -> None:
        wallet, chain = 0, _Chain(0)
        seen = set()
        for record in records:
            if record[2] != wallet:
                self._ended(chain)
                wallet, chain = record[2], _Chain(record[2])
                seen.add(wallet)
            self.violations += chain.follow(record)
            self._remember(dict(zip(CANONICAL, record, strict=False)))
        self._ended(chain)
        for id, record in self.wallets.items():
            if id not in seen and record[6] != 0:
                self.violations.append(f"wallet {id} has version {record[6]} and no rows")

    def _ended(self, chain: _Chain) -> None:
        """The wallet's own row must say what its last row says."""
        if chain.wallet:
            _, _, _, cash, bonus, held, version, digest = self.wallets[chain.wallet]
            stands = (cash, bonus, held, version, bytes(digest))
            if stands != (*chain.sums, chain.version, chain.digest):
                self.violations.append(f"wallet {chain.wallet} stands at {stands[:4]}, its rows make {chain.sums}")

    def _remember(self, row: dict[str, Any]) -> None:
        moved, extras = row["cash_delta"] + row["bonus_delta"], row["void_amount"] + row["shortfall"]
        self.rows[row["kind"], row["reference"]] = Row(
            str(row["id"]),
            str(row["command"]),
            row["wallet_id"],
            row["status"],
            row["amount"],
            moved,
            row["held_delta"],
            row["closes"] and str(row["closes"]),
            extras,
            row["refusal"],
        )
        self.last[str(row["command"])] = Last(row["version"], row["cash_after"], row["bonus_after"])
        if row["closes"] and row["status"] == "POSTED":
            self.closed.add(str(row["closes"]))


class _Chain:
    """One wallet's rows, followed from version 1: no gap, sums that agree, a digest that hangs on the one before."""

    def __init__(self, wallet: int) -> None:
        self.wallet = wallet
        self.version = 0
        self.sums = [0, 0, 0]
        self.digest = hashlib.sha256(str(wallet).encode()).digest()
        self.time = 0

    def follow(self, record: tuple[Any, ...]) -> Iterator[str]:
        *columns, time, wagering, shares_reference, digest = record
        row = dict(zip(CANONICAL, columns, strict=True))
        where = f"wallet {self.wallet} version {row['version']} ({row['kind']} {row['reference']})"
        if row["version"] != self.version + 1:
            yield f"{where}: the version before it is {self.version}"
        self.version = row["version"]
        for place, name in enumerate(("cash", "bonus", "held")):
            self.sums[place] += row[f"{name}_delta"]
            if row[f"{name}_after"] != self.sums[place] or self.sums[place] < 0:
                yield f"{where}: {name}_after is {row[f'{name}_after']}, the deltas make {self.sums[place]}"
        if time < self.time:
            yield f"{where}: it is older than the row before it"
        self.time = time
        digested = (*columns, time, wagering, shares_reference) if row["digest_version"] > 1 else (*columns, time)
        self.digest = hashlib.sha256(self.digest + "\n".join(map(text, digested)).encode()).digest()
        if bytes(digest) != self.digest:
            yield f"{where}: its digest is not the one its columns make"


def text(value: Any) -> str:
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    return str(value)


# --- the answers against the ledger --------------------------------------------------------------


class Verdict:
    """Reads the journal once and says what the clients were told that is not so."""

    def __init__(self, ledger: Ledger, run: str) -> None:
        self.ledger = ledger
        self.run = run
        self.violations: list[str] = list(ledger.violations)
        self.figures: Counter[str] = Counter()
        # Of requests that are not answered yet: how many answers are due, call, path and body.
        self._open: dict[int, Open] = {}
        self._told: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._asked: set[tuple[str, str]] = set()
        self._refused: dict[tuple[str, str], str] = {}

    def hear(self, entry: Entry) -> None:
        event, id = entry["e"], entry["id"]
        if event == "sent" and "path" in entry:
            asked = entry["call"], entry["path"], entry["body"]
            self._open[id] = Open(entry["copies"], *asked)
            self._asked |= {(kind, reference) for kind, reference, _ in operations(*asked)}
        elif event == "given up":
            del self._open[id]
        elif event == "got":
            self._answered(id, entry)

    def ended(self) -> list[str]:
        """All violations, when the journal has been heard to its end."""
        self.violations += [f"request {id} ({each.call}) was never answered" for id, each in self._open.items()]
        for kind, reference in self.ledger.rows:
            # What a rollback of an unknown bet leaves stands under the name of the bet.
            named = {(kind, reference), ("ROLLBACK", f"{reference}-r") if kind == "BET" else (kind, reference)}
            if reference.startswith(f"{self.run}-") and self._asked.isdisjoint(named):
                self.violations.append(f"nobody has asked for {kind} {reference}")
        return self.violations

    def _answered(self, id: int, entry: Entry) -> None:
        status, body = entry["status"], entry.get("body")
        due, call, path, asked = self._open[id]
        self.figures[f"status {status}"] += 1
        if status == 503:
            if not entry["retry_after"]:
                self.violations.append(f"a 503 to {call} has no Retry-After")
            return
        if due == 1:
            del self._open[id]
        else:
            self._open[id] = self._open[id]._replace(due=due - 1)
        if status not in (200, *DOCUMENTED) or (status != 200 and (body or {}).get("code") not in DOCUMENTED[status]):
            self.violations.append(f"{call} {id} was answered {status} {body}")
            return
        for claim in claims(call, path, asked, status, body):
            if claim.status == 503:
                continue
            self.figures["operations acknowledged"] += claim.status == 200
            self.figures["operations refused"] += claim.status != 200
            fault = self._fault(claim)
            if fault:
                self.violations.append(f"{claim.kind} {claim.reference}: {fault}; told {claim.answer}")

    def _fault(self, claim: Claim) -> str | None:
        row = self.ledger.rows.get((claim.kind, claim.reference))
        key = (claim.kind, claim.reference)
        if claim.status != 200:
            self._refused[key] = claim.answer["code"]
            return self._wrongly_refused(claim, row)
        told = tuple(claim.answer[name] for name in ("transaction", "status", "amount", "cash", "bonus", "version"))
        if self._told.setdefault(key, told) != told:
            return f"was told otherwise before: {self._told[key]}"
        if key in self._refused and self._refused[key] != "rolled_back":
            return f"was refused before: {self._refused[key]}"
        if row is None:
            return "was acknowledged and is not in the ledger"
        return self._wrongly_told(claim, row)

    def _wrongly_told(self, claim: Claim, row: Row) -> str | None:
        _, player, digits, *_ = self.ledger.wallets[row.wallet]
        answer, last = claim.answer, self.ledger.last[row.command]
        balances = tuple(minor(answer[name], digits) for name in ("cash", "bonus", "balance"))
        if (row.id, row.status.lower()) != (answer["transaction"], answer["status"]):
            return f"the ledger has {row}"
        if claim.player not in (None, player) or balances != (last.cash, last.bonus, last.cash + last.bonus):
            return f"the ledger has {last} of {player}"
        if answer["version"] != last.version:
            return f"the ledger has version {last.version}"
        moved = row.held if claim.kind == "SETTLE" else row.moved
        if row.status == "POSTED" and abs(moved) + row.extras != row.amount:
            return f"the amounts of {row} disagree"
        amount = row.amount - row.extras if claim.kind == "ROLLBACK" and row.status == "POSTED" else row.amount
        if row.status == "POSTED" and minor(answer["amount"], digits) != amount:
            return f"the ledger has {amount}"
        if "amount" in claim.asked and minor(claim.asked["amount"], digits) != row.amount:
            return f"the ledger has {row.amount}"
        return self._not_undone(claim) if claim.kind == "ROLLBACK" else None

    def _not_undone(self, claim: Claim) -> str | None:
        """After a rollback was answered its bet must not stand."""
        bet = self.ledger.rows.get(("BET", claim.asked["original"]))
        if bet is None or (bet.status == "POSTED" and bet.id not in self.ledger.closed):
            return f"was undone, and its bet is {bet}"
        return None

    def _wrongly_refused(self, claim: Claim, row: Row | None) -> str | None:
        key, code = (claim.kind, claim.reference), claim.answer["code"]
        if key in self._told and code != "rolled_back":
            return f"was accepted before: {self._told[key]}"
        if row is None:
            return "is remembered nowhere" if "transaction" in claim.answer else None
        if code == "rolled_back":
            return None if row.status == "VOID" or row.id in self.ledger.closed else f"stands: {row}"
        if row.status == "POSTED" or row.moved or row.held:
            return f"was refused and moved money: {row}"
        if "transaction" in claim.answer and (row.id, row.refusal) != (claim.answer["transaction"], code):
            return f"the ledger has {row}"
        return None


def operations(call: str, path: str, asked: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, reference and body of what a request asks for; balances and the like ask for nothing."""
    if call in ("batch", "bulk"):
        shared = {name: asked[name] for name in ("player", "currency") if name in asked}
        return [(KINDS[each["op"]], each["reference"], {**shared, **each}) for each in asked["operations"]]
    if call in ("settle", "release"):
        return [(KINDS[call], path.split("/")[-2], asked)]
    return [(KINDS[call], asked["reference"], asked)] if call in KINDS else []


def claims(call: str, path: str, asked: Any, status: int, body: Any) -> Iterator[Claim]:
    """What one answer says of each operation."""
    wanted = operations(call, path, asked)
    if status != 200 and call == "batch":
        kind, reference, operation = wanted[body["index"]] if "index" in body else wanted[0]
        yield Claim(kind, reference, operation.get("player"), operation, status, body)
        return
    answers = body["results"] if status == 200 and call in ("batch", "bulk") else [body] * len(wanted)
    for (kind, reference, operation), answer in zip(wanted, answers, strict=True):
        # In a bulk a problem carries its own status, a receipt the word for how it stands.
        own = answer["status"] if isinstance(answer.get("status"), int) else status
        yield Claim(kind, reference, operation.get("player"), operation, own, answer)


def minor(amount: str, digits: int) -> int:
    """Minor units of a decimal string."""
    whole, _, fraction = amount.partition(".")
    return int(whole + fraction.ljust(digits, "0"))


def judge(url: str, entries: Iterable[Entry], run: str) -> Verdict:
    """The verdict on the whole journal; its ``violations`` are empty when all is well."""
    verdict = Verdict(Ledger(url), run)
    for entry in entries:
        verdict.hear(entry)
    verdict.ended()
    return verdict


def grouped(violations: Iterable[str]) -> dict[str, int]:
    """How many of each kind, for a summary."""
    counts: dict[str, int] = defaultdict(int)
    for violation in violations:
        counts[violation.split(":")[-1].split(";")[0][:60]] += 1
    return dict(counts)
