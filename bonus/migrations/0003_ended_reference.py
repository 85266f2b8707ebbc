"""Who asked for the end of a bonus under which reference."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bonus", "0002_hot_rows")]

    operations = [
        migrations.AddField(
            model_name="bonus",
            name="ended_reference",
            field=models.CharField(max_length=300, null=True),
        ),
    ]
