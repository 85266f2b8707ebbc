"""What is done behind the requests, and what it came to: jobs, reconciliation, sums by day, providers' files."""

from datetime import datetime, timedelta

from django.db import models

from wallet.kinds import KINDS
from wallet.models.people import Currency, Player, Wallet


class Job(models.Model):
    """A job that runs by the clock, on one machine at a time: when it is due, who has claimed it, how it last ended.

    It runs ``every`` so many seconds, ``offset`` seconds after midnight (UTC). A claim holds until ``claimed_until``
    and is renewed for as long as the job runs; after that anybody may take it over. ``failures`` counts the runs since
    it last ended well. Only ``casino_pam.scheduler`` writes here.
    """

    name = models.CharField(max_length=64, primary_key=True)
    every = models.PositiveIntegerField()
    offset = models.PositiveIntegerField()
    due_at = models.DateTimeField()
    holder = models.CharField(max_length=128, blank=True, default="")
    claimed_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True)
    outcome = models.CharField(max_length=16, blank=True, default="")
    result = models.CharField(max_length=500, blank=True, default="")
    failures = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def running(self, at: datetime) -> bool:
        """Whether somebody runs it at that instant."""
        return self.claimed_until is not None and self.claimed_until > at

    def overdue(self, at: datetime) -> timedelta:
        """How long it has been due at that instant, and nobody runs it."""
        return timedelta(0) if self.running(at) else max(timedelta(0), at - self.due_at)


class Checkpoint(models.Model):
    """A wallet's version and digest up to which its rows were proven.

    ``suspect`` marks a wallet in which something was found since: every run reads it from its
    first row until it is sound again.
    """

    wallet = models.OneToOneField(Wallet, on_delete=models.PROTECT, primary_key=True)
    version = models.BigIntegerField()
    digest = models.BinaryField(max_length=32, null=True)
    suspect = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"wallet {self.wallet_id}, row {self.version}"


class ReconciliationRun(models.Model):
    """One run of ``manage.py reconcile`` and every discrepancy it named."""

    class Scope(models.TextChoices):
        INCREMENTAL = "incremental"
        FULL = "full"
        WALLET = "wallet"

    scope = models.CharField(max_length=16, choices=Scope)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    wallets = models.BigIntegerField()
    rows = models.BigIntegerField()
    discrepancy_count = models.BigIntegerField()
    # The first ones in full; a broken house would otherwise write millions here.
    discrepancies = models.JSONField(default=list)
    seal = models.CharField(max_length=64, null=True)

    class Meta:
        permissions = [
            ("view_reports", "Can view reports"),
            ("reconcile_provider", "Can reconcile a provider's file"),
        ]
        ordering = ["-id"]
        get_latest_by = "id"

    def __str__(self) -> str:
        return f"{self.scope}, {self.started_at:%Y-%m-%d %H:%M:%S} UTC"


class ProviderRun(models.Model):
    """One run of ``manage.py reconcile_provider``, or of its page.

    ``totals`` holds a record for each game and currency of the day, ``summary`` one for each sort
    of difference and currency; sums there are decimal strings.
    """

    provider = models.CharField(max_length=64)
    day = models.DateField()
    file = models.CharField(max_length=255)
    actor = models.CharField(max_length=150, null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    lines = models.BigIntegerField()
    rows = models.BigIntegerField()
    difference_count = models.BigIntegerField()
    totals = models.JSONField(default=list)
    summary = models.JSONField(default=list)

    class Meta:
        default_permissions = ("view",)
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.provider}, {self.day}"


class ProviderDifference(models.Model):
    """One difference of a run: ``theirs`` and ``ours`` are amounts in minor units, null where there is none.

    ``line`` is the file's, counted from 1 with the header. A run keeps its first ones; a file of
    another house would otherwise write millions here.
    """

    run = models.ForeignKey(ProviderRun, on_delete=models.CASCADE, related_name="differences")
    what = models.CharField(max_length=16)
    line = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=16)
    reference = models.CharField(max_length=300)
    player = models.CharField(max_length=128)
    currency = models.CharField(max_length=32)
    theirs = models.BigIntegerField(null=True)
    ours = models.BigIntegerField(null=True)
    detail = models.CharField(max_length=500)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.what} {self.kind} {self.reference}"


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


class DayPlayer(models.Model):
    """A player who bet on a UTC day. Only ``wallet.reports.sums`` writes here, as it does ``DaySum``."""

    day = models.DateField()
    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(name="day_player_once", fields=["day", "player"])]

    def __str__(self) -> str:
        return f"{self.day} {self.player_id}"


class SummedUp(models.Model):
    """How far the ledger is in the sums: every row whose id is below ``up_to``, and no other. One row."""

    up_to = models.UUIDField()
    refreshed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(name="summed_up_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"up to {self.up_to}"


class PlayersSummedUp(models.Model):
    """As ``SummedUp``, of ``DayPlayer``."""

    up_to = models.UUIDField()
    refreshed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(name="players_summed_up_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"up to {self.up_to}"


class OpenBet(models.Model):
    """A bet whose round nothing had ended when its rows were last taken in; ``id`` is its row's.

    Every open bet below the bound is here, and others may be: whoever reads looks each up in the ledger. Only
    ``wallet.reports.open_bets`` writes here.
    """

    id = models.UUIDField(primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    source = models.CharField(max_length=64)
    round = models.CharField(max_length=128)

    class Meta:
        default_permissions = ()
        # What is played on in a round finds its kept bets.
        indexes = [models.Index(name="open_bet_rounds", fields=["round", "wallet"])]

    def __str__(self) -> str:
        return f"{self.source} {self.round}"


class OpenBetsSummedUp(models.Model):
    """As ``SummedUp``, of ``OpenBet``."""

    up_to = models.UUIDField()
    refreshed_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(name="open_bets_summed_up_once", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"up to {self.up_to}"
