"""The pages for people outside of the back office: what this is, a player's own page, what each refusal means; and what
a browser is shown where there is no page, or where this operator may not open it.

A player's page knows nothing of the player: the token stands in the address's fragment, which no browser sends.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from casino_pam import demo, problems
from casino_pam.api.rest import exceptions
from wallet.errors import STATUS, Refused

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


# --- refusals ----------------------------------------------------------------------------------

_permission_shape: Final = re.compile(r"[a-z]+\.[a-z_]+").fullmatch
# The pages of a table are named after it: wallet_player_changelist.
_table_page_shape: Final = re.compile(r"([a-z]+)_([a-z]+)_(changelist|change|history|add|delete)").fullmatch
_VERBS: Final = {"changelist": "view", "change": "view", "history": "view", "add": "add", "delete": "delete"}


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403: which permission is missing, and which roles have it."""
    if request.path_info.startswith(problems.API):
        return exceptions.problem_response(Refused("forbidden"))
    return _refusal(request, 403, "This page is not for you", **_missing(request, exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404: nothing here is ever deleted, so the address is wrong."""
    if request.path_info.startswith(problems.API):
        return exceptions.problem_response(Refused("not_found"))
    return _refusal(request, 404, "There is nothing at this address", missing=True)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form that was opened before the last log-in, or elsewhere."""
    return _refusal(request, 403, "This form is no longer good", stale=True)


def _missing(request: HttpRequest, exception: Exception) -> dict[str, Any]:
    """The permission's name and its roles, where the refusal names one or the address tells it."""
    named = str(exception) if isinstance(exception, PermissionDenied) else ""
    found = _table_page_shape((request.resolver_match and request.resolver_match.url_name) or "")
    if not _permission_shape(named) and found is not None:
        named = f"{found[1]}.{_VERBS[found[3]]}_{found[2]}"
    if not _permission_shape(named):
        return {}
    app, _, codename = named.partition(".")
    permission = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
    if permission is None:
        return {}
    if request.user.has_perm(named):
        return {"nobody": True}
    roles = Group.objects.filter(permissions=permission).order_by("name").values_list("name", flat=True)
    return {"needs": permission.name, "roles": list(roles)}


def _refusal(request: HttpRequest, status: int, heading: str, **why: Any) -> HttpResponse:
    """Why, and a way on: below /admin/ in the frame of the back office, for who is logged in there."""
    user = getattr(request, "user", None)
    inside = request.path_info.startswith("/admin/") and user is not None and admin.site.has_permission(request)
    context: dict[str, Any] = {"title": heading, "status": status, **why}
    if not inside:
        return render(request, "pages/refusal.html", context, status=status)
    held = [group.name for group in user.groups.order_by("name")] if user is not None else []
    return render(
        request,
        "backoffice/refusal.html",
        admin.site.each_context(request) | context | {"held": held},
        status=status,
    )
