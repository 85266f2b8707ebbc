"""Above which amount withdrawals are settled by two people."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0013_approval_outcomes")]

    operations = [
        migrations.AddField(
            model_name="currency",
            name="settle_above",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
