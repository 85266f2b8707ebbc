"""What a query string may ask of a statement; garbage is refused, unknown names are ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from rest_framework.request import Request

from casino_pam.api import fields
from casino_pam.api.fields import Body, optional
from wallet.errors import InvalidField
from wallet.history import Page, StatementFilter
from wallet.kinds import KINDS, STATUSES

STATEMENT: Final = ("kind", "status", "round", "reference", "since", "until", "cursor")

_cursor_shape = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18}){0,99}").fullmatch
_uuid_shape = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def named(request: Request, names: tuple[str, ...]) -> Mapping[str, str]:
    """The parameters of these names; each may come once."""
    found = {}
    for name in names:
        values = request.GET.getlist(name)
        if len(values) > 1:
            raise InvalidField(name, "must be given once")
        if values:
            found[name] = values[0]
    return found


def statement_filter(query: Body) -> StatementFilter:
    return StatementFilter(
        kind=_word(query, "kind", KINDS),
        status=_word(query, "status", STATUSES),
        round=optional(fields.text_id, query, "round"),
        reference=optional(fields.text_id, query, "reference"),
        since=optional(fields.instant, query, "since"),
        until=optional(fields.instant, query, "until"),
    )


def _word(query: Body, name: str, allowed: tuple[str, ...]) -> str | None:
    """The ledger writes in capitals what JSON writes in lower case."""
    word = optional(fields.choice, query, name, tuple(each.lower() for each in allowed))
    return None if word is None else word.upper()


def below(query: Body, wallets: int) -> list[int] | None:
    """The place a page's ``next`` named: for each wallet a version."""
    text = query.get("cursor")
    if text is None:
        return None
    versions = text.split(".") if _cursor_shape(text) else []
    if not 0 < len(versions) <= wallets:
        raise InvalidField("cursor", "must be the next of an earlier page of this list")
    return [int(version) for version in versions]


def cursor(page: Page) -> str | None:
    return None if page.below is None else ".".join(map(str, page.below))


def after(query: Body) -> UUID | None:
    text = query.get("after")
    if text is None:
        return None
    if _uuid_shape(text) is None:
        raise InvalidField("after", "must be the next of an earlier page of the feed")
    return UUID(text)
