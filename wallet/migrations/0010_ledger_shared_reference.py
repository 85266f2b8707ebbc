"""No bet and no win of a source that shares its references may have one."""

from django.db import migrations, models

from wallet.operations import AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("wallet", "0009_ledger_wagering")]

    operations = [
        AddUniqueConcurrently(
            model_name="transaction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ("BET", "WIN")), ("shares_reference", True)),
                fields=("source", "reference"),
                name="ledger_shared_reference",
            ),
        ),
    ]
