"""The one way into the audit trail: a row for every action of an operator, done or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from uuid_utils.compat import uuid7

from wallet.models import AuditEntry

DONE: Final = "done"
WAITS: Final = "waits"
# A colleague had done it before.
REPEATED: Final = "repeated"
REFUSED: Final = "refused"
# Any other outcome is a refusal.
WENT_THROUGH: Final = (DONE, WAITS, REPEATED)

# What is done to a player, and nothing to what the player may do with money.
WITHOUT_MONEY: Final = ("issue token", "note", "tag", "untag")

# A reason is one line, kept for ever.
LONGEST_REASON: Final = 500


def is_reason(text: str) -> bool:
    """Whether the text says why: printable characters, and not nothing but spaces."""
    return len(text) <= LONGEST_REASON and text.isprintable() and not text.isspace() and text != ""


def record(
    request: HttpRequest,
    act: str,
    *,
    player: str | None = None,
    subject: object = "",
    reason: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    outcome: str = DONE,
    reference: str | None = None,
) -> UUID:
    """Add a row about what ``request.user`` did; the same act, reference and outcome are recorded once.

    Returns the row's id, which nobody finds if a twin was recorded first.

    It commits with the transaction it is called in. What must not be lost when that one is rolled
    back (a refusal) is recorded outside. ``before`` and ``after`` never hold secrets.
    """
    user = getattr(request, "user", None) or AnonymousUser()
    return named(
        request,
        user.get_username(),
        act,
        roles=roles_of(user),
        player=None if player is None else _text(player, 128),
        subject=_text(str(subject), 300),
        reason=_text(reason, LONGEST_REASON),
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        outcome=outcome,
        reference=None if reference is None else _text(reference, 300),
    )


def named(request: HttpRequest | None, actor: str, act: str, **fields: Any) -> UUID:
    """As ``record``, of somebody who is not logged in (yet); an empty address stands for this machine."""
    # The server layer believes X-Forwarded-For of TRUSTED_PROXIES only, and leaves what it believes here.
    address = request.META.get("REMOTE_ADDR", "") if request is not None else ""
    entry = _entry(actor, act, address, fields)
    _insert(entry)
    if request is not None:
        # Whoever notes what is left of the request (a refusal, say) sees that it was noted already.
        cast("Any", request).audited = True
    return entry.id


def many(actor: str, act: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """As ``named``, of what was done to many at once by whoever asked for it before; each with its reference."""
    AuditEntry.objects.bulk_create([_entry(actor, act, "", fields) for fields in rows], ignore_conflicts=True)


def _entry(actor: str, act: str, address: str, fields: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(
        **{"subject": "", "reason": "", "outcome": DONE, **fields},
        id=uuid7(),
        at=timezone.now(),
        actor=_text(actor, 150),
        address=_text(address, 64),
        act=act,
    )


def _insert(entry: AuditEntry) -> None:
    """In one plain statement: the engine's transactions are none of Django's, which could not open another in them."""
    columns = AuditEntry._meta.concrete_fields
    names = ", ".join(str(column.column) for column in columns)
    values = [column.get_db_prep_save(getattr(entry, column.attname), connection) for column in columns]
    places = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {AuditEntry._meta.db_table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING", values
        )


def roles_of(user: User | AnonymousUser) -> list[str]:
    """What the operator may be at this moment: roles change, the row stays."""
    names = list(user.groups.order_by("name").values_list("name", flat=True)) if user.is_authenticated else []
    return ["superuser", *names] if user.is_superuser else names


def _text(value: str, longest: int) -> str:
    """PostgreSQL stores no NUL, and the trail is no place to refuse for length."""
    return value.replace("\0", "")[:longest]
