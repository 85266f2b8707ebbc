"""What is done about a row of the ledger: a withdrawal settled or released, a bet or win rolled back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from casino_pam import teller
from casino_pam.commands import Release, Rollback, Settle
from casino_pam.office import audit, forms
from casino_pam.office.acts import Act, Asked, Done
from casino_pam.office.on_wallets import posted
from casino_pam.office.subjects import ROW, closer, sum_of
from wallet.kinds import Kind, Status
from wallet.models import Provider, Transaction
from wallet.statement import SCOPE


def _settle(asked: Asked[Transaction]) -> Done:
    return _end_hold(Settle, asked)


def _release(asked: Asked[Transaction]) -> Done:
    return _end_hold(Release, asked)


def _end_hold(verb: type[Settle] | type[Release], asked: Asked[Transaction]) -> Done:
    """A withdrawal ends under its hold's own reference: whoever comes second is told what the first one did."""
    held = asked.on
    command = verb(
        player=held.wallet.player.code,
        currency=held.wallet.currency_id,
        reference=held.reference,
        **{**asked.carried(), "source": held.source},
    )
    receipt = teller.carry_out(command)
    if receipt.replayed and receipt.row.actor != asked.by:
        return replace(posted(receipt), outcome=audit.REPEATED)
    return posted(receipt)


def _roll_back(asked: Asked[Transaction]) -> Done:
    """In the provider's name, so that whatever it says of the bet or win later meets the rollback."""
    row = asked.on
    player = row.wallet.player.code
    # No provider can have sent it: none of them knows the id of the form.
    name = f"operator-{asked.reference}"
    command = Rollback(
        player=player,
        original=row.reference,
        original_kind=row.kind,
        reference=f"{player}{SCOPE}{name}" if SCOPE in row.reference else name,
        reason=asked.reason,
        by_hand=True,
        **{**asked.carried(), "source": row.source},
    )
    return posted(teller.carry_out(command))


def _no_open_hold(row: Transaction) -> str | None:
    if row.kind != Kind.HOLD or row.status != Status.POSTED:
        return "This row is no withdrawal."
    ended = closer(row)
    return f"The withdrawal was {'paid' if ended.kind == Kind.SETTLE else 'released'} before." if ended else None


def _cannot_be_undone(row: Transaction) -> str | None:
    if row.kind not in (Kind.BET, Kind.WIN) or row.status != Status.POSTED:
        return "Only a bet or a win that moved money can be rolled back."
    return "It was rolled back before." if closer(row) else None


def _undoes(row: Transaction) -> str:
    amount = sum_of(row.amount, row.wallet.currency)
    if row.kind == Kind.BET:
        return (
            f"The stake of {amount} goes back to where it came from, with what it counted towards wagering. The "
            "provider's own rollback of it is refused from then on."
        )
    clamps = Provider.objects.filter(code=row.source, win_rollback="clamp").exists()
    short = "what is left is taken" if clamps else "nothing is taken and this is refused"
    return f"The win of {amount} is taken back from where it went. Where the player has spent it, {short}."


ACTS: Final = (
    Act(
        name="settle",
        title="Settle",
        subject=ROW,
        permission="wallet.settle_withdrawal",
        form=forms.NoteForm,
        effect=lambda row: (
            f"The withdrawal of {sum_of(row.amount, row.wallet.currency)} was paid out: the held money "
            "leaves the house. This cannot be undone."
        ),
        hindrance=_no_open_hold,
        carry_out=_settle,
    ),
    Act(
        name="release",
        title="Release",
        subject=ROW,
        permission="wallet.settle_withdrawal",
        form=forms.ActForm,
        effect=lambda row: (
            f"The withdrawal of {sum_of(row.amount, row.wallet.currency)} will not be paid: the held "
            "money becomes the player's cash again."
        ),
        hindrance=_no_open_hold,
        carry_out=_release,
        takes=True,
    ),
    Act(
        name="roll-back",
        title="Roll back",
        subject=ROW,
        permission="wallet.rollback_bet",
        form=forms.RollbackForm,
        effect=_undoes,
        hindrance=_cannot_be_undone,
        carry_out=_roll_back,
        takes=True,
    ),
)
