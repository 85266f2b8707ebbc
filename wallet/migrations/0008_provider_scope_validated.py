"""The keys that are there have scopes that are known."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("wallet", "0007_provider_scope")]

    operations = [
        ValidateConstraint(model_name="apikey", name="api_key_scopes_known"),
    ]
