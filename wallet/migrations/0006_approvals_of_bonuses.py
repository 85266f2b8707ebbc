"""Completing a bonus by hand waits like an adjustment; what was asked and what was decided stays."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0005_back_office"),
    ]

    operations = [
        migrations.AddField(
            model_name="approval",
            name="act",
            field=models.CharField(
                choices=[("adjust", "Adjust"), ("complete", "Complete")], default="adjust", max_length=16
            ),
        ),
        migrations.AddField(
            model_name="approval",
            name="bonus",
            field=models.UUIDField(null=True),
        ),
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["created_at"], name="approval_pending"
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."wallet_id" IS DISTINCT FROM (NEW."wallet_id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."act" IS DISTINCT FROM (NEW."act") OR OLD."bonus" IS DISTINCT FROM (NEW."bonus") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."author" IS DISTINCT FROM (NEW."author") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))',  # noqa: E501
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ae60620759213018832684e7a57af13e8464ee83",
                    operation="UPDATE",
                    pgid="pgtrigger_frozen_e2c8a",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_once",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.\"state\" IN ('approved', 'rejected'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ff861996c5b9e3a7fe841ed35046c27f3c447a4c",
                    operation="UPDATE",
                    pgid="pgtrigger_decided_once_59eab",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0614748e6bc86ac0debc8336d8c988133351fb63",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_65858",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("act", "adjust"), ("bonus__isnull", True)),
                    models.Q(("act", "complete"), ("bonus__isnull", False)),
                    _connector="OR",
                ),
                name="approval_completes_a_bonus",
            ),
        ),
    ]
