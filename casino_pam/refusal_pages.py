"""What a browser is shown where there is no page, or not for this operator: why, and a way on.

Below /admin/ the page stands in the frame of the back office, for who is logged in there.
"""

from __future__ import annotations

import re
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from casino_pam import problems
from casino_pam.api.rest import exceptions
from wallet.errors import Refused

_permission_shape: Final = re.compile(r"[a-z]+\.[a-z_]+").fullmatch
# The pages of a table are named after it: wallet_player_changelist.
_table_page_shape: Final = re.compile(r"([a-z]+)_([a-z]+)_(changelist|change|history|add|delete)").fullmatch
_VERBS: Final = {"changelist": "view", "change": "view", "history": "view", "add": "add", "delete": "delete"}


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403: which permission is missing, and which roles have it."""
    if request.path_info.startswith(problems.API):
        return exceptions.problem_response(Refused("forbidden"))
    return _page(request, 403, "This page is not for you", **_missing(request, exception))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404: nothing here is ever deleted, so the address is wrong."""
    if request.path_info.startswith(problems.API):
        return exceptions.problem_response(Refused("not_found"))
    return _page(request, 404, "There is nothing at this address", missing=True)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: a form that was opened before the last log-in, or elsewhere."""
    return _page(request, 403, "This form is no longer good", stale=True)


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


def _page(request: HttpRequest, status: int, heading: str, **why: Any) -> HttpResponse:
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
