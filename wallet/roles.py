"""How migrations make the roles that operators have, and give them what later versions bring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps.registry import Apps


def give(apps: Apps, role: str, permissions: Iterable[str]) -> None:
    """Add permissions (``wallet.view_player``) to a role, which is made if it is not there.

    Django itself makes permissions only after the last migration, so they are made here, under the
    names Django would give them. Raises KeyError for one that no model declares.
    """
    declared = _declared(apps)
    group = apps.get_model("auth", "Group").objects.get_or_create(name=role)[0]
    group.permissions.add(*[_made(apps, *declared[permission]) for permission in permissions])


def _declared(apps: Apps) -> dict[str, tuple[Any, str, str]]:
    """Model, codename and name of every permission, by its full name."""
    found = {}
    for model in apps.get_models():
        options = model._meta
        standard = [
            (f"{act}_{options.model_name}", f"Can {act} {options.verbose_name}") for act in ("view", "add", "change")
        ]
        for codename, name in [*standard, *options.permissions]:
            found[f"{options.app_label}.{codename}"] = (model, codename, name)
    return found


def _made(apps: Apps, model: Any, codename: str, name: str) -> Any:
    content_type = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=model._meta.app_label, model=model._meta.model_name
    )[0]
    permissions = apps.get_model("auth", "Permission").objects
    return permissions.get_or_create(content_type=content_type, codename=codename, defaults={"name": name})[0]
