"""What rollbacks before this release have undone of earlier periods (docs/limits.md), as far as it still counts."""

import json

from django.db import migrations

_PERIODS = ("day", "week", "month")

# Rollbacks since the month began, or the week that it began in, of rows from before their own day; by wallet, with the
# sums of those that still count. It reads the ledger once and locks nothing.
_FIND = """
SELECT wallet_id, (extract(epoch from newest AT TIME ZONE 'UTC') * 1000000)::bigint, {sums}
FROM (
    SELECT r.wallet_id, r.cash_delta + r.bonus_delta AS moved, r.created_at AT TIME ZONE 'UTC' AS at,
           o.created_at AT TIME ZONE 'UTC' AS original_at,
           max(r.created_at) OVER (PARTITION BY r.wallet_id) AT TIME ZONE 'UTC' AS newest
    FROM wallet_transaction r JOIN wallet_transaction o ON o.id = r.closes
    WHERE r.kind = 'ROLLBACK' AND r.status = 'POSTED'
        AND r.created_at >= date_trunc('month', now(), 'UTC') - interval '7 days'
        AND o.created_at < date_trunc('day', r.created_at, 'UTC')
) undone
GROUP BY wallet_id, newest
""".format(
    sums=", ".join(
        f"coalesce(sum(greatest({sign} moved, 0)) FILTER (WHERE at >= date_trunc('{period}', newest)"
        f" AND original_at < date_trunc('{period}', newest)), 0)::bigint"
        for sign in ("+", "-")
        for period in _PERIODS
    )
)


_FILL = "UPDATE wallet_wallet SET undone_earlier = %s WHERE id = %s AND undone_earlier IS NULL"


def fill(apps, schema_editor):
    """One wallet at a time, each for an instant; may be run again."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_FIND)
        for wallet, at, *sums in cursor.fetchall():
            staked, paid = dict(zip(_PERIODS, sums[:3], strict=True)), dict(zip(_PERIODS, sums[3:], strict=True))
            cursor.execute(_FILL, [json.dumps({"at": at, "staked": staked, "paid": paid}), wallet])


class Migration(migrations.Migration):
    # Many short transactions.
    atomic = False

    dependencies = [("wallet", "0002_undone_earlier")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
