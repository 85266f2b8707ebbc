"""The trail of what operators did, and names for what each of them may do."""

import django.contrib.postgres.fields
import django.core.serializers.json
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0004_rows_in_time"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="apikey",
            options={"ordering": ["name"], "verbose_name": "API key", "verbose_name_plural": "API keys"},
        ),
        migrations.AlterModelOptions(
            name="player",
            options={
                "permissions": [
                    ("lock_player", "Can lock and unlock a player"),
                    ("exclude_player", "Can exclude a player"),
                    ("limit_player", "Can set a player's limits"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="reconciliationrun",
            options={
                "get_latest_by": "id",
                "ordering": ["-id"],
                "permissions": [
                    ("view_reports", "Can view reports"),
                    ("reconcile_provider", "Can reconcile a provider's file"),
                ],
            },
        ),
        migrations.AlterModelOptions(
            name="transaction",
            options={
                "permissions": [
                    ("settle_withdrawal", "Can settle and release withdrawals"),
                    ("rollback_bet", "Can roll a bet back by hand"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="wallet",
            options={"permissions": [("adjust_wallet", "Can adjust a wallet by hand")]},
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_index=True)),
                ("actor", models.CharField(max_length=150)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=150), default=list, size=None
                    ),
                ),
                ("address", models.CharField(max_length=64)),
                ("act", models.CharField(max_length=64)),
                ("player", models.CharField(max_length=128, null=True)),
                ("subject", models.CharField(max_length=300)),
                ("reason", models.CharField(max_length=500)),
                ("before", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                ("after", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                ("outcome", models.CharField(max_length=32)),
                ("reference", models.CharField(max_length=300, null=True)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        fields=["actor", "-id"], name="audit_actor", opclasses=["varchar_pattern_ops", "uuid_ops"]
                    ),
                    models.Index(
                        condition=models.Q(("player__isnull", False)),
                        fields=["player", "-id"],
                        name="audit_player",
                        opclasses=["varchar_pattern_ops", "uuid_ops"],
                    ),
                    models.Index(
                        fields=["act", "-id"], name="audit_act", opclasses=["varchar_pattern_ops", "uuid_ops"]
                    ),
                    models.Index(
                        condition=models.Q(("reference__isnull", False)),
                        fields=["reference"],
                        name="audit_by_reference",
                        opclasses=["varchar_pattern_ops"],
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("reference__isnull", False)),
                        fields=("act", "reference", "outcome"),
                        name="audit_reference",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="c04dc225a1ce80d47b58169a66d9cef3a711b82d",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d95a7",
                    table="wallet_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="7b5104a603a41f3b4f3b79e11db4e1743176c541",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_6a59d",
                    table="wallet_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
    ]
