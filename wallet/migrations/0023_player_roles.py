"""Who verifies, notes and tags players, and how players are listed; done without keeping anybody waiting."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from wallet import roles
from wallet.operations import AddIndexConcurrently

DESCRIBE = ["wallet.note_player", "wallet.tag_player"]
ROLES = {
    "support": ["wallet.verify_player", *DESCRIBE],
    "payments": DESCRIBE,
    "bonus": DESCRIBE,
    "finance": DESCRIBE,
    "administrator": ["wallet.verify_player", *DESCRIBE],
}


def give_roles(apps, schema_editor):
    for role, permissions in ROLES.items():
        roles.give(apps, role, permissions)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("wallet", "0022_player_records"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        ValidateConstraint(model_name="player", name="player_verification_known"),
        AddIndexConcurrently(
            model_name="player",
            index=models.Index(fields=["created_at", "id"], name="player_since"),
        ),
        migrations.RunPython(give_roles, migrations.RunPython.noop),
    ]
