"""Money by hand: small sums are posted at once, large ones wait for a second person.

An adjustment, a completion or a settlement waits as an approval, a grant as a bonus that has not begun. An approval
is claimed by an update of a row that is still pending, then posted under its own reference, in the transaction that
says of it that it was. Where two approved at once, or a process died in between, it is posted again (``unposted``): a
reference is taken once. What the engine refuses for good is kept with the approval and never tried again.

Who asks for something or decides about it leaves a row of the audit trail in the transaction that does so: what is
called ``alongside`` here is called in it, with what came of the request.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from bonus.models import Bonus, BonusStatus
from casino_pam.engine import accounts, commands, posting
from casino_pam.engine.commands import Adjust, Approve, BonusRequest, Command, Complete, Grant, Reject, Settle
from casino_pam.engine.posting import Alongside
from casino_pam.engine.results import BonusResult, Receipt
from wallet import history, second_person
from wallet.errors import Busy, Refused
from wallet.kinds import OPERATOR, Kind
from wallet.models import Approval, Transaction, Wallet

Record = Callable[[], object]

# Longer than any posting takes, or waits for its turn.
POSTING_TIME: Final = timedelta(seconds=10)

# Decided by a yes: carried out, refused, or about to be one of them.
CONSENTED: Final = (Approval.State.APPROVED, Approval.State.POSTED, Approval.State.REFUSED)
# What a request still stands for; a new one about the same withdrawal would be a second payment.
OPEN: Final = (Approval.State.PENDING, Approval.State.APPROVED)


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
            return _receipt(command, alongside)
        approval = _ask(wallet, command, Approval.Act.ADJUST, alongside, amount=command.amount, reason=command.reason)
    differing = _differing(approval, command)
    if differing:
        raise Refused("reference_reused", differing=differing)
    return _receipt_of(post(approval)) if approval.state in CONSENTED else approval


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
            about = {"amount": refusal.facts["amount"], "reason": command.reason, "bonus": bonus.pk}
            approval = _ask(bonus.wallet, command, Approval.Act.COMPLETE, alongside, **about)
    if approval.bonus != bonus.pk:
        raise Refused("reference_reused", differing=["bonus" if approval.bonus else "kind"])
    return _bonus_result_of(post(approval)) if approval.state in CONSENTED else approval


def settle(command: Settle, name: str, reason: str, alongside: Alongside | None = None) -> Receipt | Approval:
    """Settle the withdrawal, or leave that pending if it is of more than the currency's ``settle_above``.

    A hold's reference says which withdrawal is meant, so the request to settle it has a ``name`` of its own: one that
    was rejected is asked for anew under another. While a request about the withdrawal is open, it is the answer to
    every other. Raises Refused.
    """
    found = history.withdrawal(command.source, command.reference)
    if found is None or found.status != "held":
        return _receipt(command, alongside)
    hold = found.hold
    name = f"settle:{name}"
    approval = _about_withdrawal(hold, name)
    if approval is None:
        above = second_person.settles_above(hold.wallet.currency, _author(command))
        if above is None or hold.amount <= above:
            return _receipt(command, alongside)
        spent = asked().filter(source=hold.source, reference=name).exists()
        request = msgspec.structs.replace(command, reference=f"{name}:{uuid7()}" if spent else name)
        about = {"amount": hold.amount, "reason": reason, "withdrawal": hold.pk}
        approval = _ask(hold.wallet, request, Approval.Act.SETTLE, alongside, **about)
    if approval.withdrawal != hold.pk:
        raise Refused("reference_reused", differing=["kind"])
    return _receipt_of(post(approval)) if approval.state in CONSENTED else approval


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
    """Post what was asked, once. Raises Refused (also what the ledger says, now and ever after) and Decided."""
    return post(_decide(approval, operator, Approval.State.APPROVED, reason, record))


def reject(approval: Approval, operator: str, reason: str, record: Record = lambda: None) -> Approval:
    """Let it never be posted; its reference stays spent. Raises Refused and Decided."""
    return _decide(approval, operator, Approval.State.REJECTED, reason, record)


def approve_grant(bonus: Bonus, operator: str, record: Record = lambda: None) -> BonusResult:
    """Let a grant begin that waits.

    Raises Refused: ``forbidden`` for who asked for it or may be the same person, and the gates of a grant.
    """
    _second_person(bonus.actor or bonus.source, operator)
    return _bonus_result(grant_of(bonus, operator), lambda _: record())


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
    if decided.state not in (CONSENTED if state == Approval.State.APPROVED else (state,)):
        raise Decided(decided)
    return decided


def _second_person(author: str, operator: str) -> None:
    """Raises Refused (``forbidden``, ``why`` ``not_independent``) where the two may be one person."""
    objection = second_person.objection(author, operator)
    if objection is not None:
        raise objection


def post(approved: Approval, alongside: Alongside | None = None) -> Receipt | BonusResult:
    """Carry an approved request out, once; a repeat is answered as the first time.

    That it was is written in the transaction that does it, with ``alongside``. What is refused stays refused, unless
    nothing is known to have happened. Raises Refused.
    """
    if approved.state == Approval.State.REFUSED:
        raise refusal_of(approved)

    def posted(outcome: Receipt | BonusResult) -> None:
        if _steps(approved, state=Approval.State.POSTED):
            if alongside is not None:
                alongside(outcome)
        elif not outcome.replayed:
            # Somebody was first, and the ledger did not notice: what was written just now is undone.
            raise Refused("forbidden", why="nothing_to_post")

    try:
        outcome: Receipt | BonusResult = posting.execute(command_of(approved), posted)
    except Refused as refusal:
        if not isinstance(refusal, Busy) and refusal.code != "internal":
            # Whoever was first has said what became of it.
            _steps(approved, state=Approval.State.REFUSED, refusal=refusal.code, refusal_facts=refusal.facts)
        raise
    return outcome


def _steps(approved: Approval, **columns: Any) -> bool:
    """Whether this was the step of an approved request; one that was taken before is not taken again."""
    return bool(Approval.objects.filter(pk=approved.pk, state=Approval.State.APPROVED).update(**columns))


def refusal_of(approval: Approval) -> Refused:
    """Why the engine refused what was approved, as it said then."""
    assert approval.refusal is not None
    facts = dict(approval.refusal_facts or {})
    if "replayed" in facts:
        facts["replayed"] = True
    return Refused(approval.refusal, **facts)


# --- looking -------------------------------------------------------------------------------------


def waiting() -> QuerySet[Approval]:
    """Requests that nobody has decided about, oldest first."""
    return asked().filter(state=Approval.State.PENDING).order_by("created_at")


def unposted() -> QuerySet[Approval]:
    """Approved and never carried out, oldest first: whoever approved it lost PostgreSQL or died before it was posted.

    One that was approved a moment ago is being posted.
    """
    overdue = Q(state=Approval.State.APPROVED, decided_at__lt=timezone.now() - POSTING_TIME)
    return asked().filter(overdue).order_by("created_at")


def waiting_grants() -> QuerySet[Bonus]:
    """Grants that nobody has decided about, oldest first; other waiting bonuses have come to nothing yet."""
    return _bonuses().filter(status=BonusStatus.PENDING, amount__gt=0).order_by("created_at")


def asked_grants() -> QuerySet[Bonus]:
    """Grants that wait for a second person or were decided by one."""
    return _bonuses().filter(Q(status=BonusStatus.PENDING, amount__gt=0) | Q(approver__isnull=False))


def _asked_before(command: Command | Complete) -> Approval | None:
    return asked().filter(source=command.source, reference=command.reference).first()


def _about_withdrawal(hold: Transaction, name: str) -> Approval | None:
    """The request of this name, or else the open one about the same withdrawal.

    One that was refused is no answer while the money is still held: the player may be verified since.
    """
    named = asked().filter(source=hold.source, reference=name).exclude(state=Approval.State.REFUSED).first()
    return named or asked().filter(withdrawal=hold.pk, state__in=OPEN).first()


def asked() -> QuerySet[Approval]:
    """Every request that ever waited; grants wait as bonuses."""
    return Approval.objects.select_related("wallet__player", "wallet__currency")


def _bonuses() -> QuerySet[Bonus]:
    return Bonus.objects.select_related("offer", "player", "wallet__player", "wallet__currency")


def _spent(command: Adjust) -> bool:
    """Whether the ledger knows the reference: it then compares and answers the repeat itself."""
    rows = Transaction.objects.filter(source=command.source, reference=command.reference, kind=Kind.ADJUST)
    return rows.exists()


def _author(command: Command | BonusRequest) -> str:
    return command.actor or command.source


def _ask(
    wallet: Wallet, command: Command | Complete, act: Approval.Act, alongside: Alongside | None, **about: Any
) -> Approval:
    """The request, made now or by a twin that was first; ``about`` are its further columns."""
    try:
        with transaction.atomic():
            made = Approval.objects.create(
                id=uuid7(),
                wallet=wallet,
                source=command.source,
                reference=command.reference,
                act=act,
                author=_author(command),
                created_at=timezone.now(),
                **about,
            )
            if alongside is not None:
                alongside(made)
    except IntegrityError:
        # A twin was first; its request is compared with ours like any other.
        pass
    found = _asked_before(command) or asked().filter(withdrawal=about.get("withdrawal"), state__in=OPEN).first()
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


def command_of(approval: Approval) -> Adjust | Complete | Settle:
    """What is posted once the request is approved."""
    match approval.act:
        case Approval.Act.COMPLETE:
            return _completion(approval)
        case Approval.Act.SETTLE:
            return _settlement(approval)
    return _adjustment(approval)


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


def _settlement(approval: Approval) -> Settle:
    assert approval.withdrawal is not None
    hold = Transaction.objects.get(pk=approval.withdrawal)
    return Settle(
        source=hold.source,
        player=approval.wallet.player.code,
        currency=approval.wallet.currency_id,
        reference=hold.reference,
        actor=approval.author,
        at=commands.now(),
        deadline=commands.deadline(),
    )


def grant_of(bonus: Bonus, operator: str) -> Approve:
    """The consent of ``operator`` to a grant that waits."""
    return Approve(actor=operator, **_of(bonus))


def _of(bonus: Bonus) -> dict[str, Any]:
    return {
        "source": OPERATOR,
        "player": bonus.player.code,
        "bonus": str(bonus.pk),
        "at": commands.now(),
        "deadline": commands.deadline(),
    }


def _receipt(command: Adjust | Settle, alongside: Alongside | None = None) -> Receipt:
    return _receipt_of(posting.execute(command, alongside))


def _receipt_of(outcome: Receipt | BonusResult) -> Receipt:
    assert isinstance(outcome, Receipt)
    return outcome


def _bonus_result(command: BonusRequest, alongside: Alongside | None = None) -> BonusResult:
    return _bonus_result_of(posting.execute(command, alongside))


def _bonus_result_of(outcome: Receipt | BonusResult) -> BonusResult:
    assert isinstance(outcome, BonusResult)
    return outcome
