"""An offer as JSON, read, shown and saved: the one way, shared by the REST API and the admin form.

Reading collects everything that is wrong, each tied to the name of its field, so that an operator mends a form once.
A term that nobody knows is refused, wherever it stands: misspelt, it would be a promise that nobody keeps.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from bonus.models import GameWeight, Offer
from bonus.rules import MAX_WEIGHT_BP, Base, Conversion, Counted, Excluded, SpendOrder, Weights
from bonus.terms import (
    Amounts,
    OfferKind,
    OfferSpec,
    OnWithdrawal,
    OverMaxStake,
    Problem,
    WhichDeposit,
    jurisdiction_breaches,
)
from wallet import jurisdictions, money
from wallet.errors import Busy, Refused, unknown_members
from wallet.models import Currency

MAX_NAMES = 1000
"""The most games, categories and providers one offer may name: its terms are read at every bet."""

MAX_DAYS = 3650
MAX_PERCENT_BP = 100_000

Reader = Callable[[Any], Any]
"""Turns one JSON value into one of ours, or raises InvalidOffer with paths relative to that value."""

PROMO_CODE = "[A-Za-z0-9][A-Za-z0-9_-]{2,31}"
"""A code that players enter: case does not matter, and it is kept in capitals."""

_is_promo_code = re.compile(PROMO_CODE).fullmatch
is_code = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}").fullmatch

CODE_SHAPE = "1 to 64 lower-case letters, digits, - and _, beginning with a letter or digit"
NAME_SHAPE = "1 to 128 printable ASCII characters without spaces at either end"


class InvalidOffer(Refused):
    """An offer cannot be saved; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        super().__init__(
            "invalid_field",
            field=first.field,
            detail=f"{first.field} {first.message}.",
            problems=[problem._asdict() for problem in self.problems],
        )


def validate_offer(data: Any, currencies: Mapping[str, int]) -> OfferSpec:
    """The offer in `data`; `currencies` are the digits of each currency of the house by its code.

    Raises InvalidOffer, listing first what is wrong with single fields, and only when nothing is,
    what they contradict in each other.
    """
    values = _members(data, {**_FIELDS, "amounts": _amounts(currencies)}, required=_REQUIRED)
    if values["kind"] is OfferKind.FREE_ROUNDS:
        values.setdefault("base", Base.WINNINGS)
    spec = OfferSpec(**values)
    if problems := list(_contradictions(spec)):
        raise InvalidOffer(problems)
    return spec


def show_offer(spec: OfferSpec, currencies: Mapping[str, int]) -> dict[str, Any]:
    """The JSON of an offer, times in UTC; `validate_offer` reads the same offer from it."""
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec, order="deterministic"))
    for currency, amounts in shown["amounts"].items():
        for field, minor in amounts.items():
            amounts[field] = None if minor is None else money.show(minor, currencies[currency])
    return shown


# Readers of single values


def _wrong(message: str) -> InvalidOffer:
    return InvalidOffer([Problem("", message)])


def _or_null(read: Reader) -> Reader:
    return lambda value: None if value is None else read(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _wrong("must be true or false")
    return value


def _whole(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _wrong(f"must be a whole number from {low} to {high}")
        return value

    return read


def _one_of(choices: type[StrEnum]) -> Reader:
    def read(value: Any) -> StrEnum:
        if type(value) is not str or value not in list(choices):
            raise _wrong(f"must be one of {', '.join(choices)}")
        return choices(value)

    return read


def _text(fits: Callable[[str], Any], shape: str) -> Reader:
    def read(value: Any) -> str:
        if type(value) is not str or not fits(value):
            raise _wrong(f"must be {shape}")
        return value

    return read


def _is_title(text: str) -> bool:
    # isprintable is false for what PostgreSQL cannot store: NUL and lone surrogates.
    return 1 <= len(text) <= 128 and text.isprintable() and text.strip() == text


def promo_code(value: Any) -> str:
    """The code in capitals. Raises InvalidOffer for what can be none."""
    if type(value) is not str or not _is_promo_code(value):
        raise _wrong("must be 3 to 32 letters, digits, - and _, beginning with a letter or digit")
    return value.upper()


def _which_deposit(value: Any) -> WhichDeposit:
    if value in ("any", "first") or (type(value) is int and 1 <= value <= 1000):
        deposit: WhichDeposit = value
        return deposit
    raise _wrong('must be "any", "first" or a whole number from 1 to 1000')


def _moment(value: Any) -> datetime:
    """A time with its offset: without one, an offer would begin at a different hour on each machine."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _wrong('must be an ISO 8601 time with an offset, such as "2026-12-01T00:00:00Z"')


def _country(value: Any) -> str:
    try:
        return jurisdictions.country(value)
    except jurisdictions.InvalidCountry as error:
        raise _wrong(str(error)) from None


def _amount(digits: int, *, least: int) -> Reader:
    def read(value: Any) -> int:
        if type(value) is not str:
            raise _wrong('must be a decimal number in quotes, such as "10.00"')
        try:
            minor = money.parse(value, digits)
        except money.InvalidAmount as error:
            raise _wrong(str(error)) from None
        if minor < least:
            raise _wrong("must be above zero")
        return minor

    return read


# Readers of objects and lists


def _members(value: Any, readers: Mapping[str, Reader], *, required: Iterable[str] = ()) -> dict[str, Any]:
    """The members of an object, each read by its reader; absent ones are left to their defaults."""
    if type(value) is not dict:
        raise _wrong("must be an object")
    problems = [Problem(name, "is required") for name in required if name not in value]
    problems += [Problem(*unknown) for unknown in unknown_members(value, readers)]
    values = {}
    for name, read in readers.items():
        if name in value:
            try:
                values[name] = read(value[name])
            except InvalidOffer as error:
                problems += _under(name, error.problems)
    if problems:
        raise InvalidOffer(problems)
    return values


def _under(name: str, problems: Iterable[Problem]) -> Iterator[Problem]:
    for path, message in problems:
        dot = "." if path and not path.startswith("[") else ""
        yield Problem(f"{name}{dot}{path}", message)


def _named(fits: Callable[[str], Any], shape: str, read: Reader) -> Reader:
    """A reader of an object whose names are the caller's, such as games."""

    def read_all(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong("must be an object")
        for name in value:
            if not fits(name):
                raise _wrong(f"has the name {json.dumps(name[:130])}, which must be {shape}")
        return _members(value, dict.fromkeys(value, read))

    return read_all


def _list_of(read: Reader) -> Reader:
    def read_all(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) > MAX_NAMES:
            raise _wrong(f"must be a list of at most {MAX_NAMES}")
        # A list is read as an object whose names are the positions.
        places = {f"[{place}]": item for place, item in enumerate(value)}
        return tuple(_members(places, dict.fromkeys(places, read)).values())

    return read_all


_WEIGHT = _whole(0, MAX_WEIGHT_BP)
_WEIGHTS = {
    "default": _WEIGHT,
    "game": _named(money.is_reference, NAME_SHAPE, _WEIGHT),
    "category": _named(is_code, CODE_SHAPE, _WEIGHT),
    "provider": _named(is_code, CODE_SHAPE, _WEIGHT),
}
_EXCLUDED = {
    "game": _list_of(_text(money.is_reference, NAME_SHAPE)),
    "category": _list_of(_text(is_code, CODE_SHAPE)),
}


def _weights(value: Any) -> Weights:
    weights = Weights(**_members(value, _WEIGHTS))
    if len(weights.game) + len(weights.category) + len(weights.provider) > MAX_NAMES:
        raise _wrong(f"must name at most {MAX_NAMES} games, categories and providers")
    return weights


def _excluded(value: Any) -> Excluded:
    members = _members(value, _EXCLUDED)
    return Excluded(**{scope: frozenset(names) for scope, names in members.items()})


def _amounts(currencies: Mapping[str, int]) -> Reader:
    def read(value: Any) -> dict[str, Amounts]:
        if type(value) is not dict or not value:
            raise _wrong("must be an object with at least one currency")
        if unknown := [code for code in value if code not in currencies]:
            raise _wrong(f"names the currency {json.dumps(unknown[0][:32])}, which is not one of this house")
        return _members(value, {code: _amounts_in(currencies[code]) for code in value})

    return read


def _amounts_in(digits: int) -> Reader:
    any_amount, above_zero = _amount(digits, least=0), _amount(digits, least=1)
    readers = {
        "cap": _or_null(above_zero),
        "amount": _or_null(above_zero),
        "min_deposit": any_amount,
        "max_stake": _or_null(above_zero),
        "max_conversion": _or_null(above_zero),
        "depleted_below": any_amount,
    }
    return lambda value: Amounts(**_members(value, readers))


_FIELDS: dict[str, Reader] = {
    "code": _text(is_code, CODE_SHAPE),
    "name": _text(_is_title, "1 to 128 printable characters without spaces at either end"),
    "kind": _one_of(OfferKind),
    "percent_bp": _or_null(_whole(1, MAX_PERCENT_BP)),
    "multiplier": _whole(0, 1000),
    "base": _one_of(Base),
    "counted": _one_of(Counted),
    "spend_order": _one_of(SpendOrder),
    "weights": _weights,
    "excluded": _excluded,
    "which_deposit": _which_deposit,
    "max_stake_bp": _or_null(_whole(1, MAX_PERCENT_BP)),
    "over_max_stake": _one_of(OverMaxStake),
    "conversion": _one_of(Conversion),
    "sticky": _flag,
    "on_withdrawal": _one_of(OnWithdrawal),
    "claim_days": _or_null(_whole(1, MAX_DAYS)),
    "spend_days": _or_null(_whole(1, MAX_DAYS)),
    "valid_from": _or_null(_moment),
    "valid_until": _or_null(_moment),
    "per_player": _whole(1, 1_000_000),
    "total": _or_null(_whole(1, 10**9)),
    "promo_code": _or_null(promo_code),
    "countries": _list_of(_country),
    "enabled": _flag,
}
_REQUIRED = ("code", "name", "kind", "multiplier", "amounts")

# What fields contradict in each other


def _contradictions(spec: OfferSpec) -> Iterator[Problem]:
    yield from _missing_for_kind(spec)
    yield from _wrong_base(spec)
    if spec.conversion is Conversion.ORIGINAL and spec.sticky:
        yield Problem("sticky", "must be false when no more than the granted amount converts: nothing would be left")
    if spec.valid_from and spec.valid_until and spec.valid_from >= spec.valid_until:
        yield Problem("valid_until", "must be later than valid_from")
    if spec.promo_code is not None and spec.kind is OfferKind.CASHBACK:
        yield Problem("promo_code", "must be left out when kind is cashback: nobody can claim one")
    for country in spec.countries:
        yield from jurisdiction_breaches(country, spec)


def _missing_for_kind(spec: OfferSpec) -> Iterator[Problem]:
    if spec.kind in (OfferKind.DEPOSIT_MATCH, OfferKind.CASHBACK):
        if spec.percent_bp is None:
            yield Problem("percent_bp", f"is required when kind is {spec.kind}")
        for currency, amounts in spec.amounts.items():
            if amounts.cap is None:
                yield Problem(f"amounts.{currency}.cap", f"is required when kind is {spec.kind}")
    if spec.kind is OfferKind.FIXED:
        for currency, amounts in spec.amounts.items():
            if amounts.amount is None:
                yield Problem(f"amounts.{currency}.amount", "is required when kind is fixed")


def _wrong_base(spec: OfferSpec) -> Iterator[Problem]:
    if spec.kind is OfferKind.FREE_ROUNDS:
        if spec.base is not Base.WINNINGS:
            yield Problem("base", "must be winnings when kind is free_rounds")
        if spec.conversion is Conversion.ORIGINAL:
            yield Problem("conversion", "must be balance when kind is free_rounds: nothing is granted beforehand")
    elif spec.base is Base.WINNINGS:
        yield Problem("base", "can be winnings only when kind is free_rounds")
    elif spec.base is Base.DEPOSIT_PLUS_BONUS and spec.kind is OfferKind.CASHBACK:
        yield Problem("base", "must be bonus when kind is cashback: there is no deposit")


def offer_to_json(offer: Offer) -> dict[str, Any]:
    """The offer as the REST API answers it and as the admin form shows it."""
    return show_offer(offer.spec(), _digits())


def create_offer(data: dict[str, Any]) -> Offer:
    """Save a new offer; raises InvalidOffer, or Refused("already_exists") when its code is taken."""
    spec = validate_offer(data, _digits())
    with _promo_code_is_free(spec), transaction.atomic():
        offer, created = Offer.objects.get_or_create(code=spec.code, defaults=_columns(spec))
        if not created:
            raise Refused("already_exists")
        _write_weights(offer, spec)
    return Offer.objects.get(pk=offer.pk)


def edit_offer(offer: Offer, changes: dict[str, Any]) -> Offer:
    """Save `changes`, members of the offer's JSON each replaced as a whole.

    Bonuses already granted keep their terms. Raises InvalidOffer, or Busy when the offer was edited
    by somebody else since it was read: the same request may be sent again.
    """
    spec = validate_offer(offer_to_json(offer) | changes, _digits())
    if spec.code != offer.code:
        raise InvalidOffer([Problem("code", "cannot be changed: bonuses and requests name the offer by it")])
    if spec.total is not None and spec.total < offer.granted:
        raise InvalidOffer([Problem("total", f"must be at least {offer.granted}: so many have been granted")])
    as_read = Offer.objects.filter(pk=offer.pk, version=offer.version)
    room_left = as_read if spec.total is None else as_read.filter(granted__lte=spec.total)
    with _promo_code_is_free(spec), transaction.atomic():
        # Zero means that somebody else edited the offer, or was granted more than the new total.
        if room_left.update(**_columns(spec), version=F("version") + 1, updated_at=Now()) == 0:
            raise Busy
        _write_weights(offer, spec)
    return Offer.objects.get(pk=offer.pk)


@contextmanager
def _promo_code_is_free(spec: OfferSpec) -> Iterator[None]:
    """Raises InvalidOffer where another open offer has the code that is saved inside."""
    try:
        yield
    except IntegrityError as error:
        if "offer_promo_code" not in str(error):
            raise
        holder = Offer.objects.filter(promo_code=spec.promo_code, enabled=True).exclude(code=spec.code).first()
        open_offer = f"the open offer {holder.code}" if holder else "another open offer"
        raise InvalidOffer([Problem("promo_code", f"is the code of {open_offer}")]) from None


def _digits() -> dict[str, int]:
    return dict(Currency.objects.values_list("code", "digits"))


def _columns(spec: OfferSpec) -> dict[str, Any]:
    columns: dict[str, Any] = msgspec.to_builtins(spec, builtin_types=(datetime,))
    del columns["weights"], columns["excluded"]
    return columns | {
        "which_deposit": str(spec.which_deposit),
        "default_weight_bp": spec.weights.default,
        "countries": list(spec.countries),
    }


def _write_weights(offer: Offer, spec: OfferSpec) -> None:
    said: dict[tuple[str, str], GameWeight] = {}

    def about(scope: str, name: str) -> GameWeight:
        return said.setdefault((scope, name), GameWeight(offer=offer, scope=scope, name=name))

    for scope in GameWeight.Scope.values:
        for name, weight_bp in getattr(spec.weights, scope).items():
            about(scope, name).weight_bp = weight_bp
    for scope in ("game", "category"):
        for name in getattr(spec.excluded, scope):
            about(scope, name).excluded = True
    GameWeight.objects.filter(offer=offer).delete()
    GameWeight.objects.bulk_create(said.values())
