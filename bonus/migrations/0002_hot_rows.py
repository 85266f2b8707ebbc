"""Room for new versions of a bonus beside the old one, so that an update touches no index.

An active bonus is rewritten by every bet that counts, as its wallet is (wallet/migrations/0002_hot_rows.py).
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bonus", "0001_promises")]

    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE bonus_bonus SET (
                fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
            )
            """,
            "ALTER TABLE bonus_bonus RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
    ]
