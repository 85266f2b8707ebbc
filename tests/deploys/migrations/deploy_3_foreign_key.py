"""A foreign key from the ledger to wallets, both of which every bet writes to."""

import django.db.models.deletion
from django.db import migrations, models

from wallet.operations import AddForeignKey


class Migration(migrations.Migration):
    dependencies = [("wallet", "deploy_2_validated")]

    operations = [
        AddForeignKey(
            "transaction",
            "opponent",
            models.ForeignKey(
                "wallet.wallet", django.db.models.deletion.PROTECT, null=True, db_index=False, related_name="+"
            ),
        ),
    ]
