"""Forms of the back office in tests: opened, filled in, sent."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from tests import operators


def olga(*permissions: str, name: str = "olga") -> Client:
    """An operator with these permissions (``wallet.lock_player``) besides seeing everything."""
    operator = User.objects.create_user(name, password=operators.PASSWORD, is_staff=True)
    views = Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=("wallet", "bonus"))
    operator.user_permissions.set(views)
    for permission in permissions:
        app, codename = permission.split(".")
        operator.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return operators.logged_in(operator)


def address(act: str, row: Model) -> str:
    return reverse(f"office:{act}", args=[row.pk])


def opened(client: Client, act: str, row: Model) -> dict[str, Any]:
    """What the form has in it when it is shown, its hidden reference above all."""
    answer = client.get(address(act, row))
    assert answer.status_code == 200, answer.content
    return {"reference": str(answer.context["form"].initial["reference"])}


def sent(client: Client, act: str, row: Model, form: dict[str, Any]) -> Any:
    return client.post(address(act, row), form)


def acted(client: Client, act: str, row: Model, **fields: Any) -> Any:
    """Open the form, fill it in, send it."""
    return sent(client, act, row, {**opened(client, act, row), "reason": "because", **fields})


def told(answer: Any) -> str:
    """What the operator reads after the act: the message, or what is wrong with the form."""
    if answer.status_code == 302:
        # Those of acts before wait in the same cookie until a page shows them.
        return str(list(answer.wsgi_request._messages)[-1])
    form = answer.context["form"]
    return " ".join(str(error) for errors in form.errors.values() for error in errors)
