"""Withdrawals that wait are found by the wallets that hold money, and by those wallets' holds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0009_audit_refusals")]

    operations = [
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("kind", "HOLD")), fields=["wallet", "created_at"], name="ledger_holds"
            ),
        ),
        migrations.AddIndex(
            model_name="wallet",
            index=models.Index(condition=models.Q(("held__gt", 0)), fields=["id"], name="wallet_holding"),
        ),
    ]
