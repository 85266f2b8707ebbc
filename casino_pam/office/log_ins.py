"""Log-ins, failed ones, lock-outs, log-outs and new passwords in the audit trail."""

from __future__ import annotations

from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from wallet import audit


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
