"""What became of requests approved before this release, as the ledger tells; and indexes for what pages list."""

import json

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations, models

from wallet import roles
from wallet.operations import AddIndexConcurrently, AddUniqueConcurrently

# An adjustment's row has its reference, a completion's names it. A request without a row was refused, or never
# posted: manage.py post_approved tries it again and writes down which.
_FIND = """
SELECT a.id, t.status, t.refusal, t.id, t.version, t.cash_after, t.bonus_after, w.currency_id, c.digits
FROM wallet_approval a
JOIN wallet_wallet w ON w.id = a.wallet_id
JOIN wallet_currency c ON c.code = w.currency_id
CROSS JOIN LATERAL (
    SELECT * FROM wallet_transaction r
    WHERE a.act = 'adjust' AND r.source = a.source AND r.reference = a.reference AND r.kind = 'ADJUST'
    UNION ALL
    SELECT * FROM wallet_transaction r
    WHERE a.act = 'complete' AND r.source = 'bonus' AND r.reference = a.bonus::text AND r.kind = 'CONVERT'
        AND r.original = a.reference
    OFFSET 0
) t
WHERE a.state = 'approved'
"""
_FILL = "UPDATE wallet_approval SET state = %s, refusal = %s, refusal_facts = %s WHERE id = %s AND state = 'approved'"


def fill(apps, schema_editor):
    """One request at a time, each for an instant; may be run again."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_FIND)
        for approval, status, refusal, row, version, cash, bonus, currency, digits in cursor.fetchall():
            facts = {"transaction": str(row), "version": version, "replayed": False, "balance": cash + bonus}
            facts |= {"cash": cash, "bonus": bonus, "currency": currency, "digits": digits}
            refused = status == "REFUSED"
            state = "refused" if refused else "posted"
            cursor.execute(_FILL, [state, refusal, json.dumps(facts) if refused else None, approval])


def give_roles(apps, schema_editor):
    """Withdrawals may wait for a second person, so whoever settles them sees what waits."""
    roles.give(apps, "payments", ["wallet.view_approval"])


class Migration(migrations.Migration):
    # Many short transactions, and work that is done concurrently.
    atomic = False
    dependencies = [
        ("wallet", "0014_settle_above"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RunPython(give_roles, migrations.RunPython.noop),
        ValidateConstraint(model_name="approval", name="approval_names_its_subject"),
        ValidateConstraint(model_name="approval", name="approval_decided_by_someone"),
        ValidateConstraint(model_name="approval", name="approval_refused_with_a_code"),
        AddIndexConcurrently(
            model_name="approval",
            index=models.Index(
                condition=models.Q(("state", "approved")), fields=["decided_at"], name="approval_unposted"
            ),
        ),
        AddIndexConcurrently(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("player__isnull", False), models.Q(("act", "issue token"), _negated=True)),
                fields=["player", "-id"],
                name="audit_acts_on_player",
            ),
        ),
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("kind", "HOLD")), fields=["source", "id"], name="ledger_withdrawals"
            ),
        ),
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(
                condition=models.Q(("kind", "ADJUST")), fields=["wallet", "created_at"], name="ledger_adjustments"
            ),
        ),
        AddUniqueConcurrently(
            model_name="approval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["pending", "approved"]), ("withdrawal__isnull", False)),
                fields=("withdrawal",),
                name="approval_one_settlement",
            ),
        ),
    ]
