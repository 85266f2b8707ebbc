"""Money in and out at the word of a back end, and the plays of one that is its own provider.

The bodies and answers of plays are the game door's. The provider is the key's, never the body's.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from msgspec import Struct
from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam.api import responses
from casino_pam.api.game.dialects import door
from casino_pam.api.rest import examples, serializers
from casino_pam.api.rest.pagination import WithdrawalPagination
from casino_pam.api.rest.rest_view import RestView
from casino_pam.api.rest.schema import NO_WALLET, documented
from casino_pam.engine import accounts, approvals, commands, posting
from casino_pam.engine.commands import Adjust, Deposit, Hold
from casino_pam.engine.results import BonusResult, Receipt
from wallet import audit, history
from wallet.errors import Refused
from wallet.models import Approval, Provider, Transaction
from wallet.money import show


class CashierView(RestView):
    """Spends references of the key's own money source."""

    def carried(self) -> dict[str, Any]:
        return {"source": self.key.source, **super().carried()}


class DepositView(CashierView):
    scope = "cashier"

    def command(self) -> Deposit:
        return Deposit(**self.validated(serializers.DepositAsked), **self.carried())


class Deposits(DepositView):
    """Money in."""

    @documented(
        "Put money in",
        asks=serializers.DepositAsked,
        sends=examples.ASKED,
        answers=serializers.DepositReceipt,
        gets=examples.receipt("deposit", "d-1", "25.00", granted=None, grant_refusal=None),
        refusals=(*NO_WALLET, "reference_reused", "player_excluded", "wallet_locked", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        return Response(_deposit_receipt(posting.execute(self.command())))


class DepositCheck(DepositView):
    """What would become of a deposit now; nothing happens."""

    @documented(
        "What would become of a deposit",
        asks=serializers.DepositAsked,
        sends=examples.ASKED,
        answers=serializers.DepositChecked,
        gets={"refusal": "wallet_locked", "grant_refusal": None},
        refusals=NO_WALLET,
    )
    def post(self, request: Request) -> Response:
        outcome = posting.rehearse(self.command())
        if isinstance(outcome, Receipt):
            return Response({"refusal": None, "grant_refusal": outcome.facts.get("grant_refusal")})
        assert isinstance(outcome, Refused)
        if outcome.status not in (409, 422):
            raise outcome
        return Response({"refusal": outcome.code, "grant_refusal": None})


class Withdrawals(CashierView):
    """Hold money for a withdrawal; and what became of those of before."""

    scope = "cashier"
    pagination_class = WithdrawalPagination

    @documented(
        "Withdrawals, the newest first",
        answers=serializers.Withdrawal(many=True),
        query=(serializers.WithdrawalQuery,),
    )
    def get(self, request: Request) -> Response:
        found = self.paginate_queryset(self.key.source)
        return self.get_paginated_response(serializers.Withdrawal(found, many=True).data)

    @documented(
        "Hold money for a withdrawal",
        asks=serializers.Asked,
        sends={**examples.ASKED, "reference": "w-1"},
        answers=serializers.WithdrawalReceipt,
        gets=examples.receipt("hold", "w-1", "25.00", held="25.00"),
        refusals=(*NO_WALLET, "reference_reused", "wallet_locked", "insufficient_funds", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        command = Hold(**self.validated(serializers.Asked), **self.carried())
        return Response(responses.withdrawal_receipt(posting.execute(command)))


class Withdrawal(CashierView):
    """What became of a withdrawal."""

    scope = "cashier"

    @documented("What became of a withdrawal", answers=serializers.Withdrawal, refusals=("unknown_withdrawal",))
    def get(self, request: Request, reference: str) -> Response:
        return Response(serializers.Withdrawal(_withdrawal(self.key.source, reference)).data)


class EndOfWithdrawal(CashierView):
    """A held withdrawal was paid, or will not be."""

    scope = "cashier"

    def about(self, reference: str) -> tuple[Transaction, dict[str, Any]]:
        """The hold, and what the command that ends it carries. Raises Refused (``unknown_withdrawal``)."""
        hold = _withdrawal(self.key.source, reference).hold
        about = {"player": hold.wallet.player.code, "currency": hold.wallet.currency_id, "reference": reference}
        return hold, {**about, **self.carried()}


class Settle(EndOfWithdrawal):
    """A large one waits for a second person (docs/decisions/0029)."""

    @documented(
        "The withdrawal was paid",
        answers={200: serializers.WithdrawalReceipt, 202: serializers.SettlementWaits},
        gets=examples.receipt("settle", "w-1", "25.00", held="0.00"),
        refusals=("unknown_withdrawal", "already_released", "player_not_verified"),
    )
    def post(self, request: Request, reference: str) -> Response:
        _ = self.body_if_any
        hold, about = self.about(reference)
        why = f"{self.actor} says that it is paid"
        record = partial(self._record, hold)
        outcome = approvals.settle(commands.Settle(**about), str(hold.pk), why, record)
        if isinstance(outcome, Receipt):
            return Response(responses.withdrawal_receipt(outcome))
        return Response({"status": outcome.state, "id": str(outcome.id)}, 202)

    def _record(self, hold: Transaction, outcome: Receipt | Approval) -> None:
        """A request that waits leaves a row of the audit trail; what is settled at once has one in the ledger."""
        if isinstance(outcome, Receipt):
            return
        wallet = hold.wallet
        self.record(
            "settle",
            player=wallet.player.code,
            subject=f"{hold.kind} {hold.reference} of {wallet.player.code}, {wallet.currency_id}",
            after={"amount": show(hold.amount, wallet.currency.digits)},
            outcome=audit.WAITS,
        )


class Release(EndOfWithdrawal):
    @documented(
        "The withdrawal will not be paid; the money goes back",
        asks=serializers.ReleaseAsked,
        sends={"reason": "payment_failed"},
        answers=serializers.WithdrawalReceipt,
        gets=examples.receipt("release", "w-1", "25.00", held="0.00"),
        refusals=("unknown_withdrawal", "already_settled"),
    )
    def post(self, request: Request, reference: str) -> Response:
        asked = self.validated(serializers.ReleaseAsked, body=self.body_if_any)
        _, about = self.about(reference)
        return Response(responses.withdrawal_receipt(posting.execute(commands.Release(**about, **asked))))


class Adjustments(CashierView):
    """Correct a balance by hand; a large correction waits for a second person."""

    scope = "adjust"

    @documented(
        "Correct a balance by hand",
        asks=serializers.AdjustmentAsked,
        sends={**examples.ASKED, "reference": "a-1", "amount": "-2.50", "reason": "Paid twice on 21 November"},
        answers={200: serializers.Receipt, 202: serializers.AdjustmentWaits},
        refusals=(*NO_WALLET, "reference_reused", "insufficient_funds", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        command = Adjust(**self.validated(serializers.AdjustmentAsked), **self.carried())
        outcome = approvals.adjust(command, partial(self._record, command))
        if isinstance(outcome, Receipt):
            return Response(responses.receipt(outcome))
        return Response({"status": outcome.state, "id": str(outcome.id)}, 202)

    def _record(self, command: Adjust, outcome: Receipt | Approval) -> None:
        """Money moved by hand is in the audit trail beside the ledger, as that of operators is; a repeat is no act."""
        if isinstance(outcome, Receipt) and outcome.replayed:
            return
        digits = accounts.digits()[command.currency]
        self.record(
            "adjust",
            player=command.player,
            subject=f"{command.player}, {command.currency}",
            reason=command.reason,
            after={"amount": show(command.amount, digits), "reference": command.reference},
            outcome=audit.DONE if isinstance(outcome, Receipt) else audit.WAITS,
        )


def _deposit_receipt(it: Receipt) -> dict[str, Any]:
    """With what became of the offer that the deposit named."""
    granted = it.facts["granted"]
    result = None if granted is None else BonusResult(bonus=granted, player=it.player, digits=it.digits)
    return {
        **responses.receipt(it),
        "granted": None if result is None else serializers.Bonus(result).data,
        "grant_refusal": it.facts["grant_refusal"],
    }


def _withdrawal(source: str, reference: str) -> history.Withdrawal:
    found = history.withdrawal(source, reference)
    if found is None:
        raise Refused("unknown_withdrawal", reference=reference)
    return found


class Plays(RestView):
    scope = "play"
    shape: ClassVar[type[Struct]]

    def play(self) -> Response:
        body = self.body
        receipt = posting.execute(self._reader().play(self.shape, body))
        return Response(responses.receipt(receipt))

    def _reader(self) -> door.Reader:
        provider = self.key.provider
        if provider is None:
            raise Refused("forbidden", why="key_without_provider")
        per_player = provider.reference_scope == Provider.ReferenceScope.PLAYER
        return door.Reader(provider.code, accounts.digits(), per_player=per_player, **self.carried())


class Bets(Plays):
    shape = door.Bet

    @documented(
        "Take a stake",
        asks=serializers.Bet,
        sends=examples.PLAYED,
        answers=serializers.Receipt,
        gets=examples.receipt("bet", "b-1", "1.00"),
        refusals=(
            *NO_WALLET,
            "reference_reused",
            "rolled_back",
            "round_closed",
            "player_excluded",
            "wallet_locked",
            "currency_disabled",
            "game_excluded",
            "stake_above_limit",
            "limit_reached",
            "bonus_active",
            "insufficient_funds",
        ),
    )
    def post(self, request: Request) -> Response:
        return self.play()


class Wins(Plays):
    shape = door.Win

    @documented(
        "Pay",
        asks=serializers.Win,
        sends={**examples.PLAYED, "reference": "w-1", "amount": "7.50", "bet": "b-1"},
        answers=serializers.Receipt,
        gets=examples.receipt("win", "w-1", "7.50"),
        refusals=(*NO_WALLET, "reference_reused", "rolled_back", "round_closed", "unknown_original", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        return self.play()


class Rollbacks(Plays):
    shape = door.Rollback

    @documented(
        "Undo a bet or a win",
        asks=serializers.Rollback,
        sends={"player": "alice", "reference": "rb-1", "original": "b-1"},
        answers=serializers.Receipt,
        gets=examples.receipt("rollback", "rb-1", "1.00"),
        refusals=(
            *NO_WALLET,
            "reference_reused",
            "original_mismatch",
            "already_rolled_back",
            "has_payout",
            "unknown_original",
            "insufficient_funds",
        ),
    )
    def post(self, request: Request) -> Response:
        return self.play()
