"""Why a bonus was granted by hand, and which grants wait for a second person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bonus", "0005_back_office"),
        ("wallet", "0006_approvals_of_bonuses"),
    ]

    operations = [
        migrations.AddField(
            model_name="bonus",
            name="reason",
            field=models.CharField(max_length=500, null=True),
        ),
        migrations.AddIndex(
            model_name="bonus",
            index=models.Index(
                condition=models.Q(("amount__gt", 0), ("status", "pending")),
                fields=["created_at"],
                name="bonus_unapproved",
            ),
        ),
    ]
