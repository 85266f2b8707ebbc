"""The ledger is looked after as it grows, not by fifths and tenths of what it has become."""

from django.db import migrations

from wallet.operations import SetStorageParameters


class Migration(migrations.Migration):
    dependencies = [("wallet", "0025_list_indexes")]

    operations = [
        SetStorageParameters(
            "transaction",
            {
                # At ten million rows after 100,000 further ones, not after a million: the planner must know the newest.
                "autovacuum_analyze_scale_factor": 0.01,
                # Rows are never changed: what it reads is what came since, however large the table.
                "autovacuum_vacuum_insert_scale_factor": 0.02,
            },
        ),
    ]
