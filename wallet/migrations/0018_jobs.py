"""Jobs that run by the clock."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0017_operator_access_roles")]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("every", models.PositiveIntegerField()),
                ("offset", models.PositiveIntegerField()),
                ("due_at", models.DateTimeField()),
                ("holder", models.CharField(blank=True, default="", max_length=128)),
                ("claimed_until", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("seconds", models.FloatField(null=True)),
                ("outcome", models.CharField(blank=True, default="", max_length=16)),
                ("result", models.CharField(blank=True, default="", max_length=500)),
                ("failures", models.PositiveIntegerField(default=0)),
            ],
            options={"ordering": ["name"], "default_permissions": ()},
        ),
    ]
