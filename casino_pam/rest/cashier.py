"""Money in and out at the word of a back end: deposits, withdrawals, adjustments."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from rest_framework.request import Request
from rest_framework.response import Response

from casino_pam import accounts, approvals, commands, fields, teller
from casino_pam.commands import Adjust, Deposit, Hold
from casino_pam.fields import Body, InvalidField
from casino_pam.game_door import answers
from casino_pam.receipts import Receipt
from casino_pam.rest import examples, shapes, shown
from casino_pam.rest.described import described
from casino_pam.rest.door import Door
from casino_pam.rest.shapes import LONGEST_REASON
from wallet import statement
from wallet.errors import Refused
from wallet.models import Transaction

C = TypeVar("C", Deposit, Hold, Adjust)

NO_WALLET = ("unknown_player", "unknown_wallet", "unknown_currency")


class CashierDoor(Door):
    """Spends references of the key's own money source."""

    def asked(self) -> dict[str, Any]:
        return {"source": self.key.source, **self.carried()}


class Deposits(CashierDoor):
    """Money in."""

    scope = "cashier"

    @described(
        "Put money in",
        asks=shapes.DepositAsked,
        sends=examples.ASKED,
        answers=shapes.DepositReceipt,
        gets=examples.receipt("deposit", "d-1", "25.00", granted=None, grant_refusal=None),
        refusals=(*NO_WALLET, "reference_reused", "player_excluded", "wallet_locked", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        command = _deposit(self.body, self.asked())
        return Response(shown.deposit_receipt(teller.carry_out(command)))


class DepositCheck(CashierDoor):
    """What would become of a deposit now; nothing happens."""

    scope = "cashier"

    @described(
        "What would become of a deposit",
        asks=shapes.DepositAsked,
        sends=examples.ASKED,
        answers=shapes.DepositChecked,
        gets={"refusal": "wallet_locked", "grant_refusal": None},
        refusals=NO_WALLET,
    )
    def post(self, request: Request) -> Response:
        outcome = teller.rehearse(_deposit(self.body, self.asked()))
        if isinstance(outcome, Receipt):
            return Response({"refusal": None, "grant_refusal": outcome.facts.get("grant_refusal")})
        assert isinstance(outcome, Refused)
        if outcome.status not in (409, 422):
            raise outcome
        return Response({"refusal": outcome.code, "grant_refusal": None})


class Withdrawals(CashierDoor):
    """Hold money for a withdrawal."""

    scope = "cashier"

    @described(
        "Hold money for a withdrawal",
        asks=shapes.Asked,
        sends={**examples.ASKED, "reference": "w-1"},
        answers=shapes.WithdrawalReceipt,
        gets=examples.receipt("hold", "w-1", "25.00", held="25.00"),
        refusals=(*NO_WALLET, "reference_reused", "wallet_locked", "insufficient_funds", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        command = _read(Hold, self.body, self.asked())
        return Response(shown.withdrawal_receipt(teller.carry_out(command)))


class Withdrawal(CashierDoor):
    """What became of a withdrawal."""

    scope = "cashier"

    @described("What became of a withdrawal", answers=shapes.Withdrawal, refusals=("unknown_withdrawal",))
    def get(self, request: Request, reference: str) -> Response:
        return Response(shown.withdrawal(*_found(self.key.source, reference)))


class EndOfWithdrawal(CashierDoor):
    """A held withdrawal was paid, or will not be."""

    scope = "cashier"
    verb: ClassVar[type[commands.Settle | commands.Release]]

    def end(self, reference: str) -> Response:
        _ = self.body_if_any
        hold, _end = _found(self.key.source, reference)
        command = self.verb(
            player=hold.wallet.player.code,
            currency=hold.wallet.currency_id,
            reference=reference,
            **self.asked(),
        )
        return Response(shown.withdrawal_receipt(teller.carry_out(command)))


class Settle(EndOfWithdrawal):
    verb = commands.Settle

    @described(
        "The withdrawal was paid",
        answers=shapes.WithdrawalReceipt,
        gets=examples.receipt("settle", "w-1", "25.00", held="0.00"),
        refusals=("unknown_withdrawal", "already_released"),
    )
    def post(self, request: Request, reference: str) -> Response:
        return self.end(reference)


class Release(EndOfWithdrawal):
    verb = commands.Release

    @described(
        "The withdrawal will not be paid; the money goes back",
        answers=shapes.WithdrawalReceipt,
        gets=examples.receipt("release", "w-1", "25.00", held="0.00"),
        refusals=("unknown_withdrawal", "already_settled"),
    )
    def post(self, request: Request, reference: str) -> Response:
        return self.end(reference)


class Adjustments(CashierDoor):
    """Correct a balance by hand; a large correction waits for a second person."""

    scope = "adjust"

    @described(
        "Correct a balance by hand",
        asks=shapes.AdjustmentAsked,
        sends={**examples.ASKED, "reference": "a-1", "amount": "-2.50", "reason": "Paid twice on 21 November"},
        answers={200: shapes.Receipt, 202: shapes.AdjustmentWaits},
        refusals=(*NO_WALLET, "reference_reused", "insufficient_funds", "limit_reached"),
    )
    def post(self, request: Request) -> Response:
        command = _read(Adjust, self.body, self.asked(), reason=_reason(self.body))
        outcome = approvals.adjust(command)
        if isinstance(outcome, Receipt):
            return Response(answers.receipt(outcome))
        return Response({"status": outcome.state, "id": str(outcome.id)}, 202)


def _deposit(body: Body, asked: dict[str, Any]) -> Deposit:
    offer = fields.optional(fields.text_id, body, "offer")
    return _read(Deposit, body, asked, offer=offer, captured=fields.flag(body, "captured"))


def _read(verb: type[C], body: Body, asked: dict[str, Any], **more: Any) -> C:
    """The command in the body; whatever is malformed is refused before an unknown currency is."""
    currency = fields.currency(body)
    digits = accounts.digits().get(currency)
    command = verb(
        player=fields.text_id(body, "player"),
        currency=currency,
        reference=fields.text_id(body, "reference"),
        amount=_amount(body, digits, signed=verb is Adjust),
        **more,
        **asked,
    )
    if digits is None:
        raise Refused("unknown_currency", currency=currency)
    return command


def _amount(body: Body, digits: int | None, *, signed: bool) -> int:
    """Minor units; of a currency we do not keep only the shape can be judged."""
    if digits is not None:
        return fields.signed_amount(body, "amount", digits) if signed else fields.amount(body, "amount", digits)
    text = body.get("amount")
    fields.amount_text({"amount": text.removeprefix("-")} if signed and type(text) is str else body, "amount")
    return 0


def _reason(body: Body) -> str:
    reason = body.get("reason")
    if type(reason) is not str or not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise InvalidField("reason", f"must be a string of 1 to {LONGEST_REASON} printable characters")
    return reason


def _found(source: str, reference: str) -> tuple[Transaction, Transaction | None]:
    found = statement.withdrawal(source, reference)
    if found is None:
        raise Refused("unknown_withdrawal", reference=reference)
    return found
