"""The OpenAPI document and the Swagger page, both without a byte from another host."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.serializers import ListSerializer, Serializer

from casino_pam import problems
from casino_pam.api.rest import serializers
from casino_pam.api.rest.authentication import PLAYER
from casino_pam.api.rest.rest_view import RestView
from casino_pam.api.rest.serializer_fields import TermsSerializer
from wallet.errors import STATUS

View = TypeVar("View", bound=Callable[..., Any])
Shape = Any

_PROBLEM: Final = "application/problem+json"
# Refusals that any request may meet, and any request with a body.
_ALWAYS: Final = ("unauthenticated", "key_expired", "forbidden", "rate_limited", "internal", "busy", "unavailable")
_OF_BODIES: Final = ("malformed", "invalid_field", "too_large", "unsupported_media_type")
# Refusals of a body that names a player and a currency.
NO_WALLET: Final = ("unknown_player", "unknown_wallet", "unknown_currency")
# What a page of these is called.
_PAGES: Final = {
    "Bonus": "Bonuses",
    "Entry": "Entries",
    "FeedEntry": "FeedPage",
    "MyBonus": "MyBonuses",
    "MyEntry": "MyEntries",
    "LimitChange": "LimitChanges",
    "ListedPlayer": "Players",
    "LivingSession": "MySessions",
    "Offer": "Offers",
    "ShownProvider": "Providers",
    "Wallet": "Wallets",
    "Withdrawal": "Withdrawals",
}


class PamSchema(AutoSchema):
    """Each path asks for a key or for a player's token, as its view's scope says."""

    def get_auth(self) -> list[dict[str, Any]]:
        scope = getattr(self.view, "scope", None)
        if scope is None:
            return []
        return [{"playerToken": []}] if scope == PLAYER else [{"apiKey": []}]

    def get_paginated_name(self, serializer_name: str) -> str:
        return _PAGES[serializer_name]

    def _is_list_view(self, serializer: Any = None) -> bool:
        answers = self.get_response_serializers() if serializer is None else serializer
        # drf-spectacular would take the first of the problems for the answer.
        answer = answers.get(200) if isinstance(answers, dict) else answers
        return isinstance(answer, ListSerializer)


def documented(
    summary: str,
    *,
    answers: Shape,
    status: int = 200,
    asks: Shape = None,
    sends: dict[str, Any] | None = None,
    gets: dict[str, Any] | None = None,
    query: tuple[type[Serializer[Any]], ...] = (),
    refusals: tuple[str, ...] = (),
) -> Callable[[View], View]:
    """``sends`` and ``gets`` are examples of the request and the answer; ``refusals`` the codes beside
    those that every request may meet; ``answers`` may be several by their status. ``query``
    is what reads the query string, beside the view's pagination."""
    codes = (*_ALWAYS, *refusals)
    if asks is not None:
        codes = (*codes, *_OF_BODIES)
    elif query or isinstance(answers, ListSerializer):
        codes = (*codes, "malformed", "invalid_field")
    examples = []
    if sends is not None:
        examples.append(OpenApiExample("Request", sends, request_only=True))
    if gets is not None:
        examples.append(OpenApiExample("Answer", gets, response_only=True, status_codes=[str(status)]))
    decorate: Callable[[View], View] = extend_schema(
        summary=summary,
        request=asks,
        responses={**(answers if isinstance(answers, dict) else {status: answers}), **_problems(codes)},
        parameters=list(query),
        examples=examples,
    )
    return decorate


def _problems(codes: tuple[str, ...]) -> dict[Any, OpenApiResponse]:
    """The problems by status, each with its codes and what they mean."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(set(codes), key=list(STATUS).index):
        by_status.setdefault(STATUS[code], []).append(f"`{code}`: {problems.TEXTS[code][0]}.")
    return {
        (status, _PROBLEM): OpenApiResponse(serializers.Problem, description="  \n".join(lines))
        for status, lines in by_status.items()
    }


SECURITY: Final = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "A back end's key: `Api-Key <key>`.",
    },
    "playerToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "A player's token, from `POST /api/v1/players/{player}/tokens`; it lives for 15 minutes.",
    },
}

ABOUT: Final = """\
Money is a decimal string with at most its currency's digits. Every command names a `reference`: the
same request under the same reference is carried out once and answered as the first time, for ever.
Every refusal is a problem (RFC 9457) whose `code` says which it is and whose `retry` says whether
the very same request may be sent again. Unknown fields are ignored, but where a body sets terms
(`additionalProperties: false`): there a misspelt one is refused. `null` is not a way to leave a field out."""


class Open(RestView):
    """Needs no credentials."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class Schema(Open):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


# Swagger UI writes styles into the page. Nothing can be sent anywhere but here: a secret is typed into it.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Docs(Open):
    """Swagger UI on the document above; it signs calls of the game door (static/casino/docs.js)."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        page = render(request, "docs.html")
        page["Content-Security-Policy"] = _POLICY
        return page


@functools.cache
def document() -> bytes:
    """The whole document as JSON; nothing in it changes while the process lives."""
    return problems.encode(SchemaGenerator().get_schema(public=True))  # type: ignore[no-untyped-call]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's last hook: what is not said view by view."""
    result["info"]["description"] = ABOUT
    terms = {each.__name__ for each in _below(TermsSerializer)}
    for name, shape in result["components"]["schemas"].items():
        if name.removeprefix("Patched") in terms:
            shape["additionalProperties"] = False
    # The page tries things out where it came from; others reach the house by its address.
    result["servers"] = [
        {"url": "/", "description": "The server this document is from"},
        {"url": settings.BASE_URL, "description": "As other systems reach it"},
    ]
    result["components"]["securitySchemes"] = SECURITY
    return result


def _below(base: type[Serializer[Any]]) -> Iterator[type[Serializer[Any]]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)
