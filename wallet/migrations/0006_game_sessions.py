"""Sessions of games, which providers name instead of the player."""

from django.db import migrations, models
from django.db.models import PROTECT


class Migration(migrations.Migration):
    dependencies = [("wallet", "0005_provider_dialects")]

    operations = [
        migrations.CreateModel(
            name="GameSession",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("game", models.CharField(blank=True, max_length=128, null=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "currency",
                    models.ForeignKey(db_index=False, on_delete=PROTECT, related_name="+", to="wallet.currency"),
                ),
                (
                    "player",
                    models.ForeignKey(db_index=False, on_delete=PROTECT, related_name="sessions", to="wallet.player"),
                ),
                (
                    "provider",
                    models.ForeignKey(db_index=False, on_delete=PROTECT, related_name="+", to="wallet.provider"),
                ),
            ],
            options={
                "verbose_name": "session",
                "ordering": ["-created_at", "-id"],
                "permissions": [("end_session", "Can end a player's sessions")],
                "indexes": [
                    models.Index(fields=["player", "provider", "-created_at", "-id"], name="session_of_player"),
                    models.Index(
                        condition=models.Q(("ended_at__isnull", True)), fields=["player"], name="session_open"
                    ),
                ],
            },
        ),
    ]
