"""Offers, bonuses and the roles of operators, as they were after the nine migrations of 1.0.0.

A database that has those counts as having this one (``replaces``): docs/operations.md, "Upgrading from 1.0.0".
"""

import django.contrib.postgres.fields
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from wallet import roles

# Called by a write that found rows other than it had read: the posting reads again and decides anew.
OVERTAKEN = """
CREATE FUNCTION bonus_overtaken() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'serialization_failure', MESSAGE = 'a bonus or an offer is not as it was read';
END $$;
"""

# Six roles to begin with (docs/roles.md). They are groups: superusers may change them, and no migration takes back.
PEOPLE = ["wallet.view_player", "wallet.view_wallet", "wallet.view_transaction", "bonus.view_bonus", "bonus.view_offer"]
BOOKS = [
    "wallet.view_approval",
    "wallet.view_reconciliationrun",
    "wallet.view_checkpoint",
    "wallet.view_providerrun",
    "wallet.view_providerdifference",
]
SETTINGS = ["wallet.view_provider", "wallet.view_game", "wallet.view_currency", "wallet.view_apikey"]
OPERATORS = ["auth.view_user", "auth.view_group"]

SUPPORT = ["wallet.lock_player", "wallet.exclude_player", "wallet.limit_player"]
PAYMENTS = ["wallet.settle_withdrawal"]
BONUSES = ["bonus.grant_bonus", "bonus.forfeit_bonus", "bonus.extend_bonus", "bonus.complete_bonus"]
FINANCE = ["wallet.adjust_wallet", "wallet.rollback_bet", "wallet.view_reports", "wallet.reconcile_provider"]
TRAIL = ["wallet.view_reports", "wallet.view_auditentry"]
OFFERS = ["bonus.add_offer", "bonus.change_offer"]

ROLES = {
    "support": [*PEOPLE, *SUPPORT],
    "payments": [*PEOPLE, *PAYMENTS],
    "bonus": [*PEOPLE, "wallet.view_approval", "wallet.view_game", "wallet.view_provider", *OFFERS, *BONUSES],
    "finance": [*PEOPLE, *BOOKS, "wallet.view_currency", "wallet.view_provider", *FINANCE],
    "auditor": [*PEOPLE, *BOOKS, *SETTINGS, *OPERATORS, "bonus.view_gameweight", *TRAIL],
    "administrator": [
        *PEOPLE,
        *BOOKS,
        *SETTINGS,
        *OPERATORS,
        *SUPPORT,
        *PAYMENTS,
        *BONUSES,
        *FINANCE,
        *TRAIL,
        *OFFERS,
        "bonus.view_gameweight",
        "wallet.change_player",
        *[f"wallet.{act}_{model}" for act in ("add", "change") for model in ("provider", "game", "currency", "apikey")],
        "auth.add_user",
        "auth.change_user",
    ],
}


def make_roles(apps, schema_editor):
    for role, permissions in ROLES.items():
        roles.give(apps, role, permissions)


class Migration(migrations.Migration):
    replaces = [
        ("bonus", "0001_promises"),
        ("bonus", "0002_hot_rows"),
        ("bonus", "0003_ended_reference"),
        ("bonus", "0004_ways_in_one_write"),
        ("bonus", "0005_back_office"),
        ("bonus", "0006_reasons"),
        ("bonus", "0007_roles"),
        ("bonus", "0008_roles_see_more"),
        ("bonus", "0009_overtaken"),
    ]

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("wallet", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Offer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=128)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("deposit_match", "deposit_match"),
                            ("fixed", "fixed"),
                            ("free_rounds", "free_rounds"),
                            ("cashback", "cashback"),
                        ],
                        max_length=32,
                    ),
                ),
                ("percent_bp", models.PositiveIntegerField(null=True)),
                ("which_deposit", models.CharField(default="any", max_length=8)),
                ("amounts", models.JSONField()),
                ("multiplier", models.PositiveSmallIntegerField()),
                (
                    "base",
                    models.CharField(
                        choices=[
                            ("bonus", "bonus"),
                            ("deposit_plus_bonus", "deposit_plus_bonus"),
                            ("winnings", "winnings"),
                        ],
                        max_length=32,
                    ),
                ),
                (
                    "counted",
                    models.CharField(choices=[("all", "all"), ("bonus", "bonus"), ("cash", "cash")], max_length=32),
                ),
                (
                    "spend_order",
                    models.CharField(
                        choices=[
                            ("cash_first", "cash_first"),
                            ("bonus_first", "bonus_first"),
                            ("proportional", "proportional"),
                        ],
                        max_length=32,
                    ),
                ),
                ("default_weight_bp", models.PositiveIntegerField()),
                ("max_stake_bp", models.PositiveIntegerField(null=True)),
                (
                    "over_max_stake",
                    models.CharField(choices=[("refuse", "refuse"), ("forfeit", "forfeit")], max_length=32),
                ),
                (
                    "conversion",
                    models.CharField(choices=[("balance", "balance"), ("original", "original")], max_length=32),
                ),
                ("sticky", models.BooleanField()),
                (
                    "on_withdrawal",
                    models.CharField(
                        choices=[("forfeit", "forfeit"), ("refuse", "refuse"), ("keep", "keep")], max_length=32
                    ),
                ),
                ("claim_days", models.PositiveIntegerField(null=True)),
                ("spend_days", models.PositiveIntegerField(null=True)),
                ("valid_from", models.DateTimeField(null=True)),
                ("valid_until", models.DateTimeField(null=True)),
                ("per_player", models.PositiveIntegerField()),
                ("total", models.PositiveIntegerField(null=True)),
                ("granted", models.PositiveIntegerField(default=0)),
                (
                    "countries",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), size=None),
                ),
                ("enabled", models.BooleanField()),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["code"],
                "base_manager_name": "objects",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("code__regex", "^[a-z0-9][a-z0-9_-]{0,63}$")), name="offer_code_shape"
                    ),
                    models.CheckConstraint(condition=models.Q(("multiplier__lte", 1000)), name="offer_multiplier"),
                    models.CheckConstraint(
                        condition=models.Q(("default_weight_bp__lte", 20000)), name="offer_default_weight"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("total__isnull", True), ("granted__lte", models.F("total")), _connector="OR"
                        ),
                        name="offer_granted_within_total",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_from__isnull", True),
                            ("valid_until__isnull", True),
                            ("valid_until__gt", models.F("valid_from")),
                            _connector="OR",
                        ),
                        name="offer_ends_after_it_begins",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Bonus",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("queued", "Queued"),
                            ("active", "Active"),
                            ("completed", "Completed"),
                            ("depleted", "Depleted"),
                            ("expired", "Expired"),
                            ("forfeited", "Forfeited"),
                            ("cancelled", "Cancelled"),
                        ],
                        max_length=16,
                    ),
                ),
                ("source", models.CharField(max_length=64)),
                ("reference", models.CharField(max_length=300)),
                ("ordinal", models.PositiveIntegerField()),
                ("terms", models.TextField()),
                ("deposit", models.BigIntegerField(default=0)),
                ("amount", models.BigIntegerField(default=0)),
                ("base", models.BigIntegerField(default=0)),
                ("required", models.BigIntegerField(default=0)),
                ("wagered", models.BigIntegerField(default=0)),
                ("converted", models.BigIntegerField(default=0)),
                ("version", models.BigIntegerField(default=0)),
                ("created_at", models.DateTimeField()),
                ("claim_by", models.DateTimeField(null=True)),
                ("activated_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_reason", models.CharField(max_length=500, null=True)),
                ("actor", models.CharField(max_length=150, null=True)),
                ("approver", models.CharField(max_length=150, null=True)),
                (
                    "player",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="wallet.player"
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="wallet.wallet"
                    ),
                ),
                (
                    "offer",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="bonus.offer"
                    ),
                ),
                ("ended_reference", models.CharField(max_length=300, null=True)),
                ("reason", models.CharField(max_length=500, null=True)),
            ],
            options={
                "verbose_name_plural": "bonuses",
                "ordering": ["-created_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status__in", ("pending", "queued", "active"))),
                        fields=["wallet"],
                        name="bonus_live",
                    ),
                    models.Index(
                        condition=models.Q(("status", "active")), fields=["expires_at"], name="bonus_expiring"
                    ),
                    models.Index(
                        condition=models.Q(("status__in", ("pending", "queued"))),
                        fields=["claim_by"],
                        name="bonus_unclaimed",
                    ),
                    models.Index(
                        condition=models.Q(("amount__gt", 0), ("status", "pending")),
                        fields=["created_at"],
                        name="bonus_unapproved",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("source", "reference"), name="bonus_reference"),
                    models.UniqueConstraint(fields=("offer", "player", "ordinal"), name="bonus_nth_of_player"),
                    models.UniqueConstraint(
                        condition=models.Q(("status", "active")), fields=("wallet",), name="bonus_one_active"
                    ),
                    models.CheckConstraint(condition=models.Q(("ordinal__gte", 1)), name="bonus_ordinal_from_one"),
                    models.CheckConstraint(
                        condition=models.Q(("deposit__gte", 0), ("deposit__lte", 100000000000000)),
                        name="bonus_deposit_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0), ("amount__lte", 100000000000000)),
                        name="bonus_amount_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("base__gte", 0), ("base__lte", 100000000000000)), name="bonus_base_bounds"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("required__gte", 0), ("required__lte", 100000000000000)),
                        name="bonus_required_bounds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("wagered__gte", 0), ("wagered__lte", 3000000000000000000)),
                        name="bonus_wagered_bounds",
                    ),
                    models.CheckConstraint(condition=models.Q(("converted__gte", 0)), name="bonus_converted_bounds"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("status__in", ("pending", "queued", "active"))),
                            models.Q(
                                ("ended_at__isnull", False),
                                ("status__in", ("completed", "depleted", "expired", "forfeited", "cancelled")),
                            ),
                            _connector="OR",
                        ),
                        name="bonus_ended_at_its_end",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("activated_at__isnull", True), ("status__in", ("pending", "queued", "cancelled"))
                            ),
                            ("status", "expired"),
                            models.Q(
                                ("activated_at__isnull", False),
                                ("status__in", ("active", "completed", "depleted", "forfeited")),
                            ),
                            _connector="OR",
                        ),
                        name="bonus_activated_when_played",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("activated_at__isnull", False), models.Q(("converted", 0), ("wagered", 0)), _connector="OR"
                        ),
                        name="bonus_wagered_once_active",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approver__isnull", True),
                            models.Q(("approver", models.F("actor")), _negated=True),
                            _connector="OR",
                        ),
                        name="bonus_needs_two_people",
                    ),
                ],
                "permissions": [
                    ("grant_bonus", "Can grant a bonus by hand"),
                    ("forfeit_bonus", "Can forfeit a bonus"),
                    ("extend_bonus", "Can give a bonus more time"),
                    ("complete_bonus", "Can complete a bonus by hand"),
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."terms" IS DISTINCT FROM (NEW."terms") OR OLD."offer_id" IS DISTINCT FROM (NEW."offer_id") OR OLD."player_id" IS DISTINCT FROM (NEW."player_id") OR OLD."wallet_id" IS DISTINCT FROM (NEW."wallet_id") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."ordinal" IS DISTINCT FROM (NEW."ordinal") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at"))',  # noqa: E501
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="5cf18fbc0479e37e76f375e07bf194ecfcf4219c",
                    operation="UPDATE",
                    pgid="pgtrigger_frozen_6e3be",
                    table="bonus_bonus",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="5f1a086e6614e9c89a64c76f872764d61266e853",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_b0288",
                    table="bonus_bonus",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="no_truncate",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot truncate rows from % table', TG_TABLE_NAME;",
                    hash="7f0f14136cba2738079e7fe76da3865c06a2b404",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_no_truncate_a019a",
                    table="bonus_bonus",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="bonus",
            trigger=pgtrigger.compiler.Trigger(
                name="life",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (OLD."status" IS DISTINCT FROM (NEW."status"))',
                    declare="DECLARE _is_valid_transition BOOLEAN;",
                    func='SELECT CONCAT(OLD."status", \':\', NEW."status") = ANY(\'{pending:queued,pending:active,pending:completed,pending:depleted,pending:expired,pending:forfeited,pending:cancelled,queued:active,queued:completed,queued:depleted,queued:expired,queued:forfeited,queued:cancelled,active:completed,active:depleted,active:expired,active:forfeited}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."status" IS DISTINCT FROM NEW."status") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "status" from "%" to "%" on table %\', OLD."status", NEW."status", TG_TABLE_NAME; ELSE RETURN NEW; END IF;',  # noqa: E501
                    hash="27cc3cbfbb3f110b4c5fc79e99741a9b5376796f",
                    operation="UPDATE",
                    pgid="pgtrigger_life_230a0",
                    table="bonus_bonus",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.CreateModel(
            name="GameWeight",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "scope",
                    models.CharField(
                        choices=[("game", "Game"), ("category", "Category"), ("provider", "Provider")], max_length=16
                    ),
                ),
                ("name", models.CharField(max_length=128)),
                ("weight_bp", models.PositiveIntegerField(null=True)),
                ("excluded", models.BooleanField(default=False)),
                (
                    "offer",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="bonus.offer"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("offer", "scope", "name"), name="game_weight_said_once"),
                    models.CheckConstraint(condition=models.Q(("weight_bp__lte", 20000)), name="game_weight_range"),
                    models.CheckConstraint(
                        condition=models.Q(("weight_bp__isnull", False), ("excluded", True), _connector="OR"),
                        name="game_weight_says_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("excluded", True), ("scope", "provider"), _negated=True),
                        name="game_weight_excludes_no_provider",
                    ),
                ],
            },
        ),
        # An active bonus is rewritten by every bet that counts: room for new versions beside the old one,
        # so that each is a heap-only tuple that touches no index and the dead ones are pruned in passing.
        migrations.RunSQL(
            """
            ALTER TABLE bonus_bonus SET (
                fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000
            )
            """,
            "ALTER TABLE bonus_bonus RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)",
        ),
        migrations.RunSQL(OVERTAKEN, "DROP FUNCTION bonus_overtaken();"),
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
