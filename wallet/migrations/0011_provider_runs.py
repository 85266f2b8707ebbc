"""Who may look at the runs over providers' files."""

from django.db import migrations

from wallet import roles

READERS = ("finance", "auditor", "administrator")


def give(apps, schema_editor):
    for role in READERS:
        roles.give(apps, role, ["wallet.view_providerrun"])


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0010_open_withdrawals"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.AlterModelOptions(name="providerdifference", options={"default_permissions": ()}),
        migrations.RunPython(give, migrations.RunPython.noop),
    ]
