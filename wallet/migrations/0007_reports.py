"""Sums of the ledger by day for the reports, and what providers' files were found to differ in."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0006_approvals_of_bonuses"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProviderRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=64)),
                ("day", models.DateField()),
                ("file", models.CharField(max_length=255)),
                ("actor", models.CharField(max_length=150, null=True)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("lines", models.BigIntegerField()),
                ("rows", models.BigIntegerField()),
                ("difference_count", models.BigIntegerField()),
                ("totals", models.JSONField(default=list)),
                ("summary", models.JSONField(default=list)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ProviderDifference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("what", models.CharField(max_length=16)),
                ("line", models.BigIntegerField(null=True)),
                ("kind", models.CharField(max_length=16)),
                ("reference", models.CharField(max_length=300)),
                ("player", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=32)),
                ("theirs", models.BigIntegerField(null=True)),
                ("ours", models.BigIntegerField(null=True)),
                ("detail", models.CharField(max_length=500)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="differences", to="wallet.providerrun"
                    ),
                ),
            ],
            options={
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="SummedUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("up_to", models.UUIDField()),
                ("refreshed_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="summed_up_once")],
            },
        ),
        migrations.CreateModel(
            name="DaySum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("source", models.CharField(max_length=64)),
                ("game", models.CharField(max_length=128)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("DEPOSIT", "DEPOSIT"),
                            ("HOLD", "HOLD"),
                            ("SETTLE", "SETTLE"),
                            ("RELEASE", "RELEASE"),
                            ("BET", "BET"),
                            ("WIN", "WIN"),
                            ("ROLLBACK", "ROLLBACK"),
                            ("END_ROUND", "END_ROUND"),
                            ("GRANT", "GRANT"),
                            ("CONVERT", "CONVERT"),
                            ("FORFEIT", "FORFEIT"),
                            ("EXPIRE", "EXPIRE"),
                            ("ADJUST", "ADJUST"),
                        ],
                        max_length=16,
                    ),
                ),
                ("undoes", models.CharField(max_length=16)),
                ("rows", models.BigIntegerField()),
                ("amount", models.DecimalField(decimal_places=0, max_digits=38)),
                ("cash", models.DecimalField(decimal_places=0, max_digits=38)),
                ("bonus", models.DecimalField(decimal_places=0, max_digits=38)),
                ("held", models.DecimalField(decimal_places=0, max_digits=38)),
                (
                    "currency",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="wallet.currency",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "currency", "source", "game", "kind", "undoes"), name="day_sum_key"
                    )
                ],
            },
        ),
    ]
