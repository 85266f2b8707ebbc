"""Who watches over the money: second people and their approvals, and what is kept of everybody's acts."""

from typing import Final

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q

from wallet.kinds import LIMIT_NAMES
from wallet.models.people import Player, Wallet
from wallet.models.transaction import append_only

ASKED = ["wallet", "source", "reference", "act", "bonus", "withdrawal", "amount", "reason", "author", "created_at"]
DECIDED = ["approver", "decided_at", "decision_reason"]

# For so many days whoever changed an account may be the one who uses it. Whoever made an API key knows it for good.
INDEPENDENT_AFTER_DAYS: Final = 7
# With these begin the names of commands of manage.py, by which an unknown operator changed an account, and the names of
# back ends' keys. No user name has a colon.
COMMAND: Final = "command:"
KEY: Final = "key:"


def connection_between(author: str, approver: str, at: str) -> str:
    """SQL for the newest change of an account for which two names may be one person; no row where none is.

    The arguments are SQL for the two names and the instant of the decision. Columns: ``actor``, ``account``, ``what``,
    ``at``. Whoever sets the credentials of an account may act as that account, and as those it can act as. So there is
    a connection where somebody may act as both; where somebody who may act as the author changed anything about the
    approver's account; and where a command, of which nobody knows whose it was, set credentials that lead to it.
    """
    return f"""
    WITH RECURSIVE recent AS (
        SELECT actor, account, what, credentials, at FROM wallet_accountchange
        WHERE at > {at} - interval '{INDEPENDENT_AFTER_DAYS} days' OR starts_with(account, '{KEY}')
    ), behind (side, name) AS (
        VALUES ('author', {author}::text), ('approver', {approver}::text)
        UNION
        SELECT b.side, r.actor::text FROM behind b JOIN recent r ON r.account = b.name AND r.credentials
    )
    SELECT actor, account, what, at FROM recent
    WHERE account = {approver} AND actor IN (SELECT name FROM behind WHERE side = 'author')
        OR credentials AND account IN (SELECT name FROM behind) AND actor IN (
            SELECT name FROM behind WHERE side = 'author' INTERSECT SELECT name FROM behind WHERE side = 'approver'
        )
        OR starts_with(actor, '{COMMAND}') AND account IN (SELECT name FROM behind WHERE side = 'approver')
    ORDER BY at DESC LIMIT 1
    """


def only_second_people(*, author: str, at: str, condition: pgtrigger.Q) -> pgtrigger.Trigger:
    """Refuses an approval (an update that fits) by an account that may be its author's.

    ``author`` and ``at`` are SQL for who asked and when it is decided; the approver is in the column of that name.
    """
    return pgtrigger.Trigger(
        name="second_person",
        operation=pgtrigger.Update,
        when=pgtrigger.Before,
        condition=condition,
        func=f"""
            IF EXISTS ({connection_between(author, "NEW.approver", at)}) THEN
                RAISE EXCEPTION 'the approver may be the author: wallet_accountchange says why'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'second_person';
            END IF;
            RETURN NEW;
        """,
    )


def _changes_decision() -> pgtrigger.Q:
    """A decision that was made and is being changed."""
    changed = pgtrigger.Q()
    for name in DECIDED:
        changed |= pgtrigger.Q(**{f"old__{name}__df": pgtrigger.F(f"new__{name}")})
    return pgtrigger.Q(old__state="approved") & changed


class Approval(models.Model):
    """Money above the currency's threshold: asked for by one, decided by another.

    An adjustment of ``amount``, the completion by hand of ``bonus`` (a plain uuid, as in the ledger), by which about
    ``amount`` becomes cash, or the settlement of the hold ``withdrawal`` (its row's id) of ``amount``. The request's
    reference is spent here when it is asked. APPROVED is decided and not carried out yet; the transaction that posts it
    makes it POSTED, and what the engine refused for good is REFUSED, with the code and the named facts of it.
    """

    class Act(models.TextChoices):
        ADJUST = "adjust"
        COMPLETE = "complete"
        SETTLE = "settle"

    class State(models.TextChoices):
        PENDING = "pending", "waiting"
        APPROVED = "approved", "approved, not posted"
        POSTED = "posted", "approved and posted"
        REFUSED = "refused", "approved, refused"
        REJECTED = "rejected", "rejected"

    id = models.UUIDField(primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=64)
    reference = models.CharField(max_length=300)
    act = models.CharField(max_length=16, choices=Act, default=Act.ADJUST)
    bonus = models.UUIDField(null=True)
    withdrawal = models.UUIDField(null=True)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    author = models.CharField(max_length=150)
    approver = models.CharField(max_length=150, null=True)
    decision_reason = models.CharField(max_length=500, null=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    refusal = models.CharField(max_length=32, null=True)
    refusal_facts = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(name="approval_reference", fields=["source", "reference"]),
            models.UniqueConstraint(
                name="approval_one_settlement",
                fields=["withdrawal"],
                condition=Q(withdrawal__isnull=False, state__in=["pending", "approved"]),
            ),
            models.CheckConstraint(
                name="approval_names_its_subject",
                condition=Q(act="adjust", bonus__isnull=True, withdrawal__isnull=True)
                | Q(act="complete", bonus__isnull=False, withdrawal__isnull=True)
                | Q(act="settle", bonus__isnull=True, withdrawal__isnull=False),
            ),
            models.CheckConstraint(
                name="approval_needs_two_people",
                condition=Q(approver__isnull=True) | ~Q(approver=F("author")),
            ),
            models.CheckConstraint(
                name="approval_decided_by_someone",
                condition=Q(state="pending", approver__isnull=True, decided_at__isnull=True)
                | Q(
                    state__in=["approved", "posted", "refused", "rejected"],
                    approver__isnull=False,
                    decided_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="approval_refused_with_a_code",
                condition=Q(state="refused", refusal__isnull=False) | ~Q(state="refused") & Q(refusal__isnull=True),
            ),
        ]
        indexes = [
            models.Index(name="approval_pending", fields=["created_at"], condition=Q(state="pending")),
            models.Index(name="approval_unposted", fields=["decided_at"], condition=Q(state="approved")),
        ]
        triggers = [
            # What was asked for cannot become something else between the request and the consent.
            pgtrigger.ReadOnly(name="frozen", fields=ASKED),
            pgtrigger.FSM(
                name="steps",
                field="state",
                transitions=[
                    ("pending", "approved"),
                    ("pending", "rejected"),
                    ("approved", "posted"),
                    ("approved", "refused"),
                ],
            ),
            pgtrigger.Protect(
                name="decided_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__state__in=["posted", "refused", "rejected"]),
            ),
            # Nor can who decided, when and why, between the consent and the posting.
            pgtrigger.Protect(name="decision_kept", operation=pgtrigger.Update, condition=_changes_decision()),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            only_second_people(
                author="NEW.author",
                at="NEW.decided_at",
                condition=pgtrigger.Q(old__state="pending", new__state="approved"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.reference}"


class AccountChange(models.Model):
    """Somebody changed an account that is not their own: an operator's, or an API key.

    ``actor`` is a user name, or ``command:NAME`` for a command of manage.py; ``account`` a user name, or ``key:NAME``.
    ``credentials``: whoever did it may have been able to act as that account since. ``wallet.second_person`` writes
    here and asks; the database asks too, when an approval is decided.
    """

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    account = models.CharField(max_length=150)
    what = models.CharField(max_length=64)
    credentials = models.BooleanField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(name="account_changed", fields=["account", "at"])]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.what} of {self.account} by {self.actor}"


class PlayerNote(models.Model):
    """What an operator wrote about a player for whoever comes next; kept as it was written.

    The audit trail has it too, among all else that was done.
    """

    id = models.UUIDField(primary_key=True)
    player = models.ForeignKey(Player, on_delete=models.PROTECT, related_name="notes", db_index=False)
    author = models.CharField(max_length=150)
    text = models.CharField(max_length=500)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        indexes = [models.Index(name="player_noted", fields=["player", "-id"])]
        triggers = append_only()

    def __str__(self) -> str:
        return f"note of {self.author}"


class LimitChange(models.Model):
    """One limit of a wallet that was set, lifted or asked for, as its player is told of it (wallet/limits.py).

    ``before`` and ``after`` are what held, in minor units, NULL being no limit. ``increase`` is the higher limit that
    waited after the change, to be confirmed from ``available_at`` on; NULL where there is a time is to have none.
    """

    id = models.UUIDField(primary_key=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="+", db_index=False)
    actor = models.CharField(max_length=150)
    limit = models.CharField(max_length=16, choices=[(name, name) for name in LIMIT_NAMES])
    before = models.BigIntegerField(null=True)
    after = models.BigIntegerField(null=True)
    increase = models.BigIntegerField(null=True)
    available_at = models.DateTimeField(null=True)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ["-id"]
        indexes = [models.Index(name="limit_changed", fields=["wallet", "-id"])]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.limit} of {self.wallet_id}"

    @property
    def by(self) -> str:
        """Whether the player did it, or the house at the player's word."""
        return "player" if self.actor.startswith("player:") else "house"


class AuditEntry(models.Model):
    """One act of an operator, carried out or refused; names are kept as text, since they outlive their rows.

    ``subject`` is what was acted on, ``before`` and ``after`` its changed fields, never a secret.
    ``outcome`` is "done", "waits" (for a second person), "refused", or a code of ``wallet.errors``.
    """

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150)
    roles = ArrayField(models.CharField(max_length=150), default=list)
    address = models.CharField(max_length=64)
    act = models.CharField(max_length=64)
    player = models.CharField(max_length=128, null=True)
    subject = models.CharField(max_length=300)
    reason = models.CharField(max_length=500)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    outcome = models.CharField(max_length=32)
    reference = models.CharField(max_length=300, null=True)

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            # A double click is one act. What was refused may yet be done under the same reference.
            models.UniqueConstraint(
                name="audit_reference",
                fields=["act", "reference", "outcome"],
                condition=Q(reference__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="audit_refused", fields=["-id"], condition=~Q(outcome__in=["done", "waits"])),
            # Each is looked for by its beginning.
            models.Index(name="audit_actor", fields=["actor", "-id"], opclasses=["varchar_pattern_ops", "uuid_ops"]),
            models.Index(
                name="audit_player",
                fields=["player", "-id"],
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=Q(player__isnull=False),
            ),
            # What a player's page shows: all but the tokens, of which each log-in is handed one.
            models.Index(
                name="audit_acts_on_player",
                fields=["player", "-id"],
                condition=Q(player__isnull=False) & ~Q(act="issue token"),
            ),
            # The history of what was acted on.
            models.Index(name="audit_subject", fields=["subject", "-id"]),
            models.Index(name="audit_act", fields=["act", "-id"], opclasses=["varchar_pattern_ops", "uuid_ops"]),
            models.Index(
                name="audit_by_reference",
                fields=["reference"],
                opclasses=["varchar_pattern_ops"],
                condition=Q(reference__isnull=False),
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.act} by {self.actor}"
