"""Who may open a page of the back office, and in which session. Every refusal leaves a row in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import admin, messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from casino_pam import operator_sessions
from casino_pam.operator_sessions import Standing
from wallet import audit, second_person

View = Callable[..., HttpResponseBase]


def page(permission: str) -> Callable[[View], View]:
    """Make a view a page of the admin, for operators with ``permission``; 403 for others.

    Whoever is not logged in is led to the log-in. The refusal reaches the audit trail with every
    other 403 of the admin (``audited_refusals``).
    """

    def guarded(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied(permission)
            return view(request, *args, **named)

        return admin.site.admin_view(checked)

    return guarded


Handler = Callable[[HttpRequest], HttpResponse]


def audited_refusals(get_response: Handler) -> Handler:
    """Middleware, because the views' own transactions are rolled back by the time a refusal is answered."""

    def answered(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        refused = response.status_code == 403 and not getattr(request, "audited", False)
        # Strangers are led to the log-in; what else they are refused would only let them fill the trail.
        if refused and request.path.startswith("/admin/") and request.user.is_authenticated:
            audit.record(request, "open page", subject=f"{request.method} {request.path}", outcome=audit.REFUSED)
        return response

    return answered


def acting_operator(get_response: Handler) -> Handler:
    """Middleware: whatever changes somebody's account is done by who is logged in (wallet/second_person.py)."""

    def answered(request: HttpRequest) -> HttpResponse:
        with second_person.acting(request.user.get_username):
            return get_response(request)

    return answered


# Asked for by pages that nobody may be looking at.
_BY_ITSELF = ("backoffice:dashboard_state",)
# Open to who still has to set the second factor up.
_TO_SET_UP = ("backoffice:second_factor", "admin:logout", "admin:jsi18n")


def good_sessions(get_response: Handler) -> Handler:
    """Middleware: a log-in that lapsed, or lacks the second factor, opens no page (casino_pam/operator_sessions.py)."""

    def answered(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/admin/") or not request.user.is_authenticated:
            return get_response(request)
        standing = operator_sessions.standing(request.session, request.user)
        if standing is Standing.GOOD:
            if all(request.path != reverse(name) for name in _BY_ITSELF):
                operator_sessions.touch(request.session)
            return get_response(request)
        if standing is Standing.TO_SET_UP:
            open_now = any(request.path == reverse(name) for name in _TO_SET_UP)
            return get_response(request) if open_now else redirect("backoffice:second_factor")
        audit.record(request, "log out", reason=standing.value)
        request.session.flush()
        request.user = AnonymousUser()
        if request.path == reverse("admin:login"):
            return get_response(request)
        messages.info(request, f"You were logged out: {standing.value}.")
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))

    return answered
