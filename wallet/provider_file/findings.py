"""What is different, in words, and what to do about each sort of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from wallet import money
from wallet.statement import SCOPE

# What it means, and who does what: the page and docs/reports.md say the same.
TO_DO: Final = {
    "malformed": "The line cannot be read and was left out. Ask the provider for a corrected file.",
    "duplicate": "The file has this kind and reference twice. Ask the provider which line stands: one of them may be"
    " another transaction under a wrong reference.",
    "missing_here": "The provider has it and we do not. Ask it to send the very same call again: a bet or rollback is"
    " then posted or refused for good, a win is paid. Adjust nothing by hand before that.",
    "missing_there": "We posted it and the file does not have it. Send the provider our row's id and time; if it never"
    " happened on its side, it sends the rollback. Near midnight, look into the file of the day beside first.",
    "refused_here": "We refused it and said so; the provider booked it all the same. It must undo it on its side, or"
    " send the rollback, which is answered void.",
    "void_here": "It was rolled back before it came, so it never moved money here, and the file does not have that"
    " rollback. The provider must undo it on its side.",
    "amount": "Both sides have it with different amounts. Ours is what was sent and signed: show the provider our row."
    " If ours is wrong, finance adjusts with a reason and a second person's approval.",
    "differs": "The amounts agree and a name does not: the provider's books say another player, currency, round or"
    " game. Ask the provider to correct its books.",
    "other_day": "Both sides have it, on days that differ or on a day that is not this file's: clocks around midnight."
    " Nothing to correct; the totals of the two days differ by it.",
}
SORTS: Final = tuple(TO_DO)

_NEAR: Final = timedelta(minutes=10)


class Difference(NamedTuple):
    """One difference; amounts in minor units of ``currency``, None where a side has none."""

    what: str
    line: int | None
    kind: str
    reference: str
    player: str
    currency: str
    theirs: int | None
    ours: int | None
    detail: str
    digits: int

    def shown(self, side: str) -> str | None:
        """``theirs`` or ``ours`` as a decimal string."""
        minor = getattr(self, side)
        return None if minor is None else money.show(minor, self.digits)

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        name = " ".join(filter(None, (self.kind.lower(), self.reference, self.player)))
        sums = [f"{side} {shown} {self.currency}" for side in ("theirs", "ours") if (shown := self.shown(side))]
        return f"{place}{self.what}: {', '.join(filter(None, [name, *sums, self.detail]))}"


class Found(NamedTuple):
    """A record of pairs.DIFFERENCES."""

    what: str
    line: int | None
    kind: str | None
    reference: str | None
    player: str | None
    currency: str | None
    theirs: int | None
    ours: int | None
    our_currency: str | None
    their_day: date | None
    our_day: date | None
    at: datetime | None
    refusal: str | None
    wrong: str | None
    first_line: int | None
    differing: list[str]


def difference(found: Found, digits: dict[str, int]) -> Difference:
    kind, player, currency = found.kind or "", found.player or "", found.currency or ""
    reference = (found.reference or "").rpartition(SCOPE)[2]
    ours, detail = found.ours, _detail(found)
    if ours is not None and found.our_currency is not None and found.our_currency != currency:
        # Two currencies are never set side by side: ours is told in words.
        detail = f"ours is {money.show(ours, digits[found.our_currency])} {found.our_currency}, {detail}"
        ours = None
    name = (found.what, found.line, kind, reference, player, currency)
    return Difference(*name, found.theirs, ours, detail[:500], digits.get(currency, 0))


def _detail(found: Found) -> str:
    """What else there is to know of it."""
    if found.what == "malformed":
        return found.wrong or ""
    if found.what == "duplicate":
        return f"stands in line {found.first_line} already"
    if found.what == "refused_here":
        return f"refused: {found.refusal}"
    if found.what == "other_day":
        return f"theirs {found.their_day}, ours {found.our_day}"
    if found.what == "missing_there" and found.at is not None:
        return _near_midnight(found.at.astimezone(UTC))
    return ", ".join(found.differing)


def _near_midnight(at: datetime) -> str:
    """Where else to look for a row that the provider may have booked on the day beside."""
    for beside in (at - _NEAR, at + _NEAR):
        if beside.date() != at.date():
            return f"ours at {at:%H:%M:%S.%f}: look into the file of {beside.date()}"
    return f"ours at {at:%H:%M:%S.%f}"
