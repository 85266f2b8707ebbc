"""Six roles to begin with (docs/roles.md). They are groups: superusers may change them, and no migration takes back."""

from django.db import migrations

from wallet import roles

PEOPLE = ["wallet.view_player", "wallet.view_wallet", "wallet.view_transaction", "bonus.view_bonus", "bonus.view_offer"]
BOOKS = ["wallet.view_approval", "wallet.view_reconciliationrun", "wallet.view_checkpoint"]
HOUSE = ["wallet.view_provider", "wallet.view_game", "wallet.view_currency", "wallet.view_apikey"]
OPERATORS = ["auth.view_user", "auth.view_group"]

SUPPORT = ["wallet.lock_player", "wallet.exclude_player", "wallet.limit_player"]
PAYMENTS = ["wallet.settle_withdrawal"]
PROMISES = ["bonus.grant_bonus", "bonus.forfeit_bonus", "bonus.extend_bonus", "bonus.complete_bonus"]
FINANCE = ["wallet.adjust_wallet", "wallet.rollback_bet", "wallet.view_reports", "wallet.reconcile_provider"]
TRAIL = ["wallet.view_reports", "wallet.view_auditentry"]

ROLES = {
    "support": [*PEOPLE, *SUPPORT],
    "payments": [*PEOPLE, *PAYMENTS],
    "bonus": [*PEOPLE, "wallet.view_approval", "wallet.view_game", "bonus.add_offer", "bonus.change_offer", *PROMISES],
    "finance": [*PEOPLE, *BOOKS, "wallet.view_currency", "wallet.view_provider", *FINANCE],
    "auditor": [*PEOPLE, *BOOKS, *HOUSE, *OPERATORS, "bonus.view_gameweight", *TRAIL],
    "administrator": [
        *PEOPLE,
        *BOOKS,
        *HOUSE,
        *OPERATORS,
        *SUPPORT,
        *PAYMENTS,
        *PROMISES,
        *FINANCE,
        *TRAIL,
        "bonus.view_gameweight",
        "wallet.change_player",
        *[f"wallet.{act}_{model}" for act in ("add", "change") for model in ("provider", "game", "currency", "apikey")],
        "bonus.add_offer",
        "bonus.change_offer",
        "auth.add_user",
        "auth.change_user",
    ],
}


def make(apps, schema_editor):
    for role, permissions in ROLES.items():
        roles.give(apps, role, permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("bonus", "0006_reasons"),
        ("wallet", "0006_approvals_of_bonuses"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
