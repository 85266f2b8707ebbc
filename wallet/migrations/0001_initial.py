"""Everything the wallet keeps, as it was after the twelve migrations of 1.0.0.

A database that has those counts as having this one (``replaces``): docs/operations.md, "Upgrading from 1.0.0".
"""

import django.contrib.postgres.fields
import django.core.serializers.json
import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    replaces = [
        ("wallet", "0001_books"),
        ("wallet", "0002_hot_rows"),
        ("wallet", "0003_suspect_wallets"),
        ("wallet", "0004_rows_in_time"),
        ("wallet", "0005_back_office"),
        ("wallet", "0006_approvals_of_bonuses"),
        ("wallet", "0007_reports"),
        ("wallet", "0008_limits"),
        ("wallet", "0009_audit_refusals"),
        ("wallet", "0010_open_withdrawals"),
        ("wallet", "0011_provider_runs"),
        ("wallet", "0012_closing"),
    ]

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Provider",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=128)),
                ("enabled", models.BooleanField(default=True)),
                ("secret_one", models.BinaryField(null=True)),
                ("secret_two", models.BinaryField(null=True)),
                ("secrets_version", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "reference_scope",
                    models.CharField(
                        choices=[("global", "Global"), ("player", "Player")], default="global", max_length=16
                    ),
                ),
                (
                    "replay_balance",
                    models.CharField(
                        choices=[("first", "First"), ("current", "Current")], default="first", max_length=16
                    ),
                ),
                (
                    "zero_amount",
                    models.CharField(
                        choices=[("accept", "Accept"), ("refuse", "Refuse")], default="accept", max_length=16
                    ),
                ),
                ("win_requires_bet", models.BooleanField(default=False)),
                (
                    "late_win",
                    models.CharField(
                        choices=[("accept", "Accept"), ("refuse", "Refuse")], default="accept", max_length=16
                    ),
                ),
                (
                    "unknown_rollback",
                    models.CharField(
                        choices=[("void", "Void"), ("not_found", "Not Found")], default="void", max_length=16
                    ),
                ),
                (
                    "late_bet",
                    models.CharField(
                        choices=[("refuse", "Refuse"), ("accept_void", "Accept Void")], default="refuse", max_length=16
                    ),
                ),
                (
                    "rollback_after_win",
                    models.CharField(
                        choices=[("refuse", "Refuse"), ("allow", "Allow")], default="refuse", max_length=16
                    ),
                ),
                ("rollback_wins", models.BooleanField(default=False)),
                (
                    "win_rollback",
                    models.CharField(
                        choices=[("refuse", "Refuse"), ("clamp", "Clamp")], default="refuse", max_length=16
                    ),
                ),
                ("ends_rounds", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("code__regex", "^[a-z0-9][a-z0-9_-]{0,63}$"),
                            models.Q(("code__in", ("cashier", "bonus", "operator")), _negated=True),
                        ),
                        name="provider_code_shape",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64, unique=True)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), default=list, size=None
                    ),
                ),
                ("source", models.CharField(default="cashier", max_length=64)),
                ("enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "provider",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="wallet.provider",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("source__regex", "^cashier(:[a-z0-9][a-z0-9_-]{0,31})?$")),
                        name="api_key_source_shape",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "scopes__contained_by",
                                ["players", "cashier", "adjust", "play", "offers", "bonuses", "feed"],
                            )
                        ),
                        name="api_key_scopes_known",
                    ),
                ],
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
            },
        ),
        migrations.CreateModel(
            name="Currency",
            fields=[
                ("code", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("digits", models.PositiveSmallIntegerField()),
                ("enabled", models.BooleanField(default=True)),
                ("approval_above", models.BigIntegerField(default=100000)),
            ],
            options={
                "verbose_name_plural": "currencies",
                "ordering": ["code"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("code__regex", "^[A-Z][A-Z0-9_]{2,31}$")), name="currency_code_shape"
                    ),
                    models.CheckConstraint(condition=models.Q(("digits__lte", 18)), name="currency_digits"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Player",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=128, unique=True)),
                ("country", models.CharField(blank=True, max_length=2, null=True)),
                ("bet_locked", models.BooleanField(default=False)),
                ("deposit_locked", models.BooleanField(default=False)),
                ("withdraw_locked", models.BooleanField(default=False)),
                ("excluded_until", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("country__isnull", True), ("country__regex", "^[A-Z]{2}$"), _connector="OR"
                        ),
                        name="player_country_shape",
                    )
                ],
                "permissions": [
                    ("lock_player", "Can lock and unlock a player"),
                    ("exclude_player", "Can exclude a player"),
                    ("limit_player", "Can set a player's limits"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Wallet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("cash", models.BigIntegerField(default=0)),
                ("bonus", models.BigIntegerField(default=0)),
                ("held", models.BigIntegerField(default=0)),
                ("version", models.BigIntegerField(default=0)),
                ("digest", models.BinaryField(max_length=32, null=True)),
                ("staked_total", models.BigIntegerField(default=0)),
                ("paid_total", models.BigIntegerField(default=0)),
                ("deposited_total", models.BigIntegerField(default=0)),
                ("newest_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "currency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="wallet.currency"
                    ),
                ),
                (
                    "player",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="wallets", to="wallet.player"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(condition=models.Q(("held__gt", 0)), fields=["id"], name="wallet_holding")],
                "constraints": [
                    models.UniqueConstraint(fields=("player", "currency"), name="wallet_of_player"),
                    models.CheckConstraint(
                        condition=models.Q(("cash__gte", 0), ("cash__lte", 100000000000000000)),
                        name="wallet_cash_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("bonus__gte", 0), ("bonus__lte", 100000000000000000)),
                        name="wallet_bonus_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("held__gte", 0), ("held__lte", 100000000000000000)),
                        name="wallet_held_bounds",
                    ),
                    models.CheckConstraint(condition=models.Q(("version__gte", 0)), name="wallet_version"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("digest__isnull", True), ("version", 0)),
                            models.Q(("digest__isnull", False), ("version__gt", 0)),
                            _connector="OR",
                        ),
                        name="wallet_digest_since_first_row",
                    ),
                ],
                "permissions": [("adjust_wallet", "Can adjust a wallet by hand")],
            },
        ),
        migrations.CreateModel(
            name="Approval",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("source", models.CharField(max_length=64)),
                ("reference", models.CharField(max_length=300)),
                ("amount", models.BigIntegerField()),
                ("reason", models.CharField(max_length=500)),
                (
                    "state",
                    models.CharField(
                        choices=[("pending", "Pending"), ("approved", "Approved"), ("rejected", "Rejected")],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("author", models.CharField(max_length=150)),
                ("approver", models.CharField(max_length=150, null=True)),
                ("decision_reason", models.CharField(max_length=500, null=True)),
                ("created_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "wallet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="wallet.wallet"
                    ),
                ),
                (
                    "act",
                    models.CharField(
                        choices=[("adjust", "Adjust"), ("complete", "Complete")], default="adjust", max_length=16
                    ),
                ),
                ("bonus", models.UUIDField(null=True)),
            ],
            options={
                "ordering": ["created_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "pending")), fields=["created_at"], name="approval_pending"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "reference"), name="approval_reference"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approver__isnull", True),
                            models.Q(("approver", models.F("author")), _negated=True),
                            _connector="OR",
                        ),
                        name="approval_needs_two_people",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("approver__isnull", True), ("decided_at__isnull", True), ("state", "pending")),
                            models.Q(
                                ("approver__isnull", False),
                                ("decided_at__isnull", False),
                                ("state__in", ["approved", "rejected"]),
                            ),
                            _connector="OR",
                        ),
                        name="approval_decided_by_someone",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("act", "adjust"), ("bonus__isnull", True)),
                            models.Q(("act", "complete"), ("bonus__isnull", False)),
                            _connector="OR",
                        ),
                        name="approval_completes_a_bonus",
                    ),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."wallet_id" IS DISTINCT FROM (NEW."wallet_id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."act" IS DISTINCT FROM (NEW."act") OR OLD."bonus" IS DISTINCT FROM (NEW."bonus") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."author" IS DISTINCT FROM (NEW."author") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))',  # noqa: E501
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ae60620759213018832684e7a57af13e8464ee83",
                    operation="UPDATE",
                    pgid="pgtrigger_frozen_e2c8a",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="decided_once",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.\"state\" IN ('approved', 'rejected'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ff861996c5b9e3a7fe841ed35046c27f3c447a4c",
                    operation="UPDATE",
                    pgid="pgtrigger_decided_once_59eab",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="approval",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="0614748e6bc86ac0debc8336d8c988133351fb63",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_65858",
                    table="wallet_approval",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(db_index=True)),
                ("actor", models.CharField(max_length=150)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=150), default=list, size=None
                    ),
                ),
                ("address", models.CharField(max_length=64)),
                ("act", models.CharField(max_length=64)),
                ("player", models.CharField(max_length=128, null=True)),
                ("subject", models.CharField(max_length=300)),
                ("reason", models.CharField(max_length=500)),
                ("before", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                ("after", models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, null=True)),
                ("outcome", models.CharField(max_length=32)),
                ("reference", models.CharField(max_length=300, null=True)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        fields=["actor", "-id"], name="audit_actor", opclasses=["varchar_pattern_ops", "uuid_ops"]
                    ),
                    models.Index(
                        condition=models.Q(("player__isnull", False)),
                        fields=["player", "-id"],
                        name="audit_player",
                        opclasses=["varchar_pattern_ops", "uuid_ops"],
                    ),
                    models.Index(
                        fields=["act", "-id"], name="audit_act", opclasses=["varchar_pattern_ops", "uuid_ops"]
                    ),
                    models.Index(
                        condition=models.Q(("reference__isnull", False)),
                        fields=["reference"],
                        name="audit_by_reference",
                        opclasses=["varchar_pattern_ops"],
                    ),
                    models.Index(
                        condition=models.Q(("outcome__in", ["done", "waits"]), _negated=True),
                        fields=["-id"],
                        name="audit_refused",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("reference__isnull", False)),
                        fields=("act", "reference", "outcome"),
                        name="audit_reference",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="c04dc225a1ce80d47b58169a66d9cef3a711b82d",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_d95a7",
                    table="wallet_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="auditentry",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="7b5104a603a41f3b4f3b79e11db4e1743176c541",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_6a59d",
                    table="wallet_auditentry",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="wallet.wallet",
                    ),
                ),
                ("version", models.BigIntegerField()),
                ("digest", models.BinaryField(max_length=32, null=True)),
                ("suspect", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="DaySum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("source", models.CharField(max_length=64)),
                ("game", models.CharField(max_length=128)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("DEPOSIT", "DEPOSIT"),
                            ("HOLD", "HOLD"),
                            ("SETTLE", "SETTLE"),
                            ("RELEASE", "RELEASE"),
                            ("BET", "BET"),
                            ("WIN", "WIN"),
                            ("ROLLBACK", "ROLLBACK"),
                            ("END_ROUND", "END_ROUND"),
                            ("GRANT", "GRANT"),
                            ("CONVERT", "CONVERT"),
                            ("FORFEIT", "FORFEIT"),
                            ("EXPIRE", "EXPIRE"),
                            ("ADJUST", "ADJUST"),
                        ],
                        max_length=16,
                    ),
                ),
                ("undoes", models.CharField(max_length=16)),
                ("rows", models.BigIntegerField()),
                ("amount", models.DecimalField(decimal_places=0, max_digits=38)),
                ("cash", models.DecimalField(decimal_places=0, max_digits=38)),
                ("bonus", models.DecimalField(decimal_places=0, max_digits=38)),
                ("held", models.DecimalField(decimal_places=0, max_digits=38)),
                (
                    "currency",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="wallet.currency",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "currency", "source", "game", "kind", "undoes"), name="day_sum_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Game",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=128)),
                ("category", models.CharField(blank=True, default="", max_length=64)),
                ("enabled", models.BooleanField(default=True)),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="games", to="wallet.provider"
                    ),
                ),
            ],
            options={
                "ordering": ["provider_id", "code"],
                "constraints": [models.UniqueConstraint(fields=("provider", "code"), name="game_of_provider")],
            },
        ),
        migrations.CreateModel(
            name="ProviderRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=64)),
                ("day", models.DateField()),
                ("file", models.CharField(max_length=255)),
                ("actor", models.CharField(max_length=150, null=True)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("lines", models.BigIntegerField()),
                ("rows", models.BigIntegerField()),
                ("difference_count", models.BigIntegerField()),
                ("totals", models.JSONField(default=list)),
                ("summary", models.JSONField(default=list)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ProviderDifference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("what", models.CharField(max_length=16)),
                ("line", models.BigIntegerField(null=True)),
                ("kind", models.CharField(max_length=16)),
                ("reference", models.CharField(max_length=300)),
                ("player", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=32)),
                ("theirs", models.BigIntegerField(null=True)),
                ("ours", models.BigIntegerField(null=True)),
                ("detail", models.CharField(max_length=500)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="differences", to="wallet.providerrun"
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ReconciliationRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "scope",
                    models.CharField(
                        choices=[("incremental", "Incremental"), ("full", "Full"), ("wallet", "Wallet")], max_length=16
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField()),
                ("wallets", models.BigIntegerField()),
                ("rows", models.BigIntegerField()),
                ("discrepancy_count", models.BigIntegerField()),
                ("discrepancies", models.JSONField(default=list)),
                ("seal", models.CharField(max_length=64, null=True)),
            ],
            options={
                "ordering": ["-id"],
                "get_latest_by": "id",
                "permissions": [
                    ("view_reports", "Can view reports"),
                    ("reconcile_provider", "Can reconcile a provider's file"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SummedUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("up_to", models.UUIDField()),
                ("refreshed_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="summed_up_once")],
            },
        ),
        migrations.CreateModel(
            name="Transaction",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("command", models.UUIDField()),
                ("version", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("DEPOSIT", "DEPOSIT"),
                            ("HOLD", "HOLD"),
                            ("SETTLE", "SETTLE"),
                            ("RELEASE", "RELEASE"),
                            ("BET", "BET"),
                            ("WIN", "WIN"),
                            ("ROLLBACK", "ROLLBACK"),
                            ("END_ROUND", "END_ROUND"),
                            ("GRANT", "GRANT"),
                            ("CONVERT", "CONVERT"),
                            ("FORFEIT", "FORFEIT"),
                            ("EXPIRE", "EXPIRE"),
                            ("ADJUST", "ADJUST"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("POSTED", "POSTED"), ("REFUSED", "REFUSED"), ("VOID", "VOID")], max_length=8
                    ),
                ),
                ("source", models.CharField(max_length=64)),
                ("reference", models.CharField(max_length=300)),
                ("round", models.CharField(max_length=128, null=True)),
                ("game", models.CharField(max_length=128, null=True)),
                ("amount", models.BigIntegerField()),
                ("cash_delta", models.BigIntegerField()),
                ("bonus_delta", models.BigIntegerField()),
                ("held_delta", models.BigIntegerField()),
                ("cash_after", models.BigIntegerField()),
                ("bonus_after", models.BigIntegerField()),
                ("held_after", models.BigIntegerField()),
                ("staked_total", models.BigIntegerField()),
                ("paid_total", models.BigIntegerField()),
                ("deposited_total", models.BigIntegerField()),
                ("bonus", models.UUIDField(null=True)),
                ("contribution", models.BigIntegerField(default=0)),
                ("wagered_after", models.BigIntegerField(null=True)),
                ("original", models.CharField(max_length=300, null=True)),
                ("original_kind", models.CharField(max_length=16, null=True)),
                ("closes", models.UUIDField(null=True)),
                (
                    "win_source",
                    models.CharField(
                        choices=[
                            ("game", "game"),
                            ("free_round", "free_round"),
                            ("jackpot", "jackpot"),
                            ("promo", "promo"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("ends_round", models.BooleanField(default=False)),
                ("late", models.BooleanField(default=False)),
                ("captured", models.BooleanField(default=False)),
                ("void_amount", models.BigIntegerField(default=0)),
                ("shortfall", models.BigIntegerField(default=0)),
                ("refusal", models.CharField(max_length=32, null=True)),
                ("actor", models.CharField(max_length=150, null=True)),
                ("reason", models.CharField(max_length=500, null=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("digest_version", models.PositiveSmallIntegerField(default=1)),
                ("created_at", models.DateTimeField()),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="wallet.wallet",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("round__isnull", False)), fields=["wallet", "round"], name="ledger_round"
                    ),
                    models.Index(
                        condition=models.Q(("kind", "WIN"), ("original__isnull", False)),
                        fields=["wallet", "original"],
                        name="ledger_answers",
                    ),
                    models.Index(
                        condition=models.Q(("command", models.F("id")), _negated=True),
                        fields=["command"],
                        name="ledger_command",
                    ),
                    models.Index(
                        condition=models.Q(("bonus__isnull", False)),
                        fields=["bonus", "created_at"],
                        name="ledger_bonus",
                    ),
                    models.Index(
                        condition=models.Q(("kind", "DEPOSIT")), fields=["wallet", "created_at"], name="ledger_deposits"
                    ),
                    models.Index(
                        condition=models.Q(("kind", "HOLD")), fields=["wallet", "created_at"], name="ledger_holds"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "reference", "kind"), name="ledger_reference"),
                    models.UniqueConstraint(fields=("wallet", "version"), name="ledger_version"),
                    models.UniqueConstraint(
                        condition=models.Q(("closes__isnull", False), ("status", "POSTED")),
                        fields=("closes",),
                        name="ledger_closes",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                (
                                    "DEPOSIT",
                                    "HOLD",
                                    "SETTLE",
                                    "RELEASE",
                                    "BET",
                                    "WIN",
                                    "ROLLBACK",
                                    "END_ROUND",
                                    "GRANT",
                                    "CONVERT",
                                    "FORFEIT",
                                    "EXPIRE",
                                    "ADJUST",
                                ),
                            )
                        ),
                        name="ledger_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("contribution", 0),
                                ("status__in", ("REFUSED", "VOID")),
                                ("void_amount", 0),
                                ("bonus_delta", 0),
                                ("cash_delta", 0),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "DEPOSIT"),
                                ("status", "POSTED"),
                                ("bonus_delta", 0),
                                ("cash_delta", models.F("amount")),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "HOLD"),
                                ("status", "POSTED"),
                                ("bonus_delta", 0),
                                (
                                    "cash_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("amount"), "*", models.Value(-1)
                                    ),
                                ),
                                ("held_delta", models.F("amount")),
                            ),
                            models.Q(
                                ("kind", "SETTLE"),
                                ("status", "POSTED"),
                                ("bonus_delta", 0),
                                ("cash_delta", 0),
                                (
                                    "held_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("amount"), "*", models.Value(-1)
                                    ),
                                ),
                            ),
                            models.Q(
                                ("kind", "RELEASE"),
                                ("status", "POSTED"),
                                ("bonus_delta", 0),
                                ("cash_delta", models.F("amount")),
                                (
                                    "held_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("amount"), "*", models.Value(-1)
                                    ),
                                ),
                            ),
                            models.Q(
                                ("kind", "BET"),
                                ("status", "POSTED"),
                                (
                                    "amount",
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("cash_delta"), "*", models.Value(-1)
                                        ),
                                        "-",
                                        models.F("bonus_delta"),
                                    ),
                                ),
                                ("bonus_delta__lte", 0),
                                ("cash_delta__lte", 0),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "WIN"),
                                ("status", "POSTED"),
                                (
                                    "amount",
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("cash_delta"), "+", models.F("bonus_delta")
                                        ),
                                        "+",
                                        models.F("void_amount"),
                                    ),
                                ),
                                ("bonus_delta__gte", 0),
                                ("cash_delta__gte", 0),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "ROLLBACK"),
                                ("status", "POSTED"),
                                ("held_delta", 0),
                                models.Q(
                                    models.Q(
                                        (
                                            "amount",
                                            django.db.models.expressions.CombinedExpression(
                                                django.db.models.expressions.CombinedExpression(
                                                    models.F("cash_delta"), "+", models.F("bonus_delta")
                                                ),
                                                "+",
                                                models.F("void_amount"),
                                            ),
                                        ),
                                        ("bonus_delta__gte", 0),
                                        ("cash_delta__gte", 0),
                                        ("shortfall", 0),
                                    ),
                                    models.Q(
                                        (
                                            "amount",
                                            django.db.models.expressions.CombinedExpression(
                                                django.db.models.expressions.CombinedExpression(
                                                    django.db.models.expressions.CombinedExpression(
                                                        django.db.models.expressions.CombinedExpression(
                                                            models.F("cash_delta"), "*", models.Value(-1)
                                                        ),
                                                        "-",
                                                        models.F("bonus_delta"),
                                                    ),
                                                    "+",
                                                    models.F("void_amount"),
                                                ),
                                                "+",
                                                models.F("shortfall"),
                                            ),
                                        ),
                                        ("bonus_delta__lte", 0),
                                        ("cash_delta__lte", 0),
                                    ),
                                    _connector="OR",
                                ),
                            ),
                            models.Q(
                                ("kind", "END_ROUND"),
                                ("status", "POSTED"),
                                ("bonus_delta", 0),
                                ("cash_delta", 0),
                                ("held_delta", 0),
                                ("amount", 0),
                            ),
                            models.Q(
                                ("kind", "GRANT"),
                                ("status", "POSTED"),
                                ("bonus_delta", models.F("amount")),
                                ("cash_delta", 0),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "CONVERT"),
                                ("status", "POSTED"),
                                (
                                    "bonus_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("amount"), "*", models.Value(-1)
                                    ),
                                ),
                                ("cash_delta__gte", 0),
                                ("cash_delta__lte", models.F("amount")),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "FORFEIT"),
                                ("status", "POSTED"),
                                (
                                    "bonus_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("amount"), "*", models.Value(-1)
                                    ),
                                ),
                                ("cash_delta", 0),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "EXPIRE"),
                                ("status", "POSTED"),
                                (
                                    "bonus_delta",
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("amount"), "*", models.Value(-1)
                                    ),
                                ),
                                ("cash_delta", 0),
                                ("held_delta", 0),
                            ),
                            models.Q(
                                ("kind", "ADJUST"),
                                ("status", "POSTED"),
                                ("bonus_delta", 0),
                                ("cash_delta", models.F("amount")),
                                ("held_delta", 0),
                            ),
                            _connector="OR",
                        ),
                        name="ledger_moves",
                    ),
                    models.CheckConstraint(condition=models.Q(("version__gte", 1)), name="ledger_version_positive"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("bonus_after__gte", 0),
                            ("cash_after__gte", 0),
                            ("held_after__gte", 0),
                            ("bonus_after__lte", 100000000000000000),
                            ("cash_after__lte", 100000000000000000),
                            ("held_after__lte", 100000000000000000),
                        ),
                        name="ledger_balances",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deposited_total__gte", 0), ("paid_total__gte", 0), ("staked_total__gte", 0)
                        ),
                        name="ledger_totals",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("contribution", 0), ("bonus__isnull", False), _connector="OR"),
                        name="ledger_contribution",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("refusal__isnull", False), ("status", "REFUSED")),
                            models.Q(("refusal__isnull", True), models.Q(("status", "REFUSED"), _negated=True)),
                            models.Q(("kind", "DEPOSIT"), ("status", "POSTED")),
                            _connector="OR",
                        ),
                        name="ledger_refusal",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__range", (0, 100000000000000)),
                            models.Q(("amount__range", (-100000000000000, 100000000000000)), ("kind", "ADJUST")),
                            models.Q(
                                ("amount__range", (0, 100000000000000000)),
                                ("kind__in", ("CONVERT", "FORFEIT", "EXPIRE")),
                            ),
                            _connector="OR",
                        ),
                        name="ledger_amount",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("shortfall", 0), ("void_amount", 0)),
                            models.Q(("kind", "WIN"), ("shortfall", 0), ("status", "POSTED"), ("void_amount__gte", 0)),
                            models.Q(
                                ("kind", "ROLLBACK"),
                                ("shortfall__gte", 0),
                                ("status", "POSTED"),
                                ("void_amount__gte", 0),
                            ),
                            _connector="OR",
                        ),
                        name="ledger_extras",
                    ),
                    models.CheckConstraint(
                        condition=models.Func(
                            models.F("source"),
                            models.F("reference"),
                            models.F("round"),
                            models.F("game"),
                            models.F("original"),
                            models.F("original_kind"),
                            models.F("win_source"),
                            models.F("refusal"),
                            models.F("actor"),
                            models.F("reason"),
                            function="concat",
                            output_field=models.BooleanField(),
                            template="%(function)s(%(expressions)s) !~ '[\\x01-\\x1e\\x7f]'",
                        ),
                        name="ledger_one_line",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("kind__in", ("ROLLBACK", "SETTLE", "RELEASE")),
                                models.Q(
                                    ("closes__isnull", False),
                                    models.Q(("status", "POSTED"), _negated=True),
                                    _connector="OR",
                                ),
                            ),
                            models.Q(
                                ("closes__isnull", True),
                                models.Q(("kind__in", ("ROLLBACK", "SETTLE", "RELEASE")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="ledger_closing",
                    ),
                ],
                "permissions": [
                    ("settle_withdrawal", "Can settle and release withdrawals"),
                    ("rollback_bet", "Can roll a bet back by hand"),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transaction",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="278a7c39f53957e75e58b731e8184933c2576b90",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_1d33f",
                    table="wallet_transaction",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transaction",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="c4ce6c56be22d87a9e2f02949fd9bdedc087a046",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_aa5f0",
                    table="wallet_transaction",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.CreateModel(
            name="WalletLimits",
            fields=[
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="limits",
                        serialize=False,
                        to="wallet.wallet",
                    ),
                ),
                ("deposit_day", models.BigIntegerField(null=True)),
                ("deposit_week", models.BigIntegerField(null=True)),
                ("deposit_month", models.BigIntegerField(null=True)),
                ("stake_day", models.BigIntegerField(null=True)),
                ("stake_week", models.BigIntegerField(null=True)),
                ("stake_month", models.BigIntegerField(null=True)),
                ("loss_day", models.BigIntegerField(null=True)),
                ("loss_week", models.BigIntegerField(null=True)),
                ("loss_month", models.BigIntegerField(null=True)),
                ("increases", models.JSONField(default=dict)),
            ],
            options={
                "verbose_name_plural": "wallet limits",
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("deposit_day__range", (0, 100000000000000))), name="limit_deposit_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("deposit_week__range", (0, 100000000000000))), name="limit_deposit_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("deposit_month__range", (0, 100000000000000))), name="limit_deposit_month"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stake_day__range", (0, 100000000000000))), name="limit_stake_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stake_week__range", (0, 100000000000000))), name="limit_stake_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stake_month__range", (0, 100000000000000))), name="limit_stake_month"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("loss_day__range", (0, 100000000000000))), name="limit_loss_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("loss_week__range", (0, 100000000000000))), name="limit_loss_week"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("loss_month__range", (0, 100000000000000))), name="limit_loss_month"
                    ),
                ],
            },
        ),
        # A busy wallet is rewritten thousands of times a second: room for new versions beside the old one,
        # so that each is a heap-only tuple that touches no index and the dead ones are pruned in passing.
        migrations.RunSQL(
            """
            ALTER TABLE wallet_wallet SET (
                fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
            )
            """,
            "ALTER TABLE wallet_wallet RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
    ]
