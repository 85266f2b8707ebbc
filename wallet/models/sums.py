"""What reports are made of: the ledger added up by UTC day, as far as it is settled."""

from django.db import models

from wallet.kinds import KINDS
from wallet.models.people import Currency


def _sum() -> models.DecimalField:  # type: ignore[type-arg]
    """Minor units. A day of a busy house may come to more than a BIGINT holds."""
    return models.DecimalField(max_digits=38, decimal_places=0)


class DaySum(models.Model):
    """The POSTED rows of one UTC day, source, game, kind and currency, counted and added up.

    ``undoes`` says of a ROLLBACK what it undid, BET or WIN. A row without a game counts under the
    empty one. Sums are minor units. Only ``wallet.reports.sums`` writes here, and only what it
    read in the ledger; ``manage.py refresh_reports --check`` compares the two.
    """

    day = models.DateField()
    currency = models.ForeignKey(Currency, on_delete=models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=64)
    game = models.CharField(max_length=128)
    kind = models.CharField(max_length=16, choices=[(kind, kind) for kind in KINDS])
    undoes = models.CharField(max_length=16)
    rows = models.BigIntegerField()
    amount = _sum()
    cash = _sum()
    bonus = _sum()
    held = _sum()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(name="day_sum_key", fields=["day", "currency", "source", "game", "kind", "undoes"]),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.source} {self.game} {self.kind}"


class SummedUp(models.Model):
    """How far the ledger is in the sums: every row whose id is below ``up_to``, and no other. One row."""

    up_to = models.UUIDField()
    refreshed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(name="summed_up_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"up to {self.up_to}"
