"""Rows say whether they counted for a bonus, and whether another kind may have their reference."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0008_provider_scope_validated")]

    operations = [
        migrations.AddField(
            model_name="transaction",
            name="wagering",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="transaction",
            name="shares_reference",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
