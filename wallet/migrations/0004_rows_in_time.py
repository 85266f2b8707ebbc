"""A bonus's rows and a wallet's deposits are looked for by time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0003_suspect_wallets")]

    operations = [
        migrations.RemoveIndex(model_name="transaction", name="ledger_bonus"),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("bonus__isnull", False)), fields=["bonus", "created_at"], name="ledger_bonus"
            ),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("kind", "DEPOSIT")), fields=["wallet", "created_at"], name="ledger_deposits"
            ),
        ),
    ]
