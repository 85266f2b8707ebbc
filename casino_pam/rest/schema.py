"""The OpenAPI document and the Swagger page, both without a byte from another host."""

from __future__ import annotations

import functools
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from casino_pam import problems
from casino_pam.rest.door import Door

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
the very same request may be sent again. Unknown fields are ignored; `null` is not a way to leave a
field out."""


class Open(Door):
    """Needs no credentials."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


class Schema(Open):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(document(), content_type="application/json")


class Docs(Open):
    """Swagger UI on the document above."""

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        return render(request, "docs.html")


@functools.cache
def document() -> bytes:
    """The whole document as JSON; nothing in it changes while the process lives."""
    return problems.encode(SchemaGenerator().get_schema(public=True))  # type: ignore[no-untyped-call]


def completed(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's last hook: what is not said view by view."""
    result["info"]["description"] = ABOUT
    result["components"]["securitySchemes"] = SECURITY
    return result
