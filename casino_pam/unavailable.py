"""What is answered where Django's views cannot: problem+json below /api/, a small page elsewhere."""

from __future__ import annotations

from html import escape
from typing import Final

from casino_pam import problems
from wallet.errors import Refused

API: Final = "/api/"

# The problems' own sentences are for programs; these are for who looks at a page.
_DETAILS: Final = {
    "busy": "Nothing is known to have happened. Try again in a moment; a form that was sent twice acts once.",
    "unavailable": "The books cannot be reached, and nothing is known to have happened. Try again in a moment; a form"
    " that was sent twice acts once.",
}
_PAGE: Final = """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{detail}</p><p>Request {request_id}</p></body></html>
"""


def answer(path: str, refusal: Refused, request_id: str) -> tuple[dict[str, str], bytes]:
    """Headers and body, for one whose body is known; ``Retry-After`` where the same may be sent again."""
    headers = {**problems.headers(refusal.status), "X-Request-ID": request_id, "Cache-Control": "no-store"}
    if path.startswith(API):
        body = problems.body(refusal, request_id)
    else:
        title, detail = problems.TEXTS[refusal.code]
        detail = _DETAILS.get(refusal.code, detail)
        body = _PAGE.format(title=escape(title), detail=escape(detail), request_id=escape(request_id)).encode()
        headers["Content-Type"] = "text/html; charset=utf-8"
    return {**headers, "Content-Length": str(len(body))}, body
