"""One posting may hold many commands, so a bonus may start and end within one write."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bonus", "0003_ended_reference")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(model_name="bonus", name="life"),
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="life",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."status" IS DISTINCT FROM (NEW."status"))',
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{pending:queued,pending:active,pending:completed,pending:depleted,pending:expired,pending:forfeited,pending:cancelled,queued:active,queued:completed,queued:depleted,queued:expired,queued:forfeited,queued:cancelled,active:completed,active:depleted,active:expired,active:forfeited}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',  # noqa: E501
                    hash="27cc3cbfbb3f110b4c5fc79e99741a9b5376796f",
                    operation="UPDATE",
                    pgid="pgtrigger_life_230a0",
                    table="bonus_bonus",
                    when="BEFORE",
                ),
            ),
        ),
    ]
