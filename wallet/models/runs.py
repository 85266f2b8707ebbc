"""What reconciliation remembers: how far it has checked, and what each run found."""

from django.db import models

from wallet.models.people import Wallet


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
