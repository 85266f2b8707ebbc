"""The simulator's own record of what it was told, to be held against the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from wallet import money
from wallet.kinds import Kind, Status
from wallet.models import Transaction

KINDS = {"bet": Kind.BET, "win": Kind.WIN, "rollback": Kind.ROLLBACK, "end-round": Kind.END_ROUND}


class Entry(msgspec.Struct):
    """One request and its first definite answer, given ``at`` unix seconds; the rest as the request had it."""

    call: str
    reference: str
    player: str
    amount: str
    status: int
    answer: dict[str, Any]
    at: float = 0
    round: str = ""
    game: str = ""
    original: str = ""

    @property
    def outcome(self) -> str:
        """posted, void, or the code of the refusal."""
        return str(self.answer.get("code") or self.answer["status"])


class Journal:
    """Definite answers by (call, reference); two different answers to one request are kept apart."""

    def __init__(self, source: str, prefix: str) -> None:
        self.source = source
        self.prefix = prefix
        self.entries: dict[tuple[str, str], Entry] = {}
        self.contradictions: list[str] = []

    def note(self, entry: Entry) -> None:
        known = self.entries.setdefault((entry.call, entry.reference), entry)
        if known is entry:
            return
        # A bet that was rolled back since answers so for ever; nothing else may change its answer.
        if known.outcome != entry.outcome and entry.outcome != "rolled_back":
            self.contradictions.append(
                f"{entry.call} {entry.reference}: first answered {known.outcome}, then {entry.outcome}"
            )
        if known.answer.get("transaction") not in (None, entry.answer.get("transaction")) and (
            "transaction" in entry.answer
        ):
            self.contradictions.append(f"{entry.call} {entry.reference}: answered by two different rows")

    def counts(self) -> Counter[str]:
        return Counter(f"{entry.call} {entry.outcome}" for entry in self.entries.values())


def differences(journal: Journal) -> Iterator[str]:
    """Where journal and ledger disagree, line by line; nothing when they agree."""
    yield from journal.contradictions
    rows = {
        (row.kind, row.reference): row
        for row in Transaction.objects.filter(
            source=journal.source,
            reference__gte=journal.prefix,
            reference__lt=journal.prefix + "~",
            kind__in=KINDS.values(),
        )
        .select_related("wallet__currency", "wallet__player")
        .iterator(chunk_size=2000)
    }
    for entry in journal.entries.values():
        row = rows.pop((KINDS[entry.call], entry.reference), None)
        yield from _compare(entry, row)
    for row in rows.values():
        # A rollback that came first has spent the bet's reference: the bet itself may never have come.
        if row.status != Status.VOID:
            yield f"{row.kind} {row.reference}: in the ledger as {row.status}, not in the journal"


def _compare(entry: Entry, row: Transaction | None) -> Iterator[str]:
    what = f"{entry.call} {entry.reference}"
    if row is None:
        if entry.status == 200 or "transaction" in entry.answer:
            yield f"{what}: answered {entry.outcome}, not in the ledger"
        return
    if row.wallet.player.code != entry.player:
        yield f"{what}: sent for {entry.player}, in the ledger for {row.wallet.player.code}"
    if entry.answer.get("transaction") not in (None, str(row.id)):
        yield f"{what}: answered by transaction {entry.answer['transaction']}, the ledger has {row.id}"
    if entry.outcome in ("posted", "void") and entry.outcome != row.status.lower():
        yield f"{what}: answered {entry.outcome}, the ledger has {row.status}"
    if row.status == Status.REFUSED and entry.outcome != row.refusal:
        yield f"{what}: answered {entry.outcome}, the ledger has {row.refusal}"
    amount = money.show(row.amount, row.wallet.currency.digits)
    if entry.outcome == "posted" and entry.amount and amount != entry.amount:
        yield f"{what}: sent {entry.amount}, the ledger has {amount}"
