"""Keys may be allowed to make and change providers."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0006_game_sessions")]

    operations = [
        migrations.RemoveConstraint(model_name="apikey", name="api_key_scopes_known"),
        AddConstraintNotValid(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scopes__contained_by",
                        ["players", "cashier", "adjust", "play", "offers", "bonuses", "feed", "providers"],
                    )
                ),
                name="api_key_scopes_known",
            ),
        ),
    ]
