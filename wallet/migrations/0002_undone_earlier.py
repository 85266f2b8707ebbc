from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0001_initial")]

    operations = [
        migrations.AddField(model_name="wallet", name="undone_earlier", field=models.JSONField(null=True)),
    ]
