"""An offer granted to many players: the list is validated whole, then each line is granted exactly once.

Nothing is written of a list with a fault in it, and all its faults are told at once: they are what the engine would
answer to each grant. A list is carried out in parts, by whoever comes; the reference of a line's grant is derived from
the list and the line, so that a line that was granted before its answer was written down is found granted, not granted
again. What a list grants at once is compared with the currency's threshold as a whole (docs/decisions/0031).
"""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from bonus.campaign_tables import GrantLine, GrantList
from bonus.models import Offer
from bonus.terms import OfferKind
from casino_pam.engine import commands, posting
from casino_pam.engine.commands import Grant
from casino_pam.engine.posting import Outcome
from casino_pam.engine.results import BonusResult
from casino_pam.problems import TEXTS
from wallet import audit, money, second_person
from wallet.errors import Busy, Refused
from wallet.models import Currency

# A list is held in memory while it is validated.
LONGEST: Final = 200_000
# So many grants share a transaction (casino_pam/engine/jobs.py); as many again are looked at together beforehand.
TOGETHER: Final = 100
LOOKED_AT: Final = 1_000
GRANTED: Final = "granted"

Record = Callable[[], object]


class Line(NamedTuple):
    """One grant that is asked for; ``number`` is the line it stands in."""

    number: int
    player: str
    currency: str


class Fault(NamedTuple):
    """Why a list is not carried out; ``line`` is None where it is the whole list."""

    line: int | None
    text: str
    refusal: Refused | None = None


class Unfit(Exception):
    """A list with faults, all of them; nothing was granted, and nothing was kept of it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line or 0)
        super().__init__(self.faults[0].text)


# --- reading -------------------------------------------------------------------------------------


def read_lines(text: str, offer: Offer, currency: str | None) -> tuple[list[Line], list[Fault]]:
    """The lines of a text, and what is wrong with those that cannot be read.

    A line is ``player``, or ``player,currency``; a header and empty lines are passed over.

    Commas, semicolons or tabs may stand between the two. ``currency`` is that of lines that name none; without it, it
    is the offer's only one.
    """
    only = currency or (next(iter(offer.amounts)) if len(offer.amounts) == 1 else None)
    lines: list[Line] = []
    faults: list[Fault] = []
    try:
        for number, cells in _cells(text):
            if not any(cells) or (number == 1 and cells[0].lower() == "player"):
                continue
            if len(cells) > 2:
                faults.append(Fault(number, f"has {len(cells)} cells: a line is a player and, if need be, a currency"))
            elif not money.is_reference(cells[0]):
                faults.append(Fault(number, "names no player: 1 to 128 printable ASCII characters"))
            elif not (code := cells[1] if len(cells) == 2 and cells[1] else only):
                faults.append(Fault(number, "names no currency, and the offer has several"))
            else:
                lines.append(Line(number, cells[0], code))
    except csv.Error as error:
        faults.append(Fault(None, f"This is no CSV: {error}"))
    return lines, faults


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line, and its number."""
    whole = text.removeprefix("\ufeff")
    first = whole.partition("\n")[0]
    delimiter = next((sign for sign in "\t;" if sign in first), ",")
    reader = csv.reader(io.StringIO(whole, newline=""), delimiter=delimiter, strict=True)
    for cells in reader:
        yield reader.line_num, [cell.strip() for cell in cells]


# --- validating ----------------------------------------------------------------------------------


def _check(offer: Offer, lines: Sequence[Line], unread: Sequence[Fault] = ()) -> None:
    """Raises Unfit where a line could not be read, or would be refused now."""
    if not lines and not unread:
        raise Unfit([Fault(None, "The list names no player.")])
    faults = [*unread, *_faults_of_all(offer, lines), *_doubled(lines)]
    known = {fault.line for fault in faults}
    if offer.kind != OfferKind.CASHBACK and len(lines) <= LONGEST:
        for part in _parts(lines):
            outcomes = posting.rehearse_all([_rehearsed(offer, line) for line in part])
            for line, outcome in zip(part, outcomes, strict=True):
                if isinstance(outcome, Busy):
                    raise outcome
                if isinstance(outcome, Refused) and line.number not in known and not (None in known and _full(outcome)):
                    faults.append(Fault(line.number, f"{line.player}, {line.currency}: {_said(outcome)}", outcome))
    if faults:
        raise Unfit(faults)


def _rehearsed(offer: Offer, line: Line) -> Grant:
    return _command(offer.code, line, "rehearsal", f"line:{line.number}")


def _parts(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while part := list(islice(rest, LOOKED_AT)):
        yield part


def _faults_of_all(offer: Offer, lines: Sequence[Line]) -> Iterator[Fault]:
    if offer.kind == OfferKind.CASHBACK:
        yield Fault(None, "A cashback is granted on a net loss, by manage.py grant_cashback.")
    if len(lines) > LONGEST:
        yield Fault(None, f"The list has {len(lines)} lines; one list takes {LONGEST}.")
    if offer.total is not None and len(lines) > offer.total - offer.granted:
        left = offer.total - offer.granted
        yield Fault(None, f"The offer may be granted {left} more times, and the list has {len(lines)} lines.")


def _doubled(lines: Iterable[Line]) -> Iterator[Fault]:
    seen: dict[tuple[str, str], int] = {}
    for line in lines:
        first = seen.setdefault((line.player, line.currency), line.number)
        if first != line.number:
            yield Fault(line.number, f"{line.player}, {line.currency}: stands in line {first} already")


def _full(refusal: Refused) -> bool:
    """Whether it says of one line what was said of the whole list."""
    return refusal.facts.get("why") == "exhausted"


def _said(refusal: Refused) -> str:
    why = refusal.facts.get("why")
    title = TEXTS[refusal.code][0]
    return f"{title} ({why.replace('_', ' ')})" if isinstance(why, str) else title


def _worth(offer: Offer, lines: Iterable[Line]) -> dict[str, int]:
    """What the list of a fixed bonus comes to, in minor units by currency."""
    counts = Counter(line.currency for line in lines)
    return {code: count * (offer.spec().amounts[code].amount or 0) for code, count in sorted(counts.items())}


def _waits(worth: dict[str, int], author: str) -> bool:
    """Whether a second person must consent: where one of the sums is above its currency's threshold."""
    currencies = {currency.code: currency for currency in Currency.objects.filter(code__in=worth)}
    return any(sum_ > second_person.waits_above(currencies[code], author) for code, sum_ in worth.items() if sum_)


# --- asking --------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A list as it is asked for; ``unread`` are faults of further lines, ``by_hand`` is what four eyes are for."""

    offer: Offer
    lines: Sequence[Line]
    source: str
    reference: str
    actor: str
    reason: str
    by_hand: bool = True
    unread: Sequence[Fault] = ()

    @property
    def digest(self) -> str:
        told = "\n".join(f"{line.player}\t{line.currency}" for line in self.lines)
        return hashlib.sha256(told.encode()).hexdigest()


def make(asked: Asked, record: Callable[[GrantList], object]) -> GrantList:
    """Keep a valid list, to be carried out, or to wait for a second person; ``record`` is called where it is new.

    A repeat is answered with the list as it stands. Raises Unfit, Busy, and Refused: ``reference_reused``.
    """
    before = None if asked.unread else _before(asked)
    if before is not None:
        return before
    _check(asked.offer, asked.lines, asked.unread)
    worth = {} if asked.offer.kind != OfferKind.FIXED else _worth(asked.offer, asked.lines)
    waits = asked.by_hand and _waits(worth, asked.actor)
    try:
        with transaction.atomic():
            made = GrantList.objects.create(
                id=uuid7(),
                offer=asked.offer,
                source=asked.source,
                reference=asked.reference,
                digest=asked.digest,
                worth=worth,
                reason=asked.reason,
                actor=asked.actor,
                state=GrantList.State.WAITING if waits else GrantList.State.RUNNING,
                created_at=timezone.now(),
            )
            _keep(made, asked.lines)
            record(made)
    except IntegrityError:
        # A twin was first.
        found = _before(asked)
        if found is None:
            raise
        return found
    return made


_KEEP: Final = """
INSERT INTO bonus_grantline (list_id, number, player, currency)
SELECT %s, l.number, l.player, l.currency FROM unnest(%s::int[], %s::text[], %s::text[]) AS l(number, player, currency)
"""


def _keep(made: GrantList, lines: Sequence[Line]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [made.pk, *map(list, zip(*lines, strict=True))])


def _before(asked: Asked) -> GrantList | None:
    found = lists().filter(source=asked.source, reference=asked.reference).first()
    if found is None:
        return None
    pairs = {"offer": (found.offer_id, asked.offer.pk), "players": (found.digest, asked.digest)}
    differing = [name for name, (stored, given) in pairs.items() if stored != given]
    if differing:
        raise Refused("reference_reused", differing=differing)
    return found


def lists() -> QuerySet[GrantList]:
    """Every list, the newest first."""
    return GrantList.objects.select_related("offer")


def waiting() -> QuerySet[GrantList]:
    """Lists that wait for a second person, the oldest first."""
    return lists().filter(state=GrantList.State.WAITING).order_by("id")


# --- deciding ------------------------------------------------------------------------------------


def decide(waiting: GrantList, operator: str, reason: str, *, approved: bool, record: Record) -> GrantList:
    """The second person's word on a list that waits. The list as it stands, whoever was first.

    Raises Refused: ``forbidden`` for who asked for it or may be the same person, and where nothing waits any more.
    """
    if waiting.actor == operator:
        raise Refused("forbidden", why="own_request")
    state = GrantList.State.RUNNING if approved else GrantList.State.REJECTED
    decision = {"approver": operator, "decision_reason": reason, "decided_at": timezone.now()}
    try:
        with transaction.atomic():
            if approved:
                _second_person(waiting.actor, operator)
            # One row where nobody has decided yet; whoever decides at the same moment waits here, and finds none.
            rows = GrantList.objects.filter(pk=waiting.pk, state=GrantList.State.WAITING)
            if not rows.update(state=state, **decision):
                raise Refused("forbidden", why="waits_for_no_approval")
            record()
    except IntegrityError:
        # An account was changed between our look and PostgreSQL's own.
        _second_person(waiting.actor, operator)
        raise
    return lists().get(pk=waiting.pk)


def _second_person(author: str, operator: str) -> None:
    objection = second_person.objection(author, operator)
    if objection is not None:
        raise objection


# --- carrying out --------------------------------------------------------------------------------


class Progress(NamedTuple):
    """How far a list has come: lines, those with an answer, and how many got which."""

    lines: int
    answered: int
    answers: dict[str, int]

    @property
    def granted(self) -> int:
        return self.answers.get(GRANTED, 0)


def progress(of: GrantList) -> Progress:
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer, count(*) FROM bonus_grantline WHERE list_id = %s GROUP BY 1 ORDER BY 1", [of.pk])
        counts = dict(cursor.fetchall())
    lines, left = sum(counts.values()), counts.pop(None, 0)
    return Progress(lines, lines - left, counts)


def carry_out(running: GrantList, seconds: float) -> GrantList:
    """Grant what is left of the list for so many seconds at least, or to its end; the list as it stands then.

    Any number may be at it at a time. A line that cannot be decided in time is left to the next.
    """
    if running.state != GrantList.State.RUNNING:
        return running
    ends, reached = time.monotonic() + seconds, 0
    while part := list(_open(running).filter(number__gt=reached)[:TOGETHER]):
        outcomes = posting.post([_granting(running, line) for line in part])
        _answer(running, part, outcomes)
        reached = part[-1].number
        if time.monotonic() >= ends:
            break
    if not _open(running).exists():
        left = GrantList.objects.filter(pk=running.pk, state=GrantList.State.RUNNING)
        left.update(state=GrantList.State.DONE, finished_at=timezone.now())
    return lists().get(pk=running.pk)


def unfinished() -> QuerySet[GrantList]:
    """Lists that somebody has begun to carry out, the oldest first."""
    return lists().filter(state=GrantList.State.RUNNING).order_by("id")


def _open(of: GrantList) -> QuerySet[GrantLine]:
    return GrantLine.objects.filter(list=of, answer__isnull=True).order_by("number")


def _granting(of: GrantList, line: GrantLine) -> Grant:
    asked = Line(line.number, line.player, line.currency)
    return _command(of.offer.code, asked, of.source, _reference(of, line), actor=of.actor, reason=of.reason or None)


def _reference(of: GrantList, line: GrantLine) -> str:
    return f"list:{of.pk}:{line.number}"


def _command(offer: str, line: Line, source: str, reference: str, **more: Any) -> Grant:
    """Without a threshold of its own: the list as a whole was held against it."""
    return Grant(
        source=source,
        player=line.player,
        currency=line.currency,
        reference=reference,
        offer=offer,
        at=commands.now(),
        deadline=commands.deadline(),
        **more,
    )


_ANSWER: Final = """
UPDATE bonus_grantline l SET answer = a.answer, bonus = a.bonus
FROM unnest(%s::bigint[], %s::text[], %s::uuid[]) AS a(id, answer, bonus)
WHERE l.id = a.id AND l.answer IS NULL
"""


def _answer(of: GrantList, lines: Sequence[GrantLine], outcomes: Sequence[Outcome]) -> None:
    """Write down what became of these lines; a bonus granted by hand has its row of the audit trail with it."""
    ids, answers, bonuses = [], [], []
    trail = []
    for line, outcome in zip(lines, outcomes, strict=True):
        if isinstance(outcome, Busy):
            continue
        ids.append(line.pk)
        answers.append(_word(outcome))
        bonuses.append(outcome.bonus.id if isinstance(outcome, BonusResult) else None)
        if isinstance(outcome, BonusResult):
            trail.append(_entry(of, line, outcome))
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ANSWER, [ids, answers, bonuses])
        audit.many(of.actor, "grant", trail)


def _word(outcome: Outcome) -> str:
    if not isinstance(outcome, Refused):
        return GRANTED
    why = outcome.facts.get("why")
    return f"{outcome.code}: {why}" if isinstance(why, str) else outcome.code


def _entry(of: GrantList, line: GrantLine, granted: BonusResult) -> dict[str, Any]:
    bonus = granted.bonus
    return {
        "player": line.player,
        "subject": f"{bonus.offer} of {line.player}, {bonus.currency}",
        "reason": of.reason,
        "after": {"offer": bonus.offer, "amount": money.show(bonus.amount, granted.digits), "list": str(of.pk)},
        "reference": _reference(of, line),
    }


# --- the result ----------------------------------------------------------------------------------

COLUMNS: Final = ("line", "player", "currency", "answer", "bonus")


def result(of: GrantList) -> Iterator[tuple[Any, ...]]:
    """One answer a line, in their order, by COLUMNS; a line that has none yet is empty there."""
    rows = GrantLine.objects.filter(list=of).values_list("number", "player", "currency", "answer", "bonus")
    yield from rows.order_by("number").iterator(chunk_size=LOOKED_AT)
