"""What is kept of players: notes, tags, and every change of their limits.

Players are locked before wallets, as postings do it.
"""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wallet", "0021_players")]

    operations = [
        migrations.CreateModel(
            name="PlayerNote",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("author", models.CharField(max_length=150)),
                ("text", models.CharField(max_length=500)),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="playernote",
            name="player",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="notes", to="wallet.player"
            ),
        ),
        migrations.AddIndex(
            model_name="playernote",
            index=models.Index(fields=["player", "-id"], name="player_noted"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playernote",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="1bb64965cb0dc5b939de24d3203e4e1d5608b45c",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_20182",
                    table="wallet_playernote",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="playernote",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="4e95f7e2b950a2d396e5747330ae1361daead2b2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_3fc07",
                    table="wallet_playernote",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.CreateModel(
            name="PlayerTag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=32)),
            ],
            options={
                "ordering": ["name"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="playertag",
            name="player",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="tags", to="wallet.player"
            ),
        ),
        migrations.AddIndex(
            model_name="playertag",
            index=models.Index(fields=["name", "player"], name="player_tag_of"),
        ),
        migrations.AddConstraint(
            model_name="playertag",
            constraint=models.UniqueConstraint(fields=("player", "name"), name="player_tagged_once"),
        ),
        migrations.AddConstraint(
            model_name="playertag",
            constraint=models.CheckConstraint(
                condition=models.Q(("name__regex", "^[a-z0-9][a-z0-9-]{0,31}$")), name="player_tag_shape"
            ),
        ),
        migrations.CreateModel(
            name="LimitChange",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("actor", models.CharField(max_length=150)),
                (
                    "limit",
                    models.CharField(
                        choices=[
                            ("deposit_day", "deposit_day"),
                            ("deposit_week", "deposit_week"),
                            ("deposit_month", "deposit_month"),
                            ("stake_day", "stake_day"),
                            ("stake_week", "stake_week"),
                            ("stake_month", "stake_month"),
                            ("loss_day", "loss_day"),
                            ("loss_week", "loss_week"),
                            ("loss_month", "loss_month"),
                        ],
                        max_length=16,
                    ),
                ),
                ("before", models.BigIntegerField(null=True)),
                ("after", models.BigIntegerField(null=True)),
                ("increase", models.BigIntegerField(null=True)),
                ("available_at", models.DateTimeField(null=True)),
                ("at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="limitchange",
            name="wallet",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="wallet.wallet"
            ),
        ),
        migrations.AddIndex(
            model_name="limitchange",
            index=models.Index(fields=["wallet", "-id"], name="limit_changed"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="limitchange",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="5a3e5e90e5cd3f24cdccecbc2a0b184e95782b79",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_aa568",
                    table="wallet_limitchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="limitchange",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="9a12105e6e172dee25023ecd753229bdb2164a5c",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_d2fb6",
                    table="wallet_limitchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
