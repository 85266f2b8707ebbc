"""What is done behind the requests: jobs by the clock."""

from datetime import datetime, timedelta

from django.db import models


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
