"""Who may open a page of the back office, and how operators come to a password that they alone know.

Log-ins and every refusal leave a row in the audit trail.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse_lazy
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminPasswordWidget

from wallet import audit, second_person

View = Callable[..., HttpResponseBase]

LONGEST_NAME: Final = User._meta.get_field("username").max_length or 150


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


def acting_operator(get_response: Handler) -> Handler:
    """Middleware: whatever changes somebody's account is done by who is logged in (wallet/second_person.py)."""

    def answered(request: HttpRequest) -> HttpResponse:
        with second_person.acting(request.user.get_username):
            return get_response(request)

    return answered


class LogIn(AuthenticationForm):  # type: ignore[misc]
    """The only log-in there is: a name longer than any operator's could not even be noted as a failure."""

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if len(name) > LONGEST_NAME:
            raise self.get_invalid_login_error()
        return name


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


class NewPassword(PasswordResetConfirmView):
    """Where a one-time link leads: the operator sets a password that nobody else has ever seen.

    The link is worth nothing once a password was set, and after ``PASSWORD_RESET_TIMEOUT``. Its token stands in the
    query, which no log holds, and is taken from the address before the form is shown.
    """

    template_name = "backoffice/new_password.html"
    success_url = reverse_lazy("admin:login")
    title = "Set your password"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        token = request.GET.get("token") or self.reset_url_token
        return super().dispatch(request, *args, **kwargs, token=token)

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        for field in form.fields.values():
            field.widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With the colours and styles of the back office."""
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return admin.site.each_context(self.request) | context

    def form_valid(self, form: Any) -> HttpResponse:
        assert self.user is not None
        with transaction.atomic():
            response: HttpResponse = super().form_valid(form)
            actor = self.request.user.get_username() or self.user.get_username()
            audit.named(self.request, actor, "set password by link", subject=self.user)
        messages.success(self.request, "Your password is set. Log in with it.")
        return response


def _turned_away(request: Any) -> bool:
    """Whether the attempt was made during a lock-out: a stranger could fill the trail with those.

    Axes, which is told first, has counted it already.
    """
    return (request.axes_failures_since_start or 0) > settings.AXES_FAILURE_LIMIT
