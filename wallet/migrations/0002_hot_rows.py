"""Room for new versions of a wallet beside the old one, so that an update touches no index.

A busy wallet is rewritten thousands of times a second; with free room on its page each new
version is a heap-only tuple and the dead ones are pruned in passing.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("wallet", "0001_books")]

    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE wallet_wallet SET (
                fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
            )
            """,
            "ALTER TABLE wallet_wallet RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
    ]
