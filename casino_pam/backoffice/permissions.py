"""Who may open a page of the back office; log-ins and every refusal leave a row in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import PermissionDenied
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from wallet import audit

View = Callable[..., HttpResponseBase]


def page(permission: str) -> Callable[[View], View]:
    """Make a view a page of the admin, for operators with ``permission``; 403 for others.

    Whoever is not logged in is led to the log-in. The refusal reaches the audit trail with every
    other 403 of the admin (casino_pam/backoffice/permissions.py).
    """

    def guarded(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
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


@receiver(user_logged_in)
def _logged_in(request: HttpRequest, user: User, **_: Any) -> None:
    audit.named(request, user.get_username(), "log in", roles=audit.roles_of(user))


@receiver(user_logged_out)
def _logged_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        audit.named(request, user.get_username(), "log out", roles=audit.roles_of(user))


@receiver(user_login_failed)
def _failed(credentials: dict[str, Any], request: HttpRequest, **_: Any) -> None:
    if not _turned_away(request):
        audit.named(request, str(credentials.get("username", "")), "log in", outcome=audit.REFUSED)


@receiver(user_locked_out)
def _locked_out(request: HttpRequest, username: str, **_: Any) -> None:
    if not _turned_away(request):
        audit.named(request, username, "lock out", outcome=audit.REFUSED)


def change_password(request: HttpRequest) -> HttpResponse:
    """Django's page for one's own password, which tells nobody of itself."""
    response = admin.site.password_change(request)
    if request.method == "POST" and response.status_code == 302:
        audit.record(request, "change own password")
    return response


def _turned_away(request: Any) -> bool:
    """Whether the attempt was made during a lock-out: a stranger could fill the trail with those.

    Axes, which is told first, has counted it already.
    """
    return (request.axes_failures_since_start or 0) > settings.AXES_FAILURE_LIMIT
