"""The steps that bonuses had taken before steps were noted, and what makes a promo code one open offer's."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from wallet.operations import AddUniqueConcurrently

_TOGETHER = 5_000

# Those that the trigger has noted meanwhile are there already.
_FILL = """
WITH part AS (SELECT * FROM bonus_bonus WHERE id > %s ORDER BY id LIMIT %s), noted AS (
    INSERT INTO bonus_offerstep (bonus, step, offer, currency, day)
    SELECT b.id, s.step, b.offer_id, w.currency_id, (s.at AT TIME ZONE 'UTC')::date
    FROM part b JOIN wallet_wallet w ON w.id = b.wallet_id CROSS JOIN LATERAL (VALUES
        ('granted', b.created_at), ('activated', b.activated_at), (b.status, b.ended_at),
        ('earned', CASE WHEN b.status = 'completed' THEN b.created_at END)
    ) AS s(step, at)
    WHERE s.at IS NOT NULL
    ON CONFLICT (bonus, step) DO NOTHING
)
SELECT id FROM part ORDER BY id DESC LIMIT 1
"""


def fill(apps, schema_editor):
    """Some thousand bonuses at a time, each part for an instant.

    It may be run again, as long as no `refresh_reports` of this release ran between: that would count twice, and
    `refresh_reports --check` would say so.
    """
    reached = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(_FILL, [reached, _TOGETHER])
            found = cursor.fetchone()
            if found is None:
                return
            (reached,) = found


class Migration(migrations.Migration):
    # Many short transactions, and an index that is built while others write.
    atomic = False

    dependencies = [("bonus", "0004_bonus_steps")]

    operations = [
        ValidateConstraint(model_name="offer", name="offer_promo_code_shape"),
        AddUniqueConcurrently(
            model_name="offer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("enabled", True), ("promo_code__isnull", False)),
                fields=("promo_code",),
                name="offer_promo_code",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
