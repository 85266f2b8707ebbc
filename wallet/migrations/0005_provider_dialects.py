"""What a provider speaks, and how it calls currencies and its report."""

from django.db import migrations, models

import wallet.models.provider


class Migration(migrations.Migration):
    dependencies = [("wallet", "0004_account_changes")]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="currencies",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                validators=[wallet.models.provider.validate_currencies],
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="dialect",
            field=models.CharField(
                choices=wallet.models.provider.dialects,
                db_default="door",
                default="door",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="file_mapping",
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.AddField(
            model_name="provider",
            name="merchant",
            field=models.CharField(blank=True, db_default="", default="", max_length=128),
        ),
        migrations.AddField(
            model_name="provider",
            name="public_key_one",
            field=models.TextField(
                blank=True, db_default="", default="", validators=[wallet.models.provider.validate_public_key]
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="public_key_two",
            field=models.TextField(
                blank=True, db_default="", default="", validators=[wallet.models.provider.validate_public_key]
            ),
        ),
        migrations.AddField(
            model_name="provider",
            name="share_references",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
