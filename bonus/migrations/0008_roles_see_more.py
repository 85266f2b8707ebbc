"""Who names providers in offers may look at them; who reads the books sees what providers' files were held against."""

from django.db import migrations

from wallet import roles

FILES = ["wallet.view_providerrun", "wallet.view_providerdifference"]


def give(apps, schema_editor):
    roles.give(apps, "bonus", ["wallet.view_provider"])
    for role in ("finance", "auditor", "administrator"):
        roles.give(apps, role, FILES)


class Migration(migrations.Migration):
    dependencies = [("bonus", "0007_roles"), ("wallet", "0007_reports")]

    operations = [migrations.RunPython(give, migrations.RunPython.noop)]
