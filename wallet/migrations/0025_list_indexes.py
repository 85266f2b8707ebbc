"""What the back office's lists are narrowed by, found along an index."""

from django.db import migrations, models
from django.db.models import Q

from wallet.operations import AddIndexConcurrently, RemoveIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("wallet", "0024_lists")]

    operations = [
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(condition=Q(("round__isnull", False)), fields=["round", "wallet"], name="ledger_rounds"),
        ),
        RemoveIndexConcurrently(model_name="transaction", name="ledger_round"),
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(
                condition=Q(("kind__in", ("BET", "WIN", "ROLLBACK", "END_ROUND")), _negated=True),
                fields=["kind", "id"],
                name="ledger_beside_play",
            ),
        ),
        AddIndexConcurrently(
            model_name="auditentry",
            index=models.Index(fields=["subject", "-id"], name="audit_subject"),
        ),
        AddIndexConcurrently(
            model_name="player",
            index=models.Index(fields=["country", "code"], name="player_of_country"),
        ),
        AddIndexConcurrently(
            model_name="player",
            index=models.Index(fields=["verification", "code"], name="player_verification"),
        ),
        AddIndexConcurrently(
            model_name="player",
            index=models.Index(condition=Q(("excluded_until__isnull", False)), fields=["code"], name="player_excluded"),
        ),
    ]
