"""Support sees and ends sessions of games; who audits sees them, who administers does both."""

from django.db import migrations

from wallet import roles

ROLES = {
    "support": ["wallet.view_gamesession", "wallet.end_session"],
    "auditor": ["wallet.view_gamesession"],
    "administrator": ["wallet.view_gamesession", "wallet.end_session"],
}


def give_roles(apps, schema_editor):
    for role, permissions in ROLES.items():
        roles.give(apps, role, permissions)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("wallet", "0010_ledger_shared_reference"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(give_roles, migrations.RunPython.noop)]
