"""Our own dialect, the first: JSON bodies become commands, and what became of them JSON again (PLAY.md §1).

Each body is a struct. It is what msgspec decodes, what the OpenAPI document shows
(``casino_pam/api/game/openapi.py``), and the order in which fields are looked at where one is
wrong. A body is read twice only if its first reading met anything unusual: then field by field,
to say in a sentence what would have been right, as ``casino_pam/api/fields.py`` does.

Reading touches neither the database nor the network. Every call refuses a malformed body with
``Malformed`` or ``InvalidField`` before it says ``unknown_currency``: 400 comes before 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, UnsetType, structs

from casino_pam import problems
from casino_pam.api import fields, responses, strict_json
from casino_pam.api.fields import choice, flag, optional, part, parts
from casino_pam.api.game import signing
from casino_pam.api.game.dialects.dialect import KIB, Call, Dialect, Reply
from casino_pam.api.game.visit import Visit, secrets_changed
from casino_pam.engine import commands
from casino_pam.engine.commands import AnyRequest
from casino_pam.engine.posting import Outcome
from casino_pam.engine.results import Receipt, Standing
from wallet import money
from wallet.errors import Busy, InvalidField, Refused
from wallet.kinds import Kind, WinSource, scoped

MOST_IN_BATCH: Final = 100
MOST_IN_BULK: Final = 1000

KINDS: Final = {
    "bet": Kind.BET,
    "win": Kind.WIN,
    "rollback": Kind.ROLLBACK,
    "end_round": Kind.END_ROUND,
}
WITHOUT_ROUND: Final = (WinSource.JACKPOT, WinSource.PROMO)

# --- the bodies ------------------------------------------------------------------------------
# ``extra_json_schema`` is said in the document and not looked at by msgspec, whose own way with a
# pattern takes longer than all the rest of a bet. Names are looked at all at once
# (strict_json.decode); currencies and amounts where their digits are looked up.

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=money.MAX_REFERENCE,
        extra_json_schema={"pattern": "^[!-~]([ -~]*[!-~])?$"},
        extra={"read": fields.text_id},
    ),
]
Reference = Annotated[Name, Meta(description="Spent once, for ever; a repeat answers as the first time.")]
NameOfRound = Annotated[Name, Meta(description="Optional for jackpots and promotions only.")]
CurrencyCode = Annotated[
    str, Meta(extra_json_schema={"pattern": "^[A-Z][A-Z0-9_]{2,31}$"}, extra={"read": fields.currency})
]
Money = Annotated[
    str,
    Meta(
        description="Decimal string, at most the currency's digits.",
        extra_json_schema={"pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"},
        extra={"read": fields.amount_text},
    ),
]

Counts = Annotated[
    bool, Meta(description="False for a tip, which counts for no bonus; true if left out.", extra={"read": flag})
]


class Body(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a call says; a field that may be left out is UNSET where it was."""


class Wallet(Body, frozen=True, kw_only=True, gc=False):
    player: Name
    currency: CurrencyCode


class Transaction(Body, frozen=True, kw_only=True, gc=False):
    player: Name
    reference: Name
    kind: Literal["bet", "win", "rollback", "end_round"]


class Bet(Wallet, frozen=True, kw_only=True, gc=False):
    reference: Reference
    round: Name
    game: Name
    amount: Money
    end_round: bool | UnsetType = UNSET
    wagering: Counts | UnsetType = UNSET


class Win(Wallet, frozen=True, kw_only=True, gc=False):
    source: Literal["game", "free_round", "jackpot", "promo"] | UnsetType = UNSET
    reference: Reference
    round: NameOfRound | UnsetType = UNSET
    game: NameOfRound | UnsetType = UNSET
    amount: Money
    bet: Name | UnsetType = UNSET
    end_round: bool | UnsetType = UNSET


class Rollback(Body, frozen=True, kw_only=True, gc=False):
    player: Name
    original_kind: Literal["bet", "win"] | UnsetType = UNSET
    reference: Reference
    original: Name
    currency: CurrencyCode | UnsetType = UNSET
    round: Name | UnsetType = UNSET
    game: Name | UnsetType = UNSET
    amount: Money | UnsetType = UNSET


class EndRound(Wallet, frozen=True, kw_only=True, gc=False):
    reference: Reference
    round: Name


PLAYS: Final[dict[str, type[Body]]] = {"bet": Bet, "win": Win, "rollback": Rollback, "end-round": EndRound}


def _operations(within: str, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """The plays as members of a list, by the ``op`` that tells them apart."""
    return {
        op: msgspec.defstruct(
            within + shape.__name__,
            [(each.name, each.type, each.default) for each in structs.fields(shape) if each.name not in without],
            tag_field="op",
            tag=op,
            frozen=True,
            kw_only=True,
            gc=False,
        )
        for op, shape in PLAYS.items()
    }


# Player and currency are the batch's, whatever an operation says.
BATCH_OPERATIONS: Final = _operations("Batch", without=("player", "currency"))
BULK_OPERATIONS: Final = _operations("Bulk")


def _list_of(shapes: Mapping[str, Any], most: int) -> Any:
    one_of: Any = Union[tuple(shapes.values())]  # noqa: UP007
    return Annotated[list[one_of], Meta(min_length=1, max_length=most)]


Batch = msgspec.defstruct(
    "Batch",
    [("player", Name), ("currency", CurrencyCode), ("operations", _list_of(BATCH_OPERATIONS, MOST_IN_BATCH))],
)
Bulk = msgspec.defstruct("Bulk", [("operations", _list_of(BULK_OPERATIONS, MOST_IN_BULK))])

BODIES: Final[tuple[type[msgspec.Struct], ...]] = (Wallet, Bet, Win, Rollback, EndRound, Batch, Bulk, Transaction)
# msgspec meets each type here, in one thread, before requests come.
_decoders: Final[dict[Any, msgspec.json.Decoder[Any]]] = {shape: msgspec.json.Decoder(shape) for shape in BODIES}

# --- reading ---------------------------------------------------------------------------------

S = TypeVar("S", bound=msgspec.Struct)
R = TypeVar("R")


class Reader:
    """Reads the bodies of one request of one source.

    ``digits`` are those of the currencies we know; ``per_player`` is the provider's
    reference_scope; ``carried`` is what every command of the request carries besides (``at``,
    ``deadline``, ``secrets_version``).
    """

    def __init__(self, source: str, digits: Mapping[str, int], *, per_player: bool, **carried: Any) -> None:
        self._digits = digits
        self._per_player = per_player
        self._carried = {"source": source, **carried}

    def balance(self, body: bytes) -> commands.Balance:
        return self._command(Wallet, body, self._balance)

    def find(self, body: bytes) -> commands.Find:
        return self._command(Transaction, body, self._find)

    def bet(self, body: bytes) -> commands.Play:
        return self._command(Bet, body, self._play)

    def win(self, body: bytes) -> commands.Play:
        return self._command(Win, body, self._play)

    def rollback(self, body: bytes) -> commands.Play:
        return self._command(Rollback, body, self._play)

    def end_round(self, body: bytes) -> commands.Play:
        return self._command(EndRound, body, self._play)

    def batch(self, body: bytes) -> commands.Batch:
        read: Any = strict_json.decode(_decoders[Batch], body)
        if read is None or read.currency not in self._digits:
            whole = strict_json.parse(body)
            player, currency = fields.text_id(whole, "player"), fields.currency(whole)
            operations = parts(whole, "operations", MOST_IN_BATCH)
        else:
            player, currency, operations = read.player, read.currency, read.operations
        unknown: Refused | None = None
        found: list[commands.Play] = []
        for place, operation in enumerate(operations):
            try:
                found.append(self._operation(place, operation, BATCH_OPERATIONS, player, currency))
            except InvalidField:
                raise
            except Refused as refusal:
                # A later operation may be malformed, and that would come first.
                unknown = refusal
        if unknown is not None:
            raise unknown
        return commands.Batch(operations=tuple(found))

    def bulk(self, body: bytes) -> list[commands.Play | Refused]:
        """Each operation as a command, or why it cannot be one."""
        read: Any = strict_json.decode(_decoders[Bulk], body)
        operations = parts(strict_json.parse(body), "operations", MOST_IN_BULK) if read is None else read.operations
        found: list[commands.Play | Refused] = []
        for place, operation in enumerate(operations):
            try:
                found.append(self._operation(place, operation, BULK_OPERATIONS))
            except Refused as refusal:
                found.append(refusal)
        return found

    def play(self, shape: type[msgspec.Struct], body: fields.Body) -> commands.Play:
        """The command of a body that was parsed before."""
        return self._command_of(shape, body, self._play)

    def _command(self, shape: type[S], body: bytes, make: Callable[[S], R]) -> R:
        read: S | None = strict_json.decode(_decoders[shape], body)
        if read is None:
            return self._command_of(shape, strict_json.parse(body), make)
        return self._made(read, make)

    def _command_of(self, shape: type[S], body: fields.Body, make: Callable[[S], R], code: str | None = None) -> R:
        read = strict_json.convert(body, shape)
        if read is None:
            return make(self._look(shape, body, code))
        return self._made(read, make, code)

    def _made(self, read: S, make: Callable[[S], R], code: str | None = None) -> R:
        try:
            return make(read)
        except (Refused, money.InvalidAmount):
            pass
        # Which field is at fault, and whether another is before it, is looked at once more.
        return make(self._look(type(read), msgspec.to_builtins(read), code))

    def _operation(
        self, place: int, operation: Any, shapes: Mapping[str, Any], player: str | None = None, code: str | None = None
    ) -> commands.Play:
        """The command of a member of a list, decoded or only parsed; ``player`` and ``code`` are the list's."""

        def make(read: Any) -> commands.Play:
            return self._play(read, player, code)

        body = None if isinstance(operation, msgspec.Struct) else part(operation, f"operations[{place}]")
        try:
            if body is None:
                return self._made(operation, make, code)
            return self._command_of(shapes[choice(body, "op", tuple(shapes))], body, make, code)
        except InvalidField as refusal:
            raise refusal.inside(f"operations[{place}]") from None

    def _look(self, shape: type[S], body: fields.Body, code: str | None = None) -> S:
        """The body field by field. Raises InvalidField for the first that is missing or wrong."""
        values: dict[str, Any] = {}
        for name, required, read in _fields_of(shape):
            if required or (name in _OF_A_ROUND and _has_a_round(shape, values)):
                values[name] = read(body, name)
            elif name in body:
                values[name] = read(body, name) if read is flag else optional(read, body, name)
            if name == "amount" and name in values:
                digits = self._digits.get(code or values.get("currency", ""))
                if digits is not None:
                    fields.amount(body, name, digits)
        return shape(**values)

    # --- commands ----------------------------------------------------------------------------
    # Each raises InvalidAmount or Refused (unknown_currency, or a round that is missing).

    def _balance(self, body: Wallet) -> commands.Balance:
        self._digits_of(body.currency)
        return commands.Balance(player=body.player, currency=body.currency, **self._carried)

    def _find(self, body: Transaction) -> commands.Find:
        reference = self._stored(body.player, body.reference)
        return commands.Find(player=body.player, reference=reference, kind=KINDS[body.kind], **self._carried)

    def _play(self, body: Any, player: str | None = None, code: str | None = None) -> commands.Play:
        if player is None:
            player, code = body.player, body.currency
        return _COMMANDS[type(body)](self, body, player, code)

    def _bet(self, body: Bet, player: str, code: str) -> commands.Bet:
        return commands.Bet(
            player=player,
            currency=code,
            reference=self._stored(player, body.reference),
            round=body.round,
            game=body.game,
            amount=money.parse(body.amount, self._digits_of(code)),
            ends_round=body.end_round is True,
            wagering=_or_none(body.wagering),
            **self._carried,
        )

    def _win(self, body: Win, player: str, code: str) -> commands.Win:
        if body.source not in WITHOUT_ROUND and (body.round is UNSET or body.game is UNSET):
            # Only the look at each field says which; it lets no such win come here again.
            raise Refused("invalid_field")
        return commands.Win(
            player=player,
            currency=code,
            reference=self._stored(player, body.reference),
            round=_or_none(body.round),
            game=_or_none(body.game),
            amount=money.parse(body.amount, self._digits_of(code)),
            bet=None if body.bet is UNSET else self._stored(player, body.bet),
            win_source=_or_none(body.source),
            ends_round=body.end_round is True,
            **self._carried,
        )

    def _rollback(self, body: Rollback, player: str, code: str | UnsetType) -> commands.Rollback:
        if code is not UNSET:
            digits = self._digits_of(code)
            if body.amount is not UNSET:
                money.parse(body.amount, digits)
        elif body.amount is not UNSET:
            money.check_shape(body.amount)
        return commands.Rollback(
            player=player,
            reference=self._stored(player, body.reference),
            original=self._stored(player, body.original),
            original_kind=None if body.original_kind is UNSET else KINDS[body.original_kind],
            currency=_or_none(code),
            round=_or_none(body.round),
            game=_or_none(body.game),
            amount=_or_none(body.amount),
            **self._carried,
        )

    def _end_round(self, body: EndRound, player: str, code: str) -> commands.EndRound:
        self._digits_of(code)
        reference = self._stored(player, body.reference)
        return commands.EndRound(player=player, currency=code, reference=reference, round=body.round, **self._carried)

    def _stored(self, player: str, reference: str) -> str:
        return scoped(player, reference) if self._per_player else reference

    def _digits_of(self, code: str) -> int:
        digits = self._digits.get(code)
        if digits is None:
            raise Refused("unknown_currency", currency=code)
        return digits


_COMMANDS: Final[dict[Any, Callable[[Reader, Any, str, Any], commands.Play]]] = {
    shape: make
    for op, make in (
        ("bet", Reader._bet),
        ("win", Reader._win),
        ("rollback", Reader._rollback),
        ("end-round", Reader._end_round),
    )
    for shape in (PLAYS[op], BATCH_OPERATIONS[op], BULK_OPERATIONS[op])
}
_OF_A_ROUND: Final = ("round", "game")


def _has_a_round(shape: type[msgspec.Struct], values: Mapping[str, Any]) -> bool:
    """Whether this is a win that must name its round; its source was read before."""
    return "source" in shape.__struct_fields__ and values.get("source") not in WITHOUT_ROUND


def _or_none(value: R | UnsetType) -> R | None:
    return None if value is UNSET else value


@lru_cache
def _fields_of(shape: type[msgspec.Struct]) -> list[tuple[str, bool, Callable[..., Any]]]:
    """Name, whether it must be there, and what reads it, in the order of the class."""
    return [(each.name, each.required, _reads(each.type)) for each in structs.fields(shape)]


def _reads(shape: Any) -> Callable[..., Any]:
    if get_origin(shape) in (Union, UnionType):
        shape = next(each for each in get_args(shape) if each is not UnsetType)
    if shape is bool:
        return flag
    if get_origin(shape) is Literal:
        return partial(choice, allowed=get_args(shape))
    (read,) = (meta.extra["read"] for meta in shape.__metadata__ if meta.extra)
    return read  # type: ignore[no-any-return]


# --- answers ---------------------------------------------------------------------------------


def check_content(headers: Mapping[bytes, bytes]) -> None:
    """Raises Refused (``unsupported_media_type``) for a body that is not said to be plain JSON."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json" or b"content-encoding" in headers:
        raise Refused("unsupported_media_type")


def _answer(outcome: Outcome | list[Outcome], visit: Visit) -> Reply:
    body = responses.encode(_result(outcome, visit.request_id))
    return 200, [(b"content-type", b"application/json")], body


def _result(outcome: Outcome | list[Outcome], request_id: str) -> dict[str, Any]:
    if isinstance(outcome, Receipt):
        return responses.receipt(outcome)
    if isinstance(outcome, Standing):
        return responses.balance(outcome)
    if isinstance(outcome, Refused):
        return responses.problem(outcome, request_id)
    assert isinstance(outcome, list), "no game asks for a bonus"
    return {"results": [_result(each, request_id) for each in outcome]}


def refuse(refusal: Refused, visit: Visit) -> Reply:
    """Status, headers and body of a call that was not carried out."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problems.headers(refusal.status).items()]
    if refusal.status == 405:
        headers.append((b"allow", b"POST"))
    return refusal.status, headers, responses.encode(responses.problem(refusal, visit.request_id))


# --- calls -----------------------------------------------------------------------------------


def verify(visit: Visit) -> None:
    """Raises Unauthenticated unless the headers prove who sent the bytes; that is the visit's provider."""
    claim = signing.read_claim(visit.header_list, visit.at / 1_000_000)
    provider = visit.known(claim.provider, DIALECT.name)
    signing.verify(claim, visit.path, visit.body, provider.secrets if provider else ())
    assert provider is not None
    visit.provider = provider


def reader(visit: Visit) -> Reader:
    """Reads bodies by the currencies and the profile known now."""
    return Reader(digits=visit.digits, per_player=visit.provider.per_player, **visit.carried)


def _one(name: str, read: Callable[[Reader, bytes], AnyRequest]) -> Call:
    """A call that is one request to the engine."""

    async def run(visit: Visit) -> Reply:
        check_content(visit.headers)
        try:
            request = read(reader(visit), visit.body)
        except Refused as refusal:
            if refusal.code != "unknown_currency":
                raise
            await visit.look_again()
            request = read(reader(visit), visit.body)
        return _answer(await visit.ask(request), visit)

    return Call(name, run)


async def _bulk(visit: Visit) -> Reply:
    """Independent operations; the whole is refused only if none of them was taken."""
    check_content(visit.headers)
    read = reader(visit).bulk(visit.body)
    if any(isinstance(each, Refused) and each.code == "unknown_currency" for each in read):
        await visit.look_again()
        read = reader(visit).bulk(visit.body)
    places = [place for place, each in enumerate(read) if not isinstance(each, Refused)]
    outcomes = await visit.submit([each for each in read if not isinstance(each, Refused)])
    undone = [place for place, outcome in enumerate(outcomes) if secrets_changed(outcome)]
    if undone:
        again = await _once_more(visit, [places[place] for place in undone])
        for place, outcome in zip(undone, again, strict=True):
            outcomes[place] = outcome
    untaken = [each for each in outcomes if isinstance(each, Refused) and each.status in (401, 503)]
    if untaken and len(untaken) == len(outcomes):
        raise untaken[0]
    arriving = iter(outcomes)
    results = [
        each if isinstance(each, Refused) else _in_its_place(place, next(arriving)) for place, each in enumerate(read)
    ]
    return _answer(results, visit)


async def _once_more(visit: Visit, places: Sequence[int]) -> list[Outcome]:
    """The outcomes of operations for which the engine did nothing, as the provider is known now."""
    try:
        await visit.prove_again()
    except Refused as refusal:
        return [refusal] * len(places)
    read = reader(visit).bulk(visit.body)
    outcomes = await visit.submit([each for place in places if not isinstance(each := read[place], Refused)])
    return [Busy() if secrets_changed(outcome) else outcome for outcome in outcomes]


def _in_its_place(place: int, outcome: Outcome) -> Outcome:
    """A field that only the provider's profile makes malformed is named with its place, as the reader does."""
    return outcome.inside(f"operations[{place}]") if isinstance(outcome, InvalidField) else outcome


CALLS: Final = (
    _one("balance", Reader.balance),
    _one("bet", Reader.bet),
    _one("win", Reader.win),
    _one("rollback", Reader.rollback),
    _one("end-round", Reader.end_round),
    _one("batch", Reader.batch),
    Call("bulk", _bulk, limit=1024 * KIB),
    _one("transaction", Reader.find),
)
DIALECT: Final = Dialect(
    name="door", calls={call.name.encode(): call for call in CALLS}, verify=verify, refuse=refuse, in_path=False
)
