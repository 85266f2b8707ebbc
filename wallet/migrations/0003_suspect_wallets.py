"""Reconciliation reads a wallet it found wanting from its first row again, until it is sound.

Its checkpoint stays as it was: it may be the only witness of rows that are gone.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0002_hot_rows")]

    operations = [
        migrations.AddField("checkpoint", "suspect", models.BooleanField(default=False)),
    ]
