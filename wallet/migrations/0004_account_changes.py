"""Who changed whose account, and the trigger that asks about it when a request is approved (docs/decisions/0025)."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0003_undone_earlier_filled"),
    ]

    operations = [
        migrations.CreateModel(
            name="AccountChange",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("actor", models.CharField(max_length=150)),
                ("account", models.CharField(max_length=150)),
                ("what", models.CharField(max_length=64)),
                ("credentials", models.BooleanField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="second_person",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.\"state\" = 'approved' AND OLD.\"state\" = 'pending')",
                    func="""
            IF EXISTS (
    WITH RECURSIVE recent AS (
        SELECT actor, account, what, credentials, at FROM wallet_accountchange
        WHERE at > NEW.decided_at - interval '7 days' OR starts_with(account, 'key:')
    ), behind (side, name) AS (
        VALUES ('author', NEW.author::text), ('approver', NEW.approver::text)
        UNION
        SELECT b.side, r.actor::text FROM behind b JOIN recent r ON r.account = b.name AND r.credentials
    )
    SELECT actor, account, what, at FROM recent
    WHERE account = NEW.approver AND actor IN (SELECT name FROM behind WHERE side = 'author')
        OR credentials AND account IN (SELECT name FROM behind) AND actor IN (
            SELECT name FROM behind WHERE side = 'author' INTERSECT SELECT name FROM behind WHERE side = 'approver'
        )
        OR starts_with(actor, 'command:') AND account IN (SELECT name FROM behind WHERE side = 'approver')
    ORDER BY at DESC LIMIT 1
    ) THEN
                RAISE EXCEPTION 'the approver may be the author: wallet_accountchange says why'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'second_person';
            END IF;
            RETURN NEW;
        """,
                    hash="705f08e9ed224842307d84b8e8017511b6d2c6d4",
                    operation="UPDATE",
                    pgid="pgtrigger_second_person_d78e0",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="accountchange",
            index=models.Index(fields=["account", "at"], name="account_changed"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountchange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="c82094924f3e09889fe2cefcdedbd0bff60b6486",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_02389",
                    table="wallet_accountchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountchange",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="5fa1f0bcc3a31e2fefaa1cbffb847cc59162465b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_182e4",
                    table="wallet_accountchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
