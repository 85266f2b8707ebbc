"""Who audits sees the endpoints of events, who administers makes and changes them."""

from django.db import migrations

from wallet import roles

ROLES = {
    "auditor": ["wallet.view_endpoint"],
    "administrator": ["wallet.view_endpoint", "wallet.add_endpoint", "wallet.change_endpoint"],
}


def give_roles(apps, schema_editor):
    for role, permissions in ROLES.items():
        roles.give(apps, role, permissions)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("wallet", "0019_events"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(give_roles, migrations.RunPython.noop)]
