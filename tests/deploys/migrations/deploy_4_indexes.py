"""Indexes over the whole ledger, one of them unique."""

from django.db import migrations, models

from wallet.operations import AddIndexConcurrently, AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("wallet", "deploy_3_foreign_key")]

    operations = [
        AddIndexConcurrently("transaction", models.Index(fields=["opponent", "created_at"], name="ledger_opponent")),
        AddIndexConcurrently("transaction", models.Index(fields=["channel", "kind", "id"], name="ledger_by_channel")),
        AddUniqueConcurrently("transaction", models.UniqueConstraint(fields=["channel", "id"], name="ledger_unique")),
    ]
