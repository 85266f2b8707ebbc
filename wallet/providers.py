"""Providers made and changed by whichever door: the admin, REST and the command rest on the same rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from wallet.errors import Busy, InvalidField, Refused
from wallet.kinds import HOUSE_SOURCES
from wallet.models import Currency, Provider, Transaction
from wallet.models.provider import DEFAULT_PROFILE, KNOWN_BY_HEART, validate_secret
from wallet.provider_file.mapping import WrongMapping, read_mapping

# What chooses its answers, in the order in which it is shown.
PROFILE: Final = ("reference_scope", *DEFAULT_PROFILE)
CHANGEABLE: Final = (
    "name",
    "enabled",
    "dialect",
    "merchant",
    "public_key_one",
    "public_key_two",
    "currencies",
    "file_mapping",
    *PROFILE,
)


_code_shape = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}").fullmatch


class Changes(NamedTuple):
    """What was changed, for the audit trail; secrets are in neither."""

    before: dict[str, Any]
    after: dict[str, Any]


def address(provider: Provider, base_url: str) -> str:
    """The address that is given to the provider; its calls stand below it."""
    if provider.dialect == Provider.Dialect.DOOR:
        return f"{base_url}/api/game/v1/"
    return f"{base_url}/api/game/{provider.dialect}/{provider.code}/"


def find(code: str) -> Provider:
    """Raises Refused (``unknown_provider``)."""
    found = Provider.objects.filter(code=code).first()
    if found is None:
        raise Refused("unknown_provider", provider=code)
    return found


def make(code: str, fields: Mapping[str, Any], secret: str | None = None) -> tuple[Provider, str]:
    """Make a provider; returns it and its first secret, which is shown once.

    ``fields`` are CHANGEABLE ones. A dialect brings its profile; what else is named goes before it. The secret is
    made where none is given. Raises InvalidField, Refused (``already_exists``).
    """
    if _code_shape(code) is None or code in HOUSE_SOURCES:
        raise InvalidField(
            "code", "must be 1 to 64 small letters, digits, - or _, and none of " + ", ".join(HOUSE_SOURCES)
        )
    made = Provider(code=code)
    _put(made, fields)
    shown = made.rotate(checked_secret(secret))
    _check(made, Provider._meta.get_fields())
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        raise Refused("already_exists", provider=code) from None
    return made, shown


def change(code: str, fields: Mapping[str, Any]) -> tuple[Provider, Changes]:
    """Change CHANGEABLE fields; another dialect brings its profile, and what else is named goes before it.

    Raises InvalidField, Refused (``unknown_provider``), Busy where others change it over and over.
    """
    for _ in range(TRIED):
        changed = find(code)
        seen, before = changed.secrets_version, {name: getattr(changed, name) for name in CHANGEABLE}
        _put(changed, fields)
        names = [name for name in CHANGEABLE if getattr(changed, name) != before[name]]
        if "reference_scope" in names and Transaction.objects.filter(source=code).exists():
            raise InvalidField(
                "reference_scope", "cannot change once there is a transaction: references are made of it"
            )
        if not names:
            return changed, Changes({}, {})
        if not set(names).isdisjoint(KNOWN_BY_HEART):
            changed.secrets_version += 1
        _check(changed, [changed._meta.get_field(name) for name in names])
        old = {name: before[name] for name in names}
        if replaced(changed, seen=seen, names=[*names, "secrets_version"], **old):
            return changed, Changes(old, {name: getattr(changed, name) for name in names})
    raise Busy


def new_secret(code: str, secret: str | None = None) -> str:
    """Make a new secret, or take the one the provider dictates; the newest other one stays live.

    Raises InvalidField, Refused (``unknown_provider``), Busy where others change it over and over.
    """
    given = checked_secret(secret)
    for _ in range(TRIED):
        provider = find(code)
        seen = provider.secrets_version
        shown = provider.rotate(given)
        if replaced(provider, seen=seen):
            return shown
    raise Busy


def revoke(code: str, *, older_only: bool) -> None:
    """Take back the older secret, or both. Raises Refused (``unknown_provider``), Busy as ``new_secret`` does."""
    for _ in range(TRIED):
        provider = find(code)
        seen = provider.secrets_version
        provider.revoke(older_only=older_only)
        if replaced(provider, seen=seen):
            return
    raise Busy


SECRETS: Final = ("secret_one", "secret_two", "secrets_version")
# Somebody else changing the same provider at the same moment, over and over, is not to be expected.
TRIED: Final = 5


def replaced(provider: Provider, *, seen: int, names: Iterable[str] = SECRETS, **before: Any) -> bool:
    """Write these columns, unless the row is no longer the one that was read: ``seen`` its version, ``before`` more."""
    written = {name: getattr(provider, name) for name in names}
    return Provider.objects.filter(pk=provider.pk, secrets_version=seen, **before).update(**written) == 1


def checked_secret(secret: str | None) -> str | None:
    """Raises InvalidField for one that cannot be a secret."""
    if secret is not None:
        try:
            validate_secret(secret)
        except ValidationError as error:
            raise InvalidField("secret", _sentence(error)) from None
    return secret


def _put(provider: Provider, fields: Mapping[str, Any]) -> None:
    """Set the fields, the dialect first: it brings a profile."""
    dialect = fields.get("dialect")
    if dialect is not None and dialect != provider.dialect:
        provider.choose(dialect)
    for name, value in fields.items():
        setattr(provider, name, value)


def _check(provider: Provider, fields: Iterable[Any]) -> None:
    """The model's own validation of these fields. Raises InvalidField for the first that is wrong."""
    names = {field.name for field in fields}
    others = {field.name for field in provider._meta.get_fields()} - names
    try:
        provider.clean_fields(exclude=others)
    except ValidationError as error:
        name, errors = next(iter(error.error_dict.items()))
        raise InvalidField(name, _sentence(errors[0])) from None
    if "file_mapping" in names:
        check_mapping(provider.file_mapping)
    if "currencies" in names:
        check_currencies(provider.currencies)


def check_mapping(value: Any) -> None:
    """Raises InvalidField for a mapping of files that cannot be one."""
    try:
        read_mapping(value)
    except WrongMapping as wrong:
        raise InvalidField("file_mapping", f"is wrong: {wrong}") from None


def check_currencies(names: Mapping[str, str]) -> None:
    """Raises InvalidField where a code of ours is none."""
    known = set(Currency.objects.filter(code__in=names.values()).values_list("code", flat=True))
    for theirs, ours in names.items():
        if ours not in known:
            raise InvalidField("currencies", f"must name currencies of this casino; {ours} ({theirs}) is none")


def _sentence(error: ValidationError) -> str:
    """Django's sentence as InvalidField wants it, behind the field's name."""
    return f"is wrong: {error.messages[0]}"
