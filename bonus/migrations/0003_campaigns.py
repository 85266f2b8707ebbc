"""Campaigns: sums by offer and day, grant lists, promo codes. No bonus's step is noted yet."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bonus", "0002_second_person"), ("wallet", "0011_session_roles")]

    operations = [
        migrations.CreateModel(
            name="GrantLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("player", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=32)),
                ("answer", models.CharField(max_length=64, null=True)),
                ("bonus", models.UUIDField(null=True)),
            ],
            options={
                "ordering": ["number"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="GrantList",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("source", models.CharField(max_length=64)),
                ("reference", models.CharField(max_length=200)),
                ("digest", models.CharField(max_length=64)),
                ("worth", models.JSONField()),
                ("reason", models.CharField(max_length=500)),
                ("actor", models.CharField(max_length=150)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("rejected", "Rejected"),
                        ],
                        max_length=16,
                    ),
                ),
                ("approver", models.CharField(max_length=150, null=True)),
                ("decision_reason", models.CharField(max_length=500, null=True)),
                ("created_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="OfferDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("granted", models.BigIntegerField(default=0)),
                ("activated", models.BigIntegerField(default=0)),
                ("completed", models.BigIntegerField(default=0)),
                ("depleted", models.BigIntegerField(default=0)),
                ("expired", models.BigIntegerField(default=0)),
                ("forfeited", models.BigIntegerField(default=0)),
                ("cancelled", models.BigIntegerField(default=0)),
                ("earned", models.BigIntegerField(default=0)),
                ("cost", models.DecimalField(decimal_places=0, default=0, max_digits=38)),
                ("wagered", models.DecimalField(decimal_places=0, default=0, max_digits=38)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="OffersSummedUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("up_to", models.UUIDField()),
                ("refreshed_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="OfferStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bonus", models.UUIDField()),
                ("step", models.CharField(max_length=16)),
                ("offer", models.BigIntegerField()),
                ("currency", models.CharField(max_length=32)),
                ("day", models.DateField()),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="offer",
            name="promo_code",
            field=models.CharField(max_length=32, null=True),
        ),
        AddConstraintNotValid(
            model_name="offer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("promo_code__isnull", True), ("promo_code__regex", "^[A-Z0-9][A-Z0-9_-]{2,31}$"), _connector="OR"
                ),
                name="offer_promo_code_shape",
            ),
        ),
        migrations.AddField(
            model_name="grantlist",
            name="offer",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="bonus.offer"
            ),
        ),
        migrations.AddField(
            model_name="grantline",
            name="list",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="bonus.grantlist"
            ),
        ),
        migrations.AddField(
            model_name="offerday",
            name="currency",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="wallet.currency"
            ),
        ),
        migrations.AddField(
            model_name="offerday",
            name="offer",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="bonus.offer"
            ),
        ),
        migrations.AddConstraint(
            model_name="offerssummedup",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="offers_summed_up_once"),
        ),
        migrations.AddConstraint(
            model_name="offerstep",
            constraint=models.UniqueConstraint(fields=("bonus", "step"), name="offer_step_once"),
        ),
        migrations.AddIndex(
            model_name="grantlist",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "running"])), fields=["id"], name="grant_list_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="grantlist",
            constraint=models.UniqueConstraint(fields=("source", "reference"), name="grant_list_reference"),
        ),
        migrations.AddConstraint(
            model_name="grantlist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approver__isnull", True),
                    models.Q(("approver", models.F("actor")), _negated=True),
                    _connector="OR",
                ),
                name="grant_list_needs_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="grantlist",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approver__isnull", True), ("decided_at__isnull", True)),
                    models.Q(("approver__isnull", False), ("decided_at__isnull", False)),
                    _connector="OR",
                ),
                name="grant_list_decided_by_someone",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="grantlist",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."offer_id" IS DISTINCT FROM (NEW."offer_id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."digest" IS DISTINCT FROM (NEW."digest") OR OLD."worth" IS DISTINCT FROM (NEW."worth") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."actor" IS DISTINCT FROM (NEW."actor") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))',  # noqa: E501
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="35da0a54f8238f7e54efb5fc3afa2b8477aa2d67",
                    operation="UPDATE",
                    pgid="pgtrigger_frozen_63e47",
                    table="bonus_grantlist",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="grantlist",
            trigger=pgtrigger.compiler.Trigger(
                name="life",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."state" IS DISTINCT FROM (NEW."state"))',
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{waiting:running,waiting:rejected,running:done}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',  # noqa: E501
                    hash="6da16d15395af0cb8c585813f73d6704dc8f0c1f",
                    operation="UPDATE",
                    pgid="pgtrigger_life_c0dd4",
                    table="bonus_grantlist",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="grantlist",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="42faf0f6a7c52bcea25271928cea1a5451cff79b",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_ace17",
                    table="bonus_grantlist",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="grantlist",
            trigger=pgtrigger.compiler.Trigger(
                name="second_person",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.\"state\" = 'running' AND OLD.\"state\" = 'waiting')",
                    func="""
            IF EXISTS (
    WITH RECURSIVE recent AS (
        SELECT actor, account, what, credentials, at FROM wallet_accountchange
        WHERE at > NEW.decided_at - interval '7 days' OR starts_with(account, 'key:')
    ), behind (side, name) AS (
        VALUES ('author', NEW.actor::text), ('approver', NEW.approver::text)
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
                    hash="e15c5343b7b4406571e3e09b59dd67e0df7bb93e",
                    operation="UPDATE",
                    pgid="pgtrigger_second_person_90146",
                    table="bonus_grantlist",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="grantline",
            index=models.Index(
                condition=models.Q(("answer__isnull", True)), fields=["list", "number"], name="grant_line_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="grantline",
            constraint=models.UniqueConstraint(fields=("list", "number"), name="grant_line_number"),
        ),
        migrations.AddConstraint(
            model_name="grantline",
            constraint=models.UniqueConstraint(fields=("list", "player", "currency"), name="grant_line_player"),
        ),
        migrations.AddIndex(
            model_name="offerday",
            index=models.Index(fields=["day"], name="offer_day_by_day"),
        ),
        migrations.AddConstraint(
            model_name="offerday",
            constraint=models.UniqueConstraint(fields=("offer", "day", "currency"), name="offer_day_key"),
        ),
    ]
