"""A provider's own account of a day, compared with ours: each run and what it found."""

from django.db import models


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
