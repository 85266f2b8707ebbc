"""The shapes in which rows of digest version 2, and changes of wallets, travel to the ledger (wallet/ledger.py)."""

from django.db import migrations

from wallet.operations import CreateRowType


class Migration(migrations.Migration):
    dependencies = [("wallet", "0011_session_roles")]

    operations = [
        CreateRowType(
            name="wallet_change",
            columns=[
                ("id", "bigint"),
                ("seen", "bigint"),
                ("newest_at", "bigint"),
                ("cash", "bigint"),
                ("bonus", "bigint"),
                ("held", "bigint"),
                ("version", "bigint"),
                ("staked_total", "bigint"),
                ("paid_total", "bigint"),
                ("deposited_total", "bigint"),
                ("digest", "text"),
                ("undone_earlier", "text"),
            ],
        ),
        CreateRowType(
            name="wallet_ledger_row_2",
            columns=[
                ("id", "uuid"),
                ("command", "uuid"),
                ("wallet_id", "bigint"),
                ("version", "bigint"),
                ("kind", "text"),
                ("status", "text"),
                ("source", "text"),
                ("reference", "text"),
                ("round", "text"),
                ("game", "text"),
                ("amount", "bigint"),
                ("cash_delta", "bigint"),
                ("bonus_delta", "bigint"),
                ("held_delta", "bigint"),
                ("cash_after", "bigint"),
                ("bonus_after", "bigint"),
                ("held_after", "bigint"),
                ("staked_total", "bigint"),
                ("paid_total", "bigint"),
                ("deposited_total", "bigint"),
                ("bonus", "uuid"),
                ("contribution", "bigint"),
                ("wagered_after", "bigint"),
                ("original", "text"),
                ("original_kind", "text"),
                ("closes", "uuid"),
                ("win_source", "text"),
                ("ends_round", "boolean"),
                ("late", "boolean"),
                ("captured", "boolean"),
                ("void_amount", "bigint"),
                ("shortfall", "bigint"),
                ("refusal", "text"),
                ("actor", "text"),
                ("reason", "text"),
                ("digest_version", "smallint"),
                ("created_at", "bigint"),
                ("wagering", "boolean"),
                ("shares_reference", "boolean"),
                ("digest", "text"),
            ],
        ),
    ]
