"""One line above a view's method that puts it into the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from casino_pam import problems
from casino_pam.rest import shapes
from casino_pam.rest.callers import PLAYER
from wallet.errors import STATUS

View = TypeVar("View", bound=Callable[..., Any])
Shape = Any

_PROBLEM: Final = "application/problem+json"
# Refusals that any request may meet, and any request with a body.
_ALWAYS: Final = ("unauthenticated", "forbidden", "rate_limited", "internal", "busy", "unavailable")
_OF_BODIES: Final = ("malformed", "invalid_field", "too_large", "unsupported_media_type")

_TEXTS: Final = {
    "kind": "A kind of row, such as `bet`.",
    "status": "`posted`, `refused` or `void`.",
    "round": "Rows of one round.",
    "reference": "Rows spent under one reference.",
    "since": "From this instant on (UTC, ISO 8601).",
    "until": "Before this instant (UTC, ISO 8601).",
    "cursor": "The `next` of the page before.",
    "currency": "One wallet only.",
    "at": "The balances at this instant (UTC, ISO 8601); `wagering` is then null.",
    "after": "The `next` of the page before.",
}
_INSTANTS: Final = ("since", "until", "at")


class HouseSchema(AutoSchema):
    """Each path asks for a key or for a player's token, as its view's scope says."""

    def get_auth(self) -> list[dict[str, Any]]:
        scope = getattr(self.view, "scope", None)
        if scope is None:
            return []
        return [{"playerToken": []}] if scope == PLAYER else [{"apiKey": []}]


def described(
    summary: str,
    *,
    answers: Shape,
    status: int = 200,
    asks: Shape = None,
    sends: dict[str, Any] | None = None,
    gets: dict[str, Any] | None = None,
    query: tuple[str, ...] = (),
    refusals: tuple[str, ...] = (),
    name: str | None = None,
) -> Callable[[View], View]:
    """``sends`` and ``gets`` are examples of the request and the answer; ``refusals`` the codes beside
    those that every request may meet; ``answers`` may be several by their status. ``name`` is the
    operation's where its path alone gives it another's."""
    codes = (*_ALWAYS, *refusals)
    if asks is not None:
        codes = (*codes, *_OF_BODIES)
    elif query:
        codes = (*codes, "malformed", "invalid_field")
    examples = []
    if sends is not None:
        examples.append(OpenApiExample("Request", sends, request_only=True))
    if gets is not None:
        examples.append(OpenApiExample("Answer", gets, response_only=True, status_codes=[str(status)]))
    decorate: Callable[[View], View] = extend_schema(
        summary=summary,
        operation_id=name,
        request=asks,
        responses={**(answers if isinstance(answers, dict) else {status: answers}), **_problems(codes)},
        parameters=[_parameter(name) for name in query],
        examples=examples,
    )
    return decorate


def _problems(codes: tuple[str, ...]) -> dict[Any, OpenApiResponse]:
    """The problems by status, each with its codes and what they mean."""
    by_status: dict[int, list[str]] = {}
    for code in sorted(set(codes), key=list(STATUS).index):
        by_status.setdefault(STATUS[code], []).append(f"`{code}`: {problems.TEXTS[code][0]}.")
    return {
        (status, _PROBLEM): OpenApiResponse(shapes.Problem, description="  \n".join(lines))
        for status, lines in by_status.items()
    }


def _parameter(name: str) -> OpenApiParameter:
    shape = OpenApiTypes.DATETIME if name in _INSTANTS else OpenApiTypes.STR
    return OpenApiParameter(name, shape, description=_TEXTS[name])
