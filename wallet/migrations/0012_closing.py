"""Guards of the ledger that left gaps: amounts, what undoes or ends a row, what could not move, control characters."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0011_provider_runs"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="transaction",
            name="ledger_amount",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="ledger_extras",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="ledger_one_line",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="ledger_closes_kind",
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount__range", (0, 100000000000000)),
                    models.Q(("amount__range", (-100000000000000, 100000000000000)), ("kind", "ADJUST")),
                    models.Q(
                        ("amount__range", (0, 100000000000000000)), ("kind__in", ("CONVERT", "FORFEIT", "EXPIRE"))
                    ),
                    _connector="OR",
                ),
                name="ledger_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("shortfall", 0), ("void_amount", 0)),
                    models.Q(("kind", "WIN"), ("shortfall", 0), ("status", "POSTED"), ("void_amount__gte", 0)),
                    models.Q(
                        ("kind", "ROLLBACK"), ("shortfall__gte", 0), ("status", "POSTED"), ("void_amount__gte", 0)
                    ),
                    _connector="OR",
                ),
                name="ledger_extras",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
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
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind__in", ("ROLLBACK", "SETTLE", "RELEASE")),
                        models.Q(
                            ("closes__isnull", False), models.Q(("status", "POSTED"), _negated=True), _connector="OR"
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
        ),
    ]
