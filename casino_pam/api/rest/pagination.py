"""Lists page by page: each kind of list has a cursor of its own, which the client hands back as it came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam.api import fields
from casino_pam.api.fields import optional
from casino_pam.api.rest import player_serializers, serializers
from casino_pam.engine import accounts
from casino_pam.engine.accounts import Place, PlayerFilter
from wallet import history
from wallet.errors import InvalidField
from wallet.history import StatementFilter
from wallet.models import Transaction
from wallet.time import to_datetime, to_microseconds

PAGE: Final = 100
STATEMENT: Final = (*serializers.StatementQuery().fields, "cursor")

_versions_shape = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18}){0,99}").fullmatch
_place_shape = re.compile(r"[0-9]{1,16}\.[0-9]{1,18}").fullmatch
_uuid_shape = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def named(request: Request, names: tuple[str, ...]) -> Mapping[str, str]:
    """The parameters of these names; each may come once, others are ignored. Raises InvalidField."""
    found = {}
    for name in names:
        values = request.GET.getlist(name)
        if len(values) > 1:
            raise InvalidField(name, "must be given once")
        if values:
            found[name] = values[0]
    return found


class OnePage(BasePagination):
    """A list that is always whole: ``results``, and a ``next`` that is null."""

    cursor_parameter: ClassVar[str | None] = None
    next_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "nullable": True,
        "description": "The cursor of the next page; null on the last.",
        "example": None,
    }
    next: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        return list(queryset)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {"results": schema, "next": self.next_schema}
        return {"type": "object", "properties": properties, "required": ["next", "results"]}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        if self.cursor_parameter is None:
            return []
        about = "The `next` of the page before."
        return [{"name": self.cursor_parameter, "in": "query", "description": about, "schema": {"type": "string"}}]


class CursorPagination(OnePage):
    """Pages of which each names the place where the next begins."""

    cursor_parameter = "cursor"

    def cursor(self, request: Request) -> str | None:
        name = str(self.cursor_parameter)
        return named(request, (name,)).get(name)


class OfferPagination(CursorPagination):
    """Offers by code."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        after = optional(fields.text_id, named(request, ("cursor",)), "cursor")
        found = list(queryset.filter(code__gt=after or "").order_by("code")[: PAGE + 1])
        self.next = found[PAGE - 1].code if len(found) > PAGE else None
        return found[:PAGE]


class PlayerPagination(CursorPagination):
    """Players in the order in which they were made; a cursor is the place of one, microseconds and a number."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        wanted = PlayerFilter(**view.query(player_serializers.PlayerQuery))
        found, following = accounts.page(wanted, _place(self.cursor(request)))
        self.next = None if following is None else f"{to_microseconds(following.created_at)}.{following.id}"
        return found


class NewestFirstPagination(CursorPagination):
    """Rows whose ids are in the order of time, the newest first."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        before = _uuid(self.cursor(request))
        found = list((queryset if before is None else queryset.filter(id__lt=before))[: PAGE + 1])
        self.next = str(found[PAGE - 1].id) if len(found) > PAGE else None
        return found[:PAGE]


class StatementPagination(CursorPagination):
    """The statements of some wallets in one, newest first; a cursor holds a version for each wallet."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        wallets = {wallet.id: wallet for wallet in queryset}
        wanted = StatementFilter(**view.query(serializers.StatementQuery))
        page = history.page(queryset, wanted, _versions(self.cursor(request), len(wallets)))
        for row in page.rows:
            row.wallet = wallets[row.wallet_id]
        self.next = None if page.below is None else ".".join(map(str, page.below))
        return page.rows


class WithdrawalPagination(CursorPagination):
    """The withdrawals of a money source, newest first; ``queryset`` is the source."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        wanted = {"status": None, "since": None, **view.query(serializers.WithdrawalQuery)}
        found, below = history.withdrawals(queryset, **wanted, before=_uuid(self.cursor(request)), most=PAGE)
        self.next = None if below is None else str(below)
        return found


class FeedPagination(CursorPagination):
    """The feed, a function of the row it goes on from. There is always a ``next``, for what is yet to come."""

    cursor_parameter = "after"
    next_schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "format": "uuid",
        "description": "Ask with it again, now or later; it is never null.",
    }

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        after = _row(self.cursor(request))
        rows: list[Transaction] = queryset(after)
        self.next = str(rows[-1].id if rows else after)
        return rows


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    if _place_shape(cursor) is None:
        raise InvalidField("cursor", "must be the next of an earlier page of this list")
    at, _, id = cursor.partition(".")
    return Place(to_datetime(int(at)), int(id))


def _uuid(cursor: str | None) -> UUID | None:
    try:
        return None if cursor is None else UUID(cursor)
    except ValueError:
        raise InvalidField("cursor", "must be the next of an earlier page of this list") from None


def _versions(cursor: str | None, wallets: int) -> list[int] | None:
    if cursor is None:
        return None
    versions = cursor.split(".") if _versions_shape(cursor) else []
    if not 0 < len(versions) <= wallets:
        raise InvalidField("cursor", "must be the next of an earlier page of this list")
    return [int(version) for version in versions]


def _row(cursor: str | None) -> UUID:
    if cursor is None:
        return history.START
    if _uuid_shape(cursor) is None:
        raise InvalidField("after", "must be the next of an earlier page of the feed")
    return UUID(cursor)
