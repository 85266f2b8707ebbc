"""Names for what operators may do with bonuses."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("bonus", "0004_ways_in_one_write"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="bonus",
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("grant_bonus", "Can grant a bonus by hand"),
                    ("forfeit_bonus", "Can forfeit a bonus"),
                    ("extend_bonus", "Can give a bonus more time"),
                    ("complete_bonus", "Can complete a bonus by hand"),
                ],
                "verbose_name_plural": "bonuses",
            },
        ),
    ]
