"""The bets that may be open are kept; the next refresh reads them in from the first row on."""

from django.db import migrations, models
from django.db.models import PROTECT


class Migration(migrations.Migration):
    dependencies = [("wallet", "0026_ledger_autovacuum")]

    operations = [
        migrations.CreateModel(
            name="OpenBetsSummedUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("up_to", models.UUIDField()),
                ("refreshed_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="open_bets_summed_up_once")],
            },
        ),
        migrations.CreateModel(
            name="OpenBet",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("source", models.CharField(max_length=64)),
                ("round", models.CharField(max_length=128)),
                (
                    "wallet",
                    models.ForeignKey(
                        db_constraint=False, db_index=False, on_delete=PROTECT, related_name="+", to="wallet.wallet"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["round", "wallet"], name="open_bet_rounds")],
            },
        ),
    ]
