"""Who may open a page of the back office."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

View = Callable[..., HttpResponseBase]


def page(permission: str) -> Callable[[View], View]:
    """Make a view a page of the admin, for operators with ``permission``; 403 for others.

    Whoever is not logged in is led to the log-in. The refusal reaches the audit trail with every
    other 403 of the admin (casino_pam/office/refusals.py).
    """

    def guarded(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: object, **named: object) -> HttpResponseBase:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **named)

        return admin.site.admin_view(checked)

    return guarded
