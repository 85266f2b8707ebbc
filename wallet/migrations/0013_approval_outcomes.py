"""Approved requests are posted or refused, settlements of withdrawals wait, too (docs/decisions/0029)."""

import django.core.serializers.json
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0012_ledger_types")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="approval",
            name="frozen",
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name="approval",
            name="decided_once",
        ),
        migrations.RemoveConstraint(
            model_name="approval",
            name="approval_decided_by_someone",
        ),
        migrations.RemoveConstraint(
            model_name="approval",
            name="approval_completes_a_bonus",
        ),
        migrations.AddField(
            model_name="approval",
            name="refusal",
            field=models.CharField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="approval",
            name="refusal_facts",
            field=models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True),
        ),
        migrations.AddField(
            model_name="approval",
            name="withdrawal",
            field=models.UUIDField(null=True),
        ),
        migrations.AlterField(
            model_name="approval",
            name="act",
            field=models.CharField(
                choices=[("adjust", "Adjust"), ("complete", "Complete"), ("settle", "Settle")],
                default="adjust",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="approval",
            name="state",
            field=models.CharField(
                choices=[
                    ("pending", "waiting"),
                    ("approved", "approved, not posted"),
                    ("posted", "approved and posted"),
                    ("refused", "approved, refused"),
                    ("rejected", "rejected"),
                ],
                default="pending",
                max_length=16,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition=(
                        'WHEN (OLD."wallet_id" IS DISTINCT FROM (NEW."wallet_id") OR OLD."source" IS DISTINCT'
                        ' FROM (NEW."source") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR'
                        ' OLD."act" IS DISTINCT FROM (NEW."act") OR OLD."bonus" IS DISTINCT FROM (NEW."bonus")'
                        ' OR OLD."withdrawal" IS DISTINCT FROM (NEW."withdrawal") OR OLD."amount" IS DISTINCT'
                        ' FROM (NEW."amount") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."author"'
                        ' IS DISTINCT FROM (NEW."author") OR OLD."created_at" IS DISTINCT FROM'
                        ' (NEW."created_at"))'
                    ),
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="5c2ceb8718d974d9cf04df4217b1638d54f8730d",
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
                name="steps",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func=(
                        'SELECT CONCAT(OLD."state", \':\', NEW."state") ='
                        " ANY('{pending:approved,pending:rejected,approved:posted,approved:refused}'::text[])"
                        ' INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS'
                        ' DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of'
                        ' field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME;'
                        " ELSE RETURN NEW; END IF;"
                    ),
                    hash="d69c7a5ac5a9aa18f4e3f97c340fc5c64a364a9b",
                    operation="UPDATE",
                    pgid="pgtrigger_steps_6a5fb",
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
                    condition="WHEN (OLD.\"state\" IN ('posted', 'refused', 'rejected'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="d29a4b669c0590f593973c5c3e9f2f5445afb421",
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
                name="decision_kept",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition=(
                        'WHEN (OLD."state" = \'approved\' AND (OLD."approver" IS DISTINCT FROM (NEW."approver")'
                        ' OR OLD."decided_at" IS DISTINCT FROM (NEW."decided_at") OR OLD."decision_reason" IS'
                        ' DISTINCT FROM (NEW."decision_reason")))'
                    ),
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="9cbc2f91ff5cde14d65ce5a44a283960ca21bdc7",
                    operation="UPDATE",
                    pgid="pgtrigger_decision_kept_63001",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        AddConstraintNotValid(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("act", "adjust"), ("bonus__isnull", True), ("withdrawal__isnull", True)),
                    models.Q(("act", "complete"), ("bonus__isnull", False), ("withdrawal__isnull", True)),
                    models.Q(("act", "settle"), ("bonus__isnull", True), ("withdrawal__isnull", False)),
                    _connector="OR",
                ),
                name="approval_names_its_subject",
            ),
        ),
        AddConstraintNotValid(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approver__isnull", True), ("decided_at__isnull", True), ("state", "pending")),
                    models.Q(
                        ("approver__isnull", False),
                        ("decided_at__isnull", False),
                        ("state__in", ["approved", "posted", "refused", "rejected"]),
                    ),
                    _connector="OR",
                ),
                name="approval_decided_by_someone",
            ),
        ),
        AddConstraintNotValid(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refusal__isnull", False), ("state", "refused")),
                    models.Q(models.Q(("state", "refused"), _negated=True), ("refusal__isnull", True)),
                    _connector="OR",
                ),
                name="approval_refused_with_a_code",
            ),
        ),
    ]
