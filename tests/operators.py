"""Operators for the tests of the admin: Sue may everything, Rita may read, Nobody has no role; and one of each role."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

PASSWORD = "correct horse battery staple"


class QuickHasher(Argon2PasswordHasher):
    """The product's own algorithm with as little work as it allows; web workers read what it writes."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1


def logged_in(operator: User) -> Client:
    client = Client()
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    return client


def sue() -> Client:
    """A superuser."""
    return logged_in(User.objects.create_superuser("sue", password=PASSWORD))


def rita() -> Client:
    """Sees every page of ours and changes nothing."""
    operator = User.objects.create_user("rita", password=PASSWORD, is_staff=True)
    views = Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=("wallet", "bonus"))
    operator.user_permissions.set(views)
    return logged_in(operator)


def of(role: str, name: str | None = None) -> Client:
    """Somebody of one of the roles that migrations make (docs/roles.md), called after it if not otherwise."""
    operator = User.objects.create_user(name or role, password=PASSWORD, is_staff=True)
    operator.groups.set([Group.objects.get(name=role)])
    return logged_in(operator)


def nobody() -> Client:
    """May log in, and that is all."""
    return logged_in(User.objects.create_user("nobody", password=PASSWORD, is_staff=True))
