"""What players let themselves deposit, stake and lose: a row for each wallet that has limits."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0007_reports"),
    ]

    operations = [
        migrations.CreateModel(
            name="WalletLimits",
            fields=[
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="limits",
                        serialize=False,
                        to="wallet.wallet",
                    ),
                ),
                ("deposit_day", models.BigIntegerField(null=True)),
                ("deposit_week", models.BigIntegerField(null=True)),
                ("deposit_month", models.BigIntegerField(null=True)),
                ("stake_day", models.BigIntegerField(null=True)),
                ("stake_week", models.BigIntegerField(null=True)),
                ("stake_month", models.BigIntegerField(null=True)),
                ("loss_day", models.BigIntegerField(null=True)),
                ("loss_week", models.BigIntegerField(null=True)),
                ("loss_month", models.BigIntegerField(null=True)),
                ("increases", models.JSONField(default=dict)),
            ],
            options={
                "verbose_name_plural": "wallet limits",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("deposit_day__range", (0, 100000000000000))), name="limit_deposit_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("deposit_week__range", (0, 100000000000000))), name="limit_deposit_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("deposit_month__range", (0, 100000000000000))), name="limit_deposit_month"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stake_day__range", (0, 100000000000000))), name="limit_stake_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stake_week__range", (0, 100000000000000))), name="limit_stake_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stake_month__range", (0, 100000000000000))), name="limit_stake_month"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("loss_day__range", (0, 100000000000000))), name="limit_loss_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("loss_week__range", (0, 100000000000000))), name="limit_loss_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("loss_month__range", (0, 100000000000000))), name="limit_loss_month"
                    ),
                ],
            },
        ),
    ]
