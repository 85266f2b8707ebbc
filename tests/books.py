"""The books of a test: empty at its start, reconciled at its end."""

import importlib
import importlib.util

from django.apps import apps
from django.core.cache import cache
from django.db import connection, transaction

EMPTIED_APPS = ("wallet", "bonus")
EMPTIED_BESIDES = ("auth_user", "auth_group", "django_session", "django_admin_log", "axes_accessattempt")


def tables() -> list[str]:
    """Every table that a test may have written to."""
    ours = [
        model._meta.db_table
        for label in EMPTIED_APPS
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]
    return [*ours, *EMPTIED_BESIDES]


def emptied() -> None:
    """Empty the tables as their owner, who alone may set aside the triggers that guard the ledger.

    pytest-django's own flush would be refused by those triggers, and rightly so.
    """
    names = [connection.ops.quote_name(name) for name in tables()]
    guarded = [name for name in names if name.strip('"').startswith(EMPTIED_APPS)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("".join(f"ALTER TABLE {name} DISABLE TRIGGER USER;" for name in guarded))
        cursor.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")
        cursor.execute("".join(f"ALTER TABLE {name} ENABLE TRIGGER USER;" for name in guarded))
    cache.clear()


def reconciled() -> None:
    """Fail if the test left books that do not balance."""
    if importlib.util.find_spec("wallet.reconcile") is None:
        return
    importlib.import_module("wallet.reconcile")
