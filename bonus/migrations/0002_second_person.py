"""The trigger that asks who changed whose account when a grant is approved (docs/decisions/0025)."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("bonus", "0001_initial"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="second_person",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition=(
                        'WHEN (NEW."approver" IS NOT NULL AND OLD."approver" IS NULL'
                        " AND NOT (NEW.\"status\" = 'cancelled'))"
                    ),
                    func="""
            IF EXISTS (
    WITH RECURSIVE recent AS (
        SELECT actor, account, what, credentials, at FROM wallet_accountchange
        WHERE at > greatest(now(), NEW.activated_at) - interval '7 days' OR starts_with(account, 'key:')
    ), behind (side, name) AS (
        VALUES ('author', coalesce(NEW.actor, NEW.source)::text), ('approver', NEW.approver::text)
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
                    hash="7b9bf6ee24f9bb02a0d7b57ef2725b294e82b233",
                    operation="UPDATE",
                    pgid="pgtrigger_second_person_75a28",
                    table="bonus_bonus",
                    when="BEFORE",
                ),
            ),
        ),
    ]
