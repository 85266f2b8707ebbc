"""Where operators are logged in: Django's sessions in a table that says whose each is (SESSION_ENGINE).

A session ends at once when its row is deleted: every request, socket and upload looks for it. It lapses after
OPERATOR_IDLE_MINUTES without a request, and is worth nothing without the second factor its operator has or needs.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from wallet import second_factor
from wallet.models import OperatorSession, SecondFactor
from wallet.models.access import SEEN_EVERY

# In the session: from where it was begun, and that a code was given besides the password.
_ORIGIN: Final = "origin"
_VERIFIED: Final = "second_factor"


class SessionStore(DatabaseStore):
    """Django's own, over OperatorSession."""

    # The row as it was read with the request.
    row: OperatorSession | None = None

    @classmethod
    def get_model_class(cls) -> type[Any]:
        return OperatorSession

    def _get_session_from_db(self) -> OperatorSession | None:
        self.row = super()._get_session_from_db()  # type: ignore[misc]  # the stubs do not know it
        return self.row

    def create_model_instance(self, data: dict[str, Any]) -> OperatorSession:
        row: Any = super().create_model_instance(data)
        row.operator_id = int(data[SESSION_KEY]) if SESSION_KEY in data else None
        row.address, row.browser = data.get(_ORIGIN, ("", ""))
        if self.row is not None and self.row.operator_id == row.operator_id:
            row.started_at, row.seen_at = self.row.started_at, self.row.seen_at
        made: OperatorSession = row
        return made


def begin(request: HttpRequest) -> None:
    """Note from where a log-in comes."""
    browser = request.META.get("HTTP_USER_AGENT", "").replace("\0", "")[:300]
    request.session[_ORIGIN] = (request.META.get("REMOTE_ADDR", "")[:64], browser)


def verify(session: Any) -> None:
    """Note that the operator gave a code besides the password."""
    session[_VERIFIED] = True


def live(operator: User) -> QuerySet[OperatorSession]:
    """Where the operator is logged in, the newest use first."""
    idle_since = timezone.now() - timedelta(minutes=settings.OPERATOR_IDLE_MINUTES)
    mine = OperatorSession.objects.filter(operator=operator, expire_date__gt=timezone.now(), seen_at__gte=idle_since)
    return mine.order_by("-seen_at")


def handle(session_key: str) -> str:
    """What a page calls a session: its key would open it."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:16]


class Standing(Enum):
    """What a session of a logged-in operator is worth."""

    GOOD = "good"
    IDLE = "nobody used it for too long"
    UNVERIFIED = "its operator has a second factor by now, and gave none"
    TO_SET_UP = "its operator needs a second factor and has none"


def standing(session: Any, operator: User | AnonymousUser) -> Standing:
    """What the session is worth now."""
    row = getattr(session, "row", None)
    if row is not None and timezone.now() - row.seen_at > timedelta(minutes=settings.OPERATOR_IDLE_MINUTES):
        return Standing.IDLE
    if session.get(_VERIFIED) or not isinstance(operator, User):
        return Standing.GOOD
    if SecondFactor.objects.filter(pk=operator.pk).exists():
        return Standing.UNVERIFIED
    return Standing.TO_SET_UP if second_factor.is_required(operator) else Standing.GOOD


def touch(session: Any) -> None:
    """Note that the session is in use; at most once a minute, and by one of those who notice at once."""
    row = getattr(session, "row", None)
    if row is None or timezone.now() - row.seen_at < SEEN_EVERY:
        return
    OperatorSession.objects.filter(session_key=row.session_key, seen_at=row.seen_at).update(seen_at=timezone.now())
