"""An operator's own account: password, second factor, and where the operator is logged in.

Keys and recovery codes stand only on pages that answer a POST, and are shown once.
"""

from __future__ import annotations

import time
from typing import Any, Final

import segno
from cryptography.fernet import InvalidToken
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminTextInputWidget

from casino_pam import operator_sessions
from casino_pam.backoffice.log_in import CODE_REFUSED, spend
from wallet import audit, second_factor
from wallet.models import OperatorSession, SecondFactor
from wallet.models.provider import cipher
from wallet.second_factor import Code

# In the session while it is set up: the key, encrypted.
_PENDING: Final = "second_factor_pending"


class CodeField(forms.Form):
    code = forms.CharField(
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, help_text: str) -> None:
        super().__init__(data)
        self.fields["code"].help_text = help_text


NEW_CODE: Final = "The six digits that the app shows for Casino PAM now."
OWN_CODE: Final = "The six digits that your app shows now, or one of your recovery codes."


def patterns() -> list[URLPattern]:
    view = admin.site.admin_view
    return [
        path("account/", view(account), name="account"),
        path("account/second-factor/", view(set_up), name="second_factor"),
        path("account/recovery-codes/", view(recovery_codes), name="recovery_codes"),
    ]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """What there is, and where the operator is logged in; a POST ends a log-in (``end``), or all others."""
    if request.method == "POST":
        _end(request, request.POST.get("end", ""))
        return redirect("backoffice:account")
    factor = SecondFactor.objects.filter(pk=request.user.pk).first()
    return _page(
        request,
        "account",
        factor=factor,
        log_ins=log_ins(_own(request), request.session.session_key),
        required=second_factor.is_required(_own(request)),
    )


def _own(request: HttpRequest) -> User:
    """Who is logged in: every page here is closed to others."""
    assert isinstance(request.user, User)
    return request.user


def log_ins(operator: User, own_key: str | None = None) -> list[dict[str, Any]]:
    """Where an operator is logged in, for a page: each by its handle."""
    return [
        {"row": row, "handle": operator_sessions.handle(row.session_key), "own": row.session_key == own_key}
        for row in operator_sessions.live(operator)[:100]
    ]


def _end(request: HttpRequest, which: str) -> None:
    """End the log-in of this handle, or every other one. The one in use ends by logging out."""
    own = request.session.session_key
    others = [row for row in operator_sessions.live(_own(request)) if row.session_key != own]
    chosen = [row for row in others if which in ("others", operator_sessions.handle(row.session_key))]
    with transaction.atomic():
        for row in chosen:
            OperatorSession.objects.filter(pk=row.pk).delete()
            audit.record(request, "end own log-in", before={"address": row.address, "since": row.started_at})
    count = len(chosen)
    messages.success(request, f"Ended {count} log-in{'' if count == 1 else 's'}.")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Three steps: what it is about; a new key to be read by the app; its first code, which makes it count."""
    factor = SecondFactor.objects.filter(pk=request.user.pk).first()
    step = request.POST.get("step") if request.method == "POST" else None
    if step == "confirm":
        return _confirm(request)
    form = CodeField(request.POST if step == "begin" else None, help_text=OWN_CODE) if factor else None
    if step == "begin" and (form is None or _proves(request, form)):
        key = second_factor.new_key()
        request.session[_PENDING] = cipher().encrypt(key).decode()
        return _key_page(request, key, CodeField(help_text=NEW_CODE))
    return _page(request, "second_factor", factor=factor, form=form, required=second_factor.is_required(_own(request)))


def _confirm(request: HttpRequest) -> HttpResponse:
    """The first code of the new key."""
    try:
        key = cipher().decrypt(request.session.get(_PENDING, "").encode())
    except InvalidToken:
        return redirect("backoffice:second_factor")
    form = CodeField(request.POST, help_text=NEW_CODE)
    code = form.cleaned_data["code"].replace(" ", "") if form.is_valid() else ""
    step = second_factor.step_of(key, code, time.time()) if code.isascii() else None
    if step is None:
        if form.is_valid():
            form.add_error("code", "It is not the code of this key. Is the clock of the telephone right?")
        return _key_page(request, key, form)
    del request.session[_PENDING]
    request.session.cycle_key()
    operator_sessions.verify(request.session)
    with transaction.atomic():
        codes = second_factor.set_up(_own(request), key, step)
        second_factor.end_sessions(_own(request), but=request.session.session_key)
        audit.record(request, "set up second factor")
    return _codes_page(request, codes)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Other recovery codes, for who proves the second factor."""
    if not SecondFactor.objects.filter(pk=request.user.pk).exists():
        return redirect("backoffice:second_factor")
    form = CodeField(request.POST if request.method == "POST" else None, help_text=OWN_CODE)
    if request.method == "POST" and _proves(request, form):
        with transaction.atomic():
            codes = second_factor.renew_recovery(_own(request))
            audit.record(request, "make recovery codes")
        return _codes_page(request, codes)
    return _page(request, "recovery_codes", form=form)


def _proves(request: HttpRequest, form: CodeField) -> bool:
    """Whether the form holds a good code of the operator's own, which is spent by it."""
    if not form.is_valid():
        return False
    if spend(request, _own(request), form.cleaned_data["code"]) is not Code.WRONG:
        return True
    form.add_error("code", CODE_REFUSED)
    return False


def _key_page(request: HttpRequest, key: bytes, form: CodeField) -> HttpResponse:
    name = request.user.get_username()
    picture = _picture(second_factor.address(key, name))
    return _page(request, "second_factor_key", picture=picture, spelt=second_factor.spelt(key), form=form)


def _picture(text: str) -> SafeString:
    """The QR code as an SVG of our own: nobody else is asked for it."""
    return mark_safe(segno.make(text, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff"))  # noqa: S308


def _codes_page(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return _page(request, "new_recovery_codes", codes="\n".join(codes))


_TITLES: Final = {
    "account": "Your account",
    "recovery_codes": "Recovery codes",
    "new_recovery_codes": "Recovery codes",
}


def _page(request: HttpRequest, name: str, **more: Any) -> HttpResponse:
    title = _TITLES.get(name, "Second factor")
    context = admin.site.each_context(request) | {"title": title, **more}
    return render(request, f"backoffice/{name}.html", context)
