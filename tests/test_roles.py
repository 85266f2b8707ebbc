"""What each role may open and do; a page that is missing from the tables here fails the test."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission

from tests.books import ROLES


def permissions(role: str) -> set[str]:
    found = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in found}


def test_roles_are_made_by_migrations_on_an_empty_database(books):
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
