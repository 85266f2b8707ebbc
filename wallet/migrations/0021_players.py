"""Whether a player is verified, and how often the player's page tells the time."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0020_event_roles")]

    operations = [
        migrations.AlterModelOptions(
            name="player",
            options={
                "permissions": [
                    ("lock_player", "Can lock and unlock a player"),
                    ("exclude_player", "Can exclude a player"),
                    ("limit_player", "Can set a player's limits"),
                    ("verify_player", "Can set a player's verification status"),
                    ("note_player", "Can write notes about a player"),
                    ("tag_player", "Can tag a player"),
                ]
            },
        ),
        migrations.AddField(
            model_name="player",
            name="reality_check_minutes",
            field=models.SmallIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="player",
            name="verification",
            field=models.CharField(
                choices=[
                    ("unverified", "unverified"),
                    ("pending", "pending"),
                    ("verified", "verified"),
                    ("rejected", "rejected"),
                ],
                db_default="unverified",
                default="unverified",
                max_length=16,
            ),
        ),
        AddConstraintNotValid(
            model_name="player",
            constraint=models.CheckConstraint(
                condition=models.Q(("verification__in", ("unverified", "pending", "verified", "rejected"))),
                name="player_verification_known",
            ),
        ),
    ]
