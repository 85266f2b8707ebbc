"""A column that every row has, and a CHECK on it that new rows obey."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from tests.deploys.migrations import NEWEST


class Migration(migrations.Migration):
    dependencies = [("wallet", NEWEST)]

    operations = [
        migrations.AddField("transaction", "channel", models.SmallIntegerField(db_default=0)),
        AddConstraintNotValid(
            "transaction", models.CheckConstraint(condition=models.Q(channel__range=(0, 99)), name="ledger_channel")
        ),
    ]
