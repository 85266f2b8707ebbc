"""The fields and serializers of which the bodies and queries of this door are made.

``casino_pam.api.fields`` reads a field here as at every other door, and the first field that is wrong is the answer
(InvalidField). What a field inherits from Django REST framework documents it and writes it into answers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.core.exceptions import ValidationError
from rest_framework.fields import Field, SkipField, empty
from rest_framework.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DateTimeField,
    DictField,
    IntegerField,
    JSONField,
    ListField,
    RegexField,
    Serializer,
)

from bonus.offers import PROMO_CODE, InvalidOffer, promo_code
from casino_pam.api import fields, responses
from casino_pam.api.fields import Body
from casino_pam.engine import accounts
from wallet import audit, jurisdictions
from wallet.audit import LONGEST_REASON
from wallet.errors import InvalidField, Refused, unknown_members
from wallet.models.provider import validate_currencies, validate_public_key
from wallet.money import show
from wallet.provider_file.mapping import WrongMapping, read_mapping
from wallet.time import to_datetime

_AMOUNT: Final = r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"
_SIGNED: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_NAME: Final = r"^[!-~]([ -~]*[!-~])?$"
_CURRENCY: Final = r"^[A-Z][A-Z0-9_]{2,31}$"
_COUNTRY: Final = r"^[A-Z]{2}$"


# --- serializers -----------------------------------------------------------------------------
# A docstring would be shown to readers of the OpenAPI document wherever a body has none of its own.


# An object: its fields are read in the order in which they are declared, unknown ones are ignored. Validation raises
# InvalidField for the first field that is wrong.
class StrictSerializer(Serializer[Any]):
    def run_validation(self, data: Any = empty) -> Any:
        if self.field_name is None:
            return self.validate(self.to_internal_value(data))
        if data is empty and not self.required:
            raise SkipField
        body = fields.part(data, self.field_name)
        try:
            return self.to_internal_value(body)
        except InvalidField as refusal:
            raise refusal.inside(self.field_name) from None

    def digits_of(self, instance: Any) -> int:
        """The decimal places of the currency in which the amounts of ``instance`` are shown."""
        digits: int = instance.digits
        return digits


# A body that sets terms: unlike others it refuses fields that it does not have, for a misspelt one would be a term that
# nobody keeps (PLAY.md section 1).
class TermsSerializer(StrictSerializer):
    def to_internal_value(self, data: Any) -> Any:
        for name, message in unknown_members(data, self.fields):
            raise InvalidField(name, message)
        return super().to_internal_value(data)


# A body that names a currency, by whose digits its amounts are read.
class CurrencySerializer(StrictSerializer):
    @cached_property
    def digits(self) -> int | None:
        """Known to amounts declared after ``currency``; None of a currency that we do not keep."""
        digits: Mapping[str, int] = accounts.digits()
        return digits.get(self.initial_data["currency"])


# A currency that we do not keep is refused once nothing in the body is malformed: Refused (``unknown_currency``).
class KnownCurrencySerializer(CurrencySerializer):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.digits is None:
            raise Refused("unknown_currency", currency=attrs["currency"])
        return attrs


# --- fields ----------------------------------------------------------------------------------


class StrictField(Field[Any, Any, Any, Any]):
    """Read by ``read``. A field that may be left out may still not be null, unless null has a meaning."""

    # Whether null is refused as any other wrong value is, in a field that may be left out.
    null_is_a_value = False

    @abstractmethod
    def read(self, body: Body, name: str) -> Any:
        """The field's value. Raises InvalidField."""

    def run_validation(self, data: Any = empty) -> Any:
        if data is empty and (not self.required or self.root.partial):
            raise SkipField
        if data is None and self.allow_null:
            return None
        name = str(self.field_name)
        body = {} if data is empty else {name: data}
        if self.required or self.null_is_a_value:
            return self.read(body, name)
        return fields.optional(self.read, body, name)


class NameField(StrictField, RegexField):
    """A name that somebody else gave: player, reference, round, game."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_NAME, max_length=128, **options)

    def read(self, body: Body, name: str) -> str:
        return fields.text_id(body, name)


class ReferenceField(CharField):
    """A reference of the ledger as its source knows it."""

    def to_representation(self, value: str) -> str:
        return responses.own_reference(value)


class CurrencyField(StrictField, RegexField):
    def __init__(self, **options: Any) -> None:
        super().__init__(_CURRENCY, **options)

    def read(self, body: Body, name: str) -> str:
        return fields.currency(body, name)


class CountryField(StrictField, RegexField):
    def __init__(self, **options: Any) -> None:
        super().__init__(_COUNTRY, **options)

    def read(self, body: Body, name: str) -> str:
        try:
            return jurisdictions.country(body.get(name))
        except jurisdictions.InvalidCountry as error:
            raise InvalidField(name, str(error)) from None


class CurrenciesField(StrictField, ListField):
    """Currencies, each named once; of a player the currencies of the wallets."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=CurrencyField(), **options)

    def read(self, body: Body, name: str) -> list[str]:
        codes = body[name]
        if type(codes) is not list or (self.max_length is not None and len(codes) > self.max_length):
            raise InvalidField(name, f"must be an array of at most {self.max_length} currencies")
        places = {f"{name}[{place}]": code for place, code in enumerate(codes)}
        for place in places:
            fields.currency(places, place)
        if len(set(codes)) < len(codes):
            raise InvalidField(name, "must name each currency once")
        return codes

    def to_representation(self, value: Any) -> list[str]:
        return [wallet.currency_id for wallet in value.all()]


class PublicKeysField(StrictField, ListField):
    """At most two RSA public keys in PEM, the newest first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=CharField(), max_length=2, **options)

    def read(self, body: Body, name: str) -> list[str]:
        keys = body.get(name)
        if type(keys) is not list or len(keys) > 2 or not all(type(key) is str for key in keys):
            raise InvalidField(name, "must be an array of at most two public keys in PEM")
        for place, key in enumerate(keys):
            try:
                validate_public_key(key)
            except ValidationError as error:
                raise InvalidField(f"{name}[{place}]", f"is wrong: {error.messages[0]}") from None
        return keys


class NamesField(StrictField, DictField):
    """Currencies by the names that somebody else has for them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=CurrencyField(), **options)

    def read(self, body: Body, name: str) -> dict[str, str]:
        names = body.get(name)
        try:
            validate_currencies(names)
        except ValidationError as error:
            raise InvalidField(name, f"is wrong: {error.messages[0]}") from None
        return names  # type: ignore[return-value]


class MappingField(StrictField, JSONField):
    """How a provider's own report is read."""

    def read(self, body: Body, name: str) -> dict[str, Any]:
        value = body.get(name)
        if type(value) is not dict:
            raise InvalidField(name, "must be an object")
        try:
            read_mapping(value)
        except WrongMapping as wrong:
            raise InvalidField(name, f"is wrong: {wrong}") from None
        return value


class ReasonField(StrictField, RegexField):
    def __init__(self, **options: Any) -> None:
        super().__init__(r"^.*\S.*$", max_length=LONGEST_REASON, **options)

    def read(self, body: Body, name: str) -> str:
        reason = body.get(name)
        if type(reason) is not str or not audit.is_reason(reason):
            raise InvalidField(
                name, f"must be a string of 1 to {LONGEST_REASON} printable characters that is not blank"
            )
        return reason


class TextField(StrictField, CharField):
    """A text for people, on one line."""

    def read(self, body: Body, name: str) -> str:
        text = body.get(name)
        longest = self.max_length or LONGEST_REASON
        if type(text) is not str or not 0 < len(text) <= longest or not text.isprintable() or not text.strip():
            raise InvalidField(name, f"must be a string of 1 to {longest} printable characters")
        return text


class PromoCodeField(StrictField, RegexField):
    """A code that a player enters; in capitals once it is read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(f"^{PROMO_CODE}$", **options)

    def read(self, body: Body, name: str) -> str:
        try:
            return promo_code(body.get(name))
        except InvalidOffer as wrong:
            raise InvalidField(name, wrong.problems[0].message) from None


class FlagField(StrictField, BooleanField):
    null_is_a_value = True

    def read(self, body: Body, name: str) -> bool:
        return fields.flag(body, name)


class InstantField(StrictField, DateTimeField):
    """A moment with any offset; answers show a datetime, or microseconds since 1970, in UTC to the microsecond."""

    def read(self, body: Body, name: str) -> datetime:
        return fields.instant(body, name)

    def to_representation(self, value: datetime | int) -> str:
        return responses.instant(to_datetime(value) if isinstance(value, int) else value)


class QueryInstantField(InstantField):
    """As ``InstantField``, in a query, where the plus of an offset arrives as a space unless it was escaped."""

    def read(self, body: Body, name: str) -> datetime:
        return super().read({name: body[name].replace(" ", "+")}, name)


class WordField(StrictField, ChoiceField):
    """One of some words, written in lower case where the ledger has capitals."""

    def __init__(self, *words: str, **options: Any) -> None:
        self.words = {word.lower(): word for word in words}
        super().__init__(choices=list(self.words), **options)

    def read(self, body: Body, name: str) -> str:
        return self.words[fields.choice(body, name, tuple(self.words))]

    def to_representation(self, value: str) -> str:
        return value.lower()


class WholeField(StrictField, IntegerField):
    """A whole number within bounds."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(min_value=least, max_value=most, **options)
        self.least, self.most = least, most

    def read(self, body: Body, name: str) -> int:
        value = body.get(name)
        if type(value) is not int or not self.least <= value <= self.most:
            raise InvalidField(name, f"must be a whole number from {self.least} to {self.most}")
        return value


class KindField(CharField):
    """A kind of row."""

    def to_representation(self, value: str) -> str:
        return value.lower()


class AmountField(StrictField, RegexField):
    """Minor units inside, a decimal string outside, with the digits of the body's currency.

    Of a currency that we do not keep only the shape of an amount can be judged.
    """

    shape = _AMOUNT
    about = "Decimal string, at most the currency's digits."

    def __init__(self, **options: Any) -> None:
        super().__init__(self.shape, **{"help_text": self.about, **options})

    @property
    def digits(self) -> int | None:
        assert isinstance(self.root, CurrencySerializer)
        return self.root.digits

    def read(self, body: Body, name: str) -> int:
        if self.digits is not None:
            return fields.amount(body, name, self.digits)
        fields.amount_text(body, name)
        return 0

    def get_attribute(self, instance: Any) -> Any:
        """What is answered is shown with the digits of the thing it belongs to."""
        value = super().get_attribute(instance)
        if type(value) is not int:
            return value
        assert isinstance(self.parent, StrictSerializer)
        return show(value, self.parent.digits_of(instance))


def _not_zero(body: Body, name: str) -> None:
    """Raises InvalidField for an amount of zero, of whatever currency."""
    if not body[name].strip("-0."):
        raise InvalidField(name, "must not be zero")


class MovingAmountField(AmountField):
    """An amount that moves money, and so is not zero."""

    shape = rf"^(?!0(\.0+)?$){_AMOUNT[1:]}"

    def read(self, body: Body, name: str) -> int:
        minor = super().read(body, name)
        _not_zero(body, name)
        return minor


class SignedAmountField(AmountField):
    shape = _SIGNED
    about = "Decimal string, negative where money leaves."

    def read(self, body: Body, name: str) -> int:
        if self.digits is not None:
            return fields.signed_amount(body, name, self.digits)
        text = body.get(name)
        return super().read({name: text.removeprefix("-")} if type(text) is str else body, name)


class MovingSignedAmountField(SignedAmountField):
    """As ``MovingAmountField``, negative where money leaves."""

    shape = rf"^(?!-?0(\.0+)?$){_SIGNED[1:]}"

    def read(self, body: Body, name: str) -> int:
        minor = super().read(body, name)
        _not_zero(body, name)
        return minor
