"""How operators come in: the second factor beside their password, and where they are logged in."""

from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone

# How far an operator's last use of a session is behind at most: it is not written with every request.
SEEN_EVERY: Final = timedelta(minutes=1)


class SecondFactor(models.Model):
    """What an operator logs in with besides the password; who has no row logs in with the password alone.

    ``key`` is the authenticator app's (RFC 6238), encrypted with SECRETS_KEY. ``last_step`` is the newest half-minute
    whose code was accepted: a code is good once. ``wrong`` counts wrong codes since the last right one. ``recovery``
    holds the SHA-256 of each recovery code that is left (a code has 80 random bits).
    """

    operator = models.OneToOneField(User, on_delete=models.PROTECT, primary_key=True, related_name="second_factor")
    key = models.TextField()
    last_step = models.BigIntegerField()
    wrong = models.IntegerField(default=0)
    recovery = ArrayField(models.CharField(max_length=64), default=list)
    set_up_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        permissions = [("reset_secondfactor", "Can reset the second factor of others")]

    def __str__(self) -> str:
        return f"the second factor of {self.operator}"


class OperatorSession(AbstractBaseSession):
    """A session of a browser, with whose it is, from where and since when; without an operator before the log-in.

    casino_pam/operator_sessions.py reads and writes it as Django's session.
    """

    operator = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="log_ins")
    address = models.CharField(max_length=64)
    browser = models.CharField(max_length=300)
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "log-in"
        default_permissions = ()
        permissions = [("end_operatorsession", "Can end the log-ins of others")]

    def __str__(self) -> str:
        return f"the log-in of {self.operator} from {self.address}"
