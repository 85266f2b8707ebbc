"""The CHECK holds for the rows there are."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("wallet", "deploy_1_column")]

    operations = [ValidateConstraint("transaction", "ledger_channel")]
