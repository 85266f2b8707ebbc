"""JSON in and out, whatever the client says it would accept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from casino_pam import problems
from casino_pam.api import strict_json
from casino_pam.guard import MAX_BODY
from wallet.errors import Refused

JSON: Final = "application/json"


class StrictJson(BaseParser):
    """The house's one reading of JSON."""

    media_type = JSON

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body: bytes = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise Refused("too_large", limit_bytes=MAX_BODY)
        return strict_json.parse(body)


class PlainJson(BaseRenderer):
    """Encoded as the game door encodes."""

    media_type = JSON
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else problems.encode(data)


class OneType(BaseContentNegotiation):
    """There is one type for each direction; a request body of another is refused before it is read."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        media_type = request.content_type.partition(";")[0].strip().lower()
        if media_type != JSON or "HTTP_CONTENT_ENCODING" in request.META:
            return None
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return next(iter(renderers)), JSON
