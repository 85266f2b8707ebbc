"""Four eyes are two people's: who changed whose account, and who therefore may be no second person.

An operator who can set a colleague's password can be that colleague. So every change of an account by somebody else is
noted before it is made, whatever page or command makes it, and asked about when a request is approved
(docs/decisions/0025). One's own password, and a log-in, are no such change. What is done in a shell or in SQL has no
operator's name and is not noted: whoever may do that may do anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models.signals import m2m_changed, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone
from uuid_utils.compat import uuid7

from wallet import audit
from wallet.errors import Refused
from wallet.models import AccountChange, ApiKey, Currency, SecondFactor
from wallet.models.oversight import COMMAND, INDEPENDENT_AFTER_DAYS, KEY, connection_between

_actor: ContextVar[Callable[[], str] | None] = ContextVar("whoever changes accounts", default=None)

ACCOUNT: Final = "account"
# The sum above which money by hand waits is power as well: whoever raises it has changed an account of this name.
THRESHOLD: Final = "threshold:"
PAYOUT_THRESHOLD: Final = "payout threshold:"

# Columns of an account that are power over it or by it, and what a change of each is called.
_CREDENTIALS: Final = {"password": "password"}
_STATE: Final = {"is_active": "active", "is_staff": "staff status", "is_superuser": "superuser status"}


@contextmanager
def acting(actor: Callable[[], str]) -> Iterator[None]:
    """Changes of accounts inside are those of the operator whom ``actor`` names; "" is nobody who is known."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


@contextmanager
def acting_by_command(name: str) -> Iterator[None]:
    """Changes of accounts inside are made by ``manage.py name``; the trail says so, too."""
    with acting(lambda: COMMAND + name):
        yield


def objection(author: str, approver: str) -> Refused | None:
    """Why ``approver`` may be no second person beside ``author`` now: ``forbidden``, ``why`` ``not_independent``.

    Its facts say who changed which account, what of it and when, and ``until`` when that stands in the way: None for
    an API key, whose maker knows it for good.
    """
    query = connection_between("%(author)s", "%(approver)s", "%(at)s::timestamptz")
    with connection.cursor() as cursor:
        cursor.execute(query, {"author": author, "approver": approver, "at": timezone.now()})
        found = cursor.fetchone()
    if found is None:
        return None
    actor, account, what, at = found
    until = None if account.startswith(KEY) else at + timedelta(days=INDEPENDENT_AFTER_DAYS)
    told = {"actor": actor, "account": account, "what": what, "at": _moment(at), "until": _moment(until)}
    return Refused("forbidden", why="not_independent", **told)


def waits_above(currency: Currency, author: str) -> int:
    """Above how many minor units what ``author`` asks for waits: everything, where the author may have raised it."""
    return 0 if objection(author, THRESHOLD + currency.code) else currency.approval_above


def settles_above(currency: Currency, author: str) -> int | None:
    """Above how many minor units a withdrawal that ``author`` settles waits; None is no such amount.

    Everything waits where the author may have raised it, or done away with it.
    """
    return 0 if objection(author, PAYOUT_THRESHOLD + currency.code) else currency.settle_above


def _moment(instant: datetime | None) -> str | None:
    return None if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _note(accounts: Iterable[str], what: str, *, credentials: bool) -> None:
    """Note a change that is about to be made; of one's own account there is nothing to note."""
    said = _actor.get()
    actor = said() if said is not None else ""
    if not actor:
        return
    at = timezone.now()
    changes = [
        AccountChange(id=uuid7(), at=at, actor=actor, account=account, what=what, credentials=credentials)
        for account in accounts
        if account != actor
    ]
    AccountChange.objects.bulk_create(changes)
    if actor.startswith(COMMAND):
        for change in changes:
            verb = "make" if what == ACCOUNT else "change"
            audit.named(None, actor, f"{verb} {what}", subject=change.account)


@receiver(pre_save, sender=User)
def _operator_saved(instance: User, **_: Any) -> None:
    if _actor.get() is None:
        return
    name = instance.get_username()
    if instance._state.adding:
        _note([name], ACCOUNT, credentials=True)
        return
    before = User.objects.filter(pk=instance.pk).values(*_CREDENTIALS, *_STATE).first() or {}
    for columns, credentials in ((_CREDENTIALS, True), (_STATE, False)):
        for column, what in columns.items():
            if before.get(column) != getattr(instance, column):
                _note([name], what, credentials=credentials)


@receiver(pre_save, sender=ApiKey)
def _key_saved(instance: ApiKey, **_: Any) -> None:
    """A key under a new name is another one to those who look at what it asked for."""
    before = ApiKey.objects.filter(pk=instance.pk).values("name", "digest").first()
    if before is None or before["name"] != instance.name or bytes(before["digest"]) != bytes(instance.digest):
        _note([KEY + instance.name], "API key", credentials=True)


@receiver(pre_delete, sender=SecondFactor)
def _second_factor_reset(instance: SecondFactor, **_: Any) -> None:
    """Who takes it away and sets a password may act as the account."""
    _note([instance.operator.get_username()], "second factor", credentials=True)


@receiver(pre_save, sender=Currency)
def _currency_saved(instance: Currency, **_: Any) -> None:
    before = Currency.objects.filter(pk=instance.pk).first() if _actor.get() is not None else None
    if before is None:
        return
    if instance.approval_above > before.approval_above:
        _note([THRESHOLD + instance.code], "threshold", credentials=False)
    was, now = before.settle_above, instance.settle_above
    if was is not None and (now is None or now > was):
        _note([PAYOUT_THRESHOLD + instance.code], "payout threshold", credentials=False)


@receiver(m2m_changed, sender=User.groups.through)
def _roles_changed(action: str, instance: Any, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    _memberships_changed("roles", action, instance, reverse, pk_set)


@receiver(m2m_changed, sender=User.user_permissions.through)
def _permissions_changed(action: str, instance: Any, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    _memberships_changed("permissions", action, instance, reverse, pk_set)


def _memberships_changed(what: str, action: str, instance: Any, reverse: bool, pk_set: set[int] | None) -> None:
    """What an operator may do changes, seen from the operator or from a role or permission (``reverse``)."""
    if not action.startswith("pre_") or pk_set == set():
        return
    if not reverse:
        _note([instance.get_username()], what, credentials=False)
        return
    operators = instance.user_set.all() if pk_set is None else User.objects.filter(pk__in=pk_set)
    _note(operators.values_list("username", flat=True), what, credentials=False)


@receiver(m2m_changed, sender=Group.permissions.through)
def _role_changed(action: str, instance: Any, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    """What a role may do is what each of its operators may do."""
    if not action.startswith("pre_") or pk_set == set():
        return
    if not reverse:
        groups = Group.objects.filter(pk=instance.pk)
    else:
        groups = instance.group_set.all() if pk_set is None else Group.objects.filter(pk__in=pk_set)
    operators = User.objects.filter(groups__in=groups).distinct()
    _note(operators.values_list("username", flat=True), "role's permissions", credentials=False)
