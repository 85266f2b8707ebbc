"""Money by hand: small sums are posted at once, large ones wait for a second person.

An adjustment or a completion waits as an approval, a grant as a bonus that has not begun. An approval
is claimed by an update of a row that is still pending, then posted under its own reference. Where two
approved at once, or a process died in between, it is posted again (``unposted``): a reference is taken once.

Who asks for something or decides about it leaves a row of the audit trail in the transaction that does so: what is
called ``alongside`` here is called in it, with what came of the request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from bonus.models import Bonus, BonusStatus
from casino_pam.engine import accounts, commands, posting
from casino_pam.engine.commands import Adjust, Approve, BonusRequest, Complete, Grant, Reject
from casino_pam.engine.posting import Alongside
from casino_pam.engine.results import BonusResult, Receipt
from wallet import second_person
from wallet.errors import Refused
from wallet.kinds import OPERATOR, Kind
from wallet.models import Approval, Transaction, Wallet

Record = Callable[[], object]

# Longer than any posting takes, or waits for its turn.
POSTING_TIME: Final = timedelta(seconds=10)


class Decided(Exception):
    """The approval was decided before, the other way; ``approval.state`` says how."""

    def __init__(self, approval: Approval) -> None:
        super().__init__(f"{approval} is {approval.state}")
        self.approval = approval


# --- asking --------------------------------------------------------------------------------------


def adjust(command: Adjust, alongside: Alongside | None = None) -> Receipt | Approval:
    """Post the adjustment, or leave it pending above the currency's ``approval_above``.

    A repeat is compared with what was first asked and answered as that stands now. Raises Refused.
    """
    (wallet,) = accounts.wallets(command.player, command.currency)
    approval = _asked_before(command)
    if approval is None:
        if abs(command.amount) <= second_person.waits_above(wallet.currency, _author(command)) or _spent(command):
            return _adjusted(command, alongside)
        approval = _ask(wallet, command, Approval.Act.ADJUST, alongside, amount=command.amount)
    differing = _differing(approval, command)
    if differing:
        raise Refused("reference_reused", differing=differing)
    return _adjusted(_adjustment(approval)) if approval.state == Approval.State.APPROVED else approval


def complete(command: Complete, alongside: Alongside | None = None) -> BonusResult | Approval:
    """Complete the bonus, or leave that pending if it makes more cash than the currency's ``approval_above``.

    A repeat is answered as what was first asked stands now. Raises Refused: ``unknown_bonus``, also
    for a bonus of somebody else, ``reference_reused``, and what the bonus itself says.
    """
    bonus = _bonuses().filter(pk=command.bonus, player__code=command.player).first()
    if bonus is None:
        raise Refused("unknown_bonus", bonus=command.bonus)
    approval = _asked_before(command)
    if approval is None:
        try:
            above = second_person.waits_above(bonus.wallet.currency, _author(command))
            return _bonus_result(msgspec.structs.replace(command, waits_above=above), alongside)
        except Refused as refusal:
            if refusal.facts.get("why") != "needs_approval":
                raise
            amount = refusal.facts["amount"]
            approval = _ask(bonus.wallet, command, Approval.Act.COMPLETE, alongside, amount=amount, bonus=bonus.pk)
    if approval.bonus != bonus.pk:
        raise Refused("reference_reused", differing=["bonus" if approval.bonus else "kind"])
    return _bonus_result(_completion(approval)) if approval.state == Approval.State.APPROVED else approval


def grant(command: Grant, alongside: Alongside | None = None) -> BonusResult:
    """Grant the bonus; of more than the currency's ``approval_above`` it waits, PENDING, for a second person.

    Raises Refused.
    """
    (wallet,) = accounts.wallets(command.player, command.currency)
    above = second_person.waits_above(wallet.currency, _author(command))
    return _bonus_result(msgspec.structs.replace(command, waits_above=above), alongside)


# --- deciding ------------------------------------------------------------------------------------


def approve(
    approval: Approval, operator: str, reason: str = "", record: Record = lambda: None
) -> Receipt | BonusResult:
    """Post what was asked, once. Raises Refused (also what the ledger says) and Decided."""
    return post(_decide(approval, operator, Approval.State.APPROVED, reason, record))


def reject(approval: Approval, operator: str, reason: str, record: Record = lambda: None) -> Approval:
    """Let it never be posted; its reference stays spent. Raises Refused and Decided."""
    return _decide(approval, operator, Approval.State.REJECTED, reason, record)


def approve_grant(bonus: Bonus, operator: str, record: Record = lambda: None) -> BonusResult:
    """Let a grant begin that waits.

    Raises Refused: ``forbidden`` for who asked for it or may be the same person, and the gates of a grant.
    """
    _second_person(bonus.actor or bonus.source, operator)
    return _bonus_result(Approve(actor=operator, **_of(bonus)), lambda _: record())


def reject_grant(bonus: Bonus, operator: str, reason: str, record: Record = lambda: None) -> BonusResult:
    """Cancel a grant that waits; the reason stays with it. Raises Refused as ``approve_grant`` does."""
    return _bonus_result(Reject(actor=operator, reason=reason, **_of(bonus)), lambda _: record())


def _decide(approval: Approval, operator: str, state: str, reason: str, record: Record) -> Approval:
    if approval.author == operator:
        raise Refused("forbidden", why="own_request")
    try:
        with transaction.atomic():
            if state == Approval.State.APPROVED:
                _second_person(approval.author, operator)
            # One row where nobody has decided yet; whoever decides at the same moment waits here, and finds none.
            if Approval.objects.filter(pk=approval.pk, state=Approval.State.PENDING).update(
                state=state, approver=operator, decided_at=timezone.now(), decision_reason=reason or None
            ):
                record()
    except IntegrityError:
        # An account was changed between our look and PostgreSQL's own.
        _second_person(approval.author, operator)
        raise
    decided = asked().get(pk=approval.pk)
    # Somebody may have decided before us. The same way is as good as ours.
    if decided.state != state:
        raise Decided(decided)
    return decided


def _second_person(author: str, operator: str) -> None:
    """Raises Refused (``forbidden``, ``why`` ``not_independent``) where the two may be one person."""
    objection = second_person.objection(author, operator)
    if objection is not None:
        raise objection


def post(approved: Approval, alongside: Alongside | None = None) -> Receipt | BonusResult:
    """Carry an approved request out; a repeat is answered as the first time. Raises Refused."""
    if approved.act == Approval.Act.COMPLETE:
        return _bonus_result(_completion(approved), alongside)
    return _adjusted(_adjustment(approved), alongside)


# --- looking -------------------------------------------------------------------------------------


def waiting() -> QuerySet[Approval]:
    """Adjustments and completions that nobody has decided about, oldest first."""
    return asked().filter(state=Approval.State.PENDING).order_by("created_at")


def unposted() -> QuerySet[Approval]:
    """Approved and never carried out, oldest first: whoever approved it lost PostgreSQL or died before it was posted.

    One that was approved a moment ago is being posted. What the ledger refused under its reference was carried out.
    """
    row = Transaction.objects.filter(source=OuterRef("source"), reference=OuterRef("reference"), kind=Kind.ADJUST)
    ended = Bonus.objects.filter(pk=OuterRef("bonus"), ended_at__isnull=False)
    approved = asked().filter(state=Approval.State.APPROVED, decided_at__lt=timezone.now() - POSTING_TIME)
    open_adjustments = Q(act=Approval.Act.ADJUST) & ~Exists(row)
    return approved.filter(open_adjustments | Q(act=Approval.Act.COMPLETE) & ~Exists(ended)).order_by("created_at")


def waiting_grants() -> QuerySet[Bonus]:
    """Grants that nobody has decided about, oldest first; other waiting bonuses have come to nothing yet."""
    return _bonuses().filter(status=BonusStatus.PENDING, amount__gt=0).order_by("created_at")


def asked_grants() -> QuerySet[Bonus]:
    """Grants that wait for a second person or were decided by one."""
    return _bonuses().filter(Q(status=BonusStatus.PENDING, amount__gt=0) | Q(approver__isnull=False))


def _asked_before(command: Adjust | Complete) -> Approval | None:
    return asked().filter(source=command.source, reference=command.reference).first()


def asked() -> QuerySet[Approval]:
    """Every adjustment and completion that ever waited."""
    return Approval.objects.select_related("wallet__player", "wallet__currency")


def _bonuses() -> QuerySet[Bonus]:
    return Bonus.objects.select_related("offer", "player", "wallet__player", "wallet__currency")


def _spent(command: Adjust) -> bool:
    """Whether the ledger knows the reference: it then compares and answers the repeat itself."""
    rows = Transaction.objects.filter(source=command.source, reference=command.reference, kind=Kind.ADJUST)
    return rows.exists()


def _author(command: Adjust | Complete | Grant) -> str:
    return command.actor or command.source


def _ask(
    wallet: Wallet,
    command: Adjust | Complete,
    act: Approval.Act,
    alongside: Alongside | None,
    *,
    amount: int,
    bonus: UUID | None = None,
) -> Approval:
    try:
        with transaction.atomic():
            made = Approval.objects.create(
                id=uuid7(),
                wallet=wallet,
                source=command.source,
                reference=command.reference,
                act=act,
                bonus=bonus,
                amount=amount,
                reason=command.reason,
                author=_author(command),
                created_at=timezone.now(),
            )
            if alongside is not None:
                alongside(made)
    except IntegrityError:
        # A twin was first; its request is compared with ours like any other.
        pass
    found = _asked_before(command)
    assert found is not None
    return found


def _differing(approval: Approval, command: Adjust) -> list[str]:
    pairs = {
        "kind": (approval.act, Approval.Act.ADJUST),
        "player": (approval.wallet.player.code, command.player),
        "currency": (approval.wallet.currency_id, command.currency),
        "amount": (approval.amount, command.amount),
    }
    return [name for name, (stored, asked) in pairs.items() if stored != asked]


# --- posting -------------------------------------------------------------------------------------


def _adjustment(approval: Approval) -> Adjust:
    return Adjust(
        source=approval.source,
        player=approval.wallet.player.code,
        currency=approval.wallet.currency_id,
        reference=approval.reference,
        amount=approval.amount,
        reason=approval.reason,
        actor=approval.author,
        at=commands.now(),
        deadline=commands.deadline(),
    )


def _completion(approval: Approval) -> Complete:
    return Complete(
        source=approval.source,
        player=approval.wallet.player.code,
        bonus=str(approval.bonus),
        reference=approval.reference,
        reason=approval.reason,
        actor=approval.author,
        at=commands.now(),
        deadline=commands.deadline(),
    )


def _of(bonus: Bonus) -> dict[str, Any]:
    return {
        "source": OPERATOR,
        "player": bonus.player.code,
        "bonus": str(bonus.pk),
        "at": commands.now(),
        "deadline": commands.deadline(),
    }


def _adjusted(command: Adjust, alongside: Alongside | None = None) -> Receipt:
    receipt = posting.execute(command, alongside)
    assert isinstance(receipt, Receipt)
    return receipt


def _bonus_result(command: BonusRequest, alongside: Alongside | None = None) -> BonusResult:
    promised = posting.execute(command, alongside)
    assert isinstance(promised, BonusResult)
    return promised
