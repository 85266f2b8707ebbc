"""How operators log in: a password that they alone know, then a code where they have a second factor.

Nothing of a log-in exists before both were right; a wrong code counts as a wrong password does. Log-ins, failed ones
and lock-outs leave a row in the audit trail.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from axes.handlers.proxy import AxesProxyHandler
from axes.signals import user_locked_out
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.auth.views import LoginView, PasswordResetConfirmView, RedirectURLMixin, redirect_to_login
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.crypto import constant_time_compare
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from casino_pam import operator_sessions
from wallet import audit, second_factor
from wallet.models import SecondFactor
from wallet.second_factor import Code

LONGEST_NAME: Final = User._meta.get_field("username").max_length or 150
# Between the password and the code.
CODE_SECONDS: Final = 300
# In the session of somebody whose password was right: who, until when, and the password's digest.
_HALF: Final = "password_given"
_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


class LogIn(AdminAuthenticationForm):
    """The only log-in there is: a name longer than any operator's could not even be noted as a failure."""

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if len(name) > LONGEST_NAME:
            raise self.get_invalid_login_error()
        return name


class LogInPage(LoginView):
    """Name and password; who has a second factor is asked for its code next and is nobody until then."""

    form_class = LogIn
    template_name = "backoffice/log_in.html"
    extra_context = {"demo": settings.DEMO}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "GET" and admin.site.has_permission(request):
            return redirect("admin:index")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        operator = form.get_user()
        if not SecondFactor.objects.filter(pk=operator.pk).exists():
            return super().form_valid(form)
        self.request.session.cycle_key()
        until = int(time.time()) + CODE_SECONDS
        self.request.session[_HALF] = [operator.pk, until, operator.get_session_auth_hash()]
        return redirect_to_login(self.get_success_url(), reverse("log_in_code"))


if TYPE_CHECKING:
    AnyFormView = FormView["CodeForm"]
else:
    AnyFormView = FormView


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
        help_text="The six digits that your authenticator app shows now, or one of your recovery codes.",
    )


@method_decorator(never_cache, name="dispatch")
class CodePage(RedirectURLMixin, AnyFormView):
    """The code, within five minutes of the password."""

    form_class = CodeForm
    template_name = "backoffice/log_in_code.html"
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        operator = _half(request)
        if operator is None:
            return redirect("admin:login")
        self.operator = operator
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: CodeForm) -> HttpResponse:
        code = spend(self.request, self.operator, form.cleaned_data["code"])
        if code is Code.WRONG:
            form.add_error("code", CODE_REFUSED)
            return self.form_invalid(form)
        del self.request.session[_HALF]
        login(self.request, self.operator, backend=_BACKEND)
        operator_sessions.verify(self.request.session)
        if code is Code.RECOVERY:
            audit.record(self.request, "use recovery code")
        return super().form_valid(form)


CODE_REFUSED: Final = "It is wrong, or was used already: each is good once. The app shows another within half a minute."


def spend(request: HttpRequest, operator: User, text: str) -> Code:
    """Spend a code of the operator's. A wrong one counts towards the lock-out, and during that none is good."""
    credentials = {"username": operator.get_username()}
    if not AxesProxyHandler.is_allowed(request, credentials):
        request.axes_locked_out = True  # type: ignore[attr-defined]
        return Code.WRONG
    code = second_factor.accept(operator, text)
    if code is Code.WRONG:
        user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return code


def _half(request: HttpRequest) -> User | None:
    """Whose password was right a moment ago, and is still the same."""
    pk, until, digest = request.session.get(_HALF, (None, 0, ""))
    operator = User.objects.filter(pk=pk, is_active=True, is_staff=True).first() if until > time.time() else None
    same = operator is not None and constant_time_compare(digest, operator.get_session_auth_hash())
    return operator if same else None


@receiver(user_logged_in)
def _logged_in(request: HttpRequest, user: User, **_: Any) -> None:
    operator_sessions.begin(request)
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
