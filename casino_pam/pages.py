"""The pages for people: what this is, a player's own page, and what each refusal means. None knows anything of the
player: the token stands in the address's fragment, which no browser sends."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from casino_pam import demo, problems
from wallet.errors import STATUS

# Everything comes from here, nothing is written into the page itself, and nobody frames it.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {socket}; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What this is and where its doors are; on a demo machine also links into the demo players' pages."""
    guests = demo.description()["players"] if settings.DEMO else []
    return _page(request, "pages/landing.html", guests=guests)


@require_safe
def play(request: HttpRequest) -> HttpResponse:
    """A player's page: `/play#token=…`."""
    return _page(request, "pages/play.html")


@require_safe
def problem_list(request: HttpRequest) -> HttpResponse:
    """Every code of a refusal there is, by the families of their statuses."""
    families = {
        status: [(code, *problems.TEXTS[code]) for code in STATUS if STATUS[code] == status]
        for status in sorted(set(STATUS.values()))
    }
    return _page(request, "pages/problem_list.html", families=families)


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """What a problem's `type` leads to: what the code means and what to do next."""
    if code not in STATUS:
        raise Http404
    title, detail = problems.TEXTS[code]
    advice = problems.advice(code)
    return _page(
        request,
        "pages/problem.html",
        code=code,
        status=STATUS[code],
        title=title,
        detail=_prose(detail),
        resend=_prose(advice.resend),
        roll_back=_prose(advice.roll_back),
        example=json.dumps(problems.example(code), indent=1, ensure_ascii=False),
    )


def _prose(text: str) -> SafeString:
    """The words between backticks as code."""
    return mark_safe(re.sub("`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308 - it is escaped


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    scheme = "wss" if request.is_secure() else "ws"
    # Older browsers do not take a socket of the same host for 'self'.
    policy = POLICY.format(socket=f"{scheme}://{request.get_host()}")
    page = render(request, template, context)
    page["Content-Security-Policy"] = policy
    page["Cache-Control"] = "no-store"
    page["Referrer-Policy"] = "no-referrer"
    return page
