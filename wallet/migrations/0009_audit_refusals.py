"""Refusals in the trail are looked for by themselves, and are few."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0008_limits"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("outcome__in", ["done", "waits"]), _negated=True),
                fields=["-id"],
                name="audit_refused",
            ),
        ),
    ]
