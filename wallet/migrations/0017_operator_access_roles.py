"""The auditor reads the queue of withdrawals, and who administers ends the log-ins of others."""

from django.db import migrations

from wallet import roles

ROLES = {
    "payments": ["wallet.view_withdrawals"],
    "auditor": ["wallet.view_withdrawals"],
    "administrator": ["wallet.view_withdrawals", "wallet.end_operatorsession"],
}


def give_roles(apps, schema_editor):
    for role, permissions in ROLES.items():
        roles.give(apps, role, permissions)
    # Whoever works on the queue has seen it so far.
    working = apps.get_model("auth", "Group").objects.filter(permissions__codename="settle_withdrawal")
    for role in working.values_list("name", flat=True):
        roles.give(apps, role, ["wallet.view_withdrawals"])


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("wallet", "0016_operator_access"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(give_roles, migrations.RunPython.noop)]
