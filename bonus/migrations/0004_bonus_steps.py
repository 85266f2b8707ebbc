"""From now on every step of a bonus is noted by whoever takes it, older code included."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bonus", "0003_campaigns")]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="made",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="""
    INSERT INTO bonus_offerstep (bonus, step, offer, currency, day)
    SELECT NEW.id, s.step, NEW.offer_id, w.currency_id, (s.at AT TIME ZONE 'UTC')::date
    FROM wallet_wallet w CROSS JOIN (VALUES
        ('granted', NEW.created_at, OLD.created_at),
        ('activated', NEW.activated_at, OLD.activated_at),
        (NEW.status, NEW.ended_at, OLD.ended_at),
        ('earned', CASE WHEN NEW.status = 'completed' THEN NEW.created_at END, OLD.ended_at)
    ) AS s(step, at, before)
    WHERE w.id = NEW.wallet_id AND s.at IS NOT NULL AND s.before IS NULL;
    RETURN NULL;
""",
                    hash="2b916656a7bd456555fb4ea07989873315e29b42",
                    operation="INSERT",
                    pgid="pgtrigger_made_dfc63",
                    table="bonus_bonus",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="moved_on",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."status" IS DISTINCT FROM (NEW."status"))',
                    func="""
    INSERT INTO bonus_offerstep (bonus, step, offer, currency, day)
    SELECT NEW.id, s.step, NEW.offer_id, w.currency_id, (s.at AT TIME ZONE 'UTC')::date
    FROM wallet_wallet w CROSS JOIN (VALUES
        ('granted', NEW.created_at, OLD.created_at),
        ('activated', NEW.activated_at, OLD.activated_at),
        (NEW.status, NEW.ended_at, OLD.ended_at),
        ('earned', CASE WHEN NEW.status = 'completed' THEN NEW.created_at END, OLD.ended_at)
    ) AS s(step, at, before)
    WHERE w.id = NEW.wallet_id AND s.at IS NOT NULL AND s.before IS NULL;
    RETURN NULL;
""",
                    hash="8eebaea426a1d3a48788550b9891415bfd4099be",
                    operation="UPDATE",
                    pgid="pgtrigger_moved_on_d7b6f",
                    table="bonus_bonus",
                    when="AFTER",
                ),
            ),
        ),
    ]
