"""Since when a bonus that is wagered in full waits for its player to be verified."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bonus", "0005_campaigns_filled")]

    operations = [
        migrations.AddField(
            model_name="bonus",
            name="unverified_since",
            field=models.DateTimeField(null=True),
        ),
    ]
