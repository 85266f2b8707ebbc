"""The door's own dialect, inward: JSON bodies become commands (PLAY.md §1).

Nothing here touches the database or the network. Every method refuses a malformed body with
``InvalidField`` before it says ``unknown_currency``: 400 comes before 404.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from casino_pam.api.fields import Body, amount, amount_text, choice, currency, flag, optional, part, parts, text_id
from casino_pam.engine.commands import Balance, Batch, Bet, EndRound, Find, Play, Rollback, Win
from wallet.errors import InvalidField, Refused
from wallet.kinds import WIN_SOURCES, Kind, WinSource, scoped

MOST_IN_BATCH: Final = 100
MOST_IN_BULK: Final = 1000

KINDS: Final = {
    "bet": Kind.BET,
    "win": Kind.WIN,
    "rollback": Kind.ROLLBACK,
    "end_round": Kind.END_ROUND,
}
UNDOABLE: Final = ("bet", "win")
WITHOUT_ROUND: Final = (WinSource.JACKPOT, WinSource.PROMO)


class Reader:
    """Reads the bodies of one request of one source.

    ``digits`` are those of the currencies we know; ``per_player`` is the provider's
    reference_scope; ``carried`` is what every command of the request carries besides (``at``,
    ``deadline``, ``secrets_version``).
    """

    def __init__(self, source: str, digits: Mapping[str, int], *, per_player: bool, **carried: Any) -> None:
        self._digits = digits
        self._per_player = per_player
        self._carried = {"source": source, **carried}

    def balance(self, body: Body) -> Balance:
        request = Balance(player=text_id(body, "player"), currency=currency(body), **self._carried)
        self._known(request.currency)
        return request

    def find(self, body: Body) -> Find:
        player = text_id(body, "player")
        return Find(
            player=player,
            reference=self._reference(player, body),
            kind=KINDS[choice(body, "kind", tuple(KINDS))],
            **self._carried,
        )

    def bet(self, body: Body) -> Bet:
        player = text_id(body, "player")
        code = currency(body)
        command = Bet(
            player=player,
            currency=code,
            reference=self._reference(player, body),
            round=text_id(body, "round"),
            game=text_id(body, "game"),
            amount=self._amount(body, code),
            ends_round=flag(body, "end_round"),
            **self._carried,
        )
        self._known(code)
        return command

    def win(self, body: Body) -> Win:
        player = text_id(body, "player")
        code = currency(body)
        source = optional(choice, body, "source", WIN_SOURCES)
        where = _if_given if source in WITHOUT_ROUND else text_id
        command = Win(
            player=player,
            currency=code,
            reference=self._reference(player, body),
            round=where(body, "round"),
            game=where(body, "game"),
            amount=self._amount(body, code),
            bet=optional(self._scoped(player), body, "bet"),
            win_source=source,
            ends_round=flag(body, "end_round"),
            **self._carried,
        )
        self._known(code)
        return command

    def rollback(self, body: Body) -> Rollback:
        player = text_id(body, "player")
        kind = optional(choice, body, "original_kind", UNDOABLE)
        command = Rollback(
            player=player,
            reference=self._reference(player, body),
            original=self._scoped(player)(body, "original"),
            original_kind=None if kind is None else KINDS[kind],
            currency=optional(currency, body, "currency"),
            round=_if_given(body, "round"),
            game=_if_given(body, "game"),
            amount=optional(amount_text, body, "amount"),
            **self._carried,
        )
        if command.currency is not None:
            if command.amount is not None:
                self._amount(body, command.currency)
            self._known(command.currency)
        return command

    def end_round(self, body: Body) -> EndRound:
        player = text_id(body, "player")
        command = EndRound(
            player=player,
            currency=currency(body),
            reference=self._reference(player, body),
            round=text_id(body, "round"),
            **self._carried,
        )
        self._known(command.currency)
        return command

    def batch(self, body: Body) -> Batch:
        """Player and currency are the batch's, whatever an operation says."""
        wallet = {"player": text_id(body, "player"), "currency": currency(body)}
        operations = parts(body, "operations", MOST_IN_BATCH)
        unknown: Refused | None = None
        read: list[Play] = []
        for place, operation in enumerate(operations):
            try:
                read.append(self._operation(place, operation, wallet))
            except InvalidField:
                raise
            except Refused as refusal:
                # A later operation may be malformed, and that would come first.
                unknown = refusal
        if unknown is not None:
            raise unknown
        return Batch(operations=tuple(read))

    def bulk(self, body: Body) -> list[Play | Refused]:
        """Each operation as a command, or why it cannot be one."""
        read: list[Play | Refused] = []
        for place, operation in enumerate(parts(body, "operations", MOST_IN_BULK)):
            try:
                read.append(self._operation(place, operation, {}))
            except Refused as refusal:
                read.append(refusal)
        return read

    def _operation(self, place: int, operation: Any, wallet: Mapping[str, str]) -> Play:
        where = f"operations[{place}]"
        body = {**part(operation, where), **wallet}
        try:
            return OPERATIONS[choice(body, "op", tuple(OPERATIONS))](self, body)
        except InvalidField as refusal:
            raise refusal.inside(where) from None

    def _reference(self, player: str, body: Body) -> str:
        text = text_id(body, "reference")
        return scoped(player, text) if self._per_player else text

    def _scoped(self, player: str) -> Callable[[Body, str], str]:
        """Reads a reference that names another row of the same player."""
        if not self._per_player:
            return text_id
        return lambda body, field: scoped(player, text_id(body, field))

    def _amount(self, body: Body, code: str) -> int:
        """Minor units; of a currency without known digits only the shape can be judged."""
        digits = self._digits.get(code)
        if digits is None:
            amount_text(body, "amount")
            return 0
        return amount(body, "amount", digits)

    def _known(self, code: str) -> None:
        if code not in self._digits:
            raise Refused("unknown_currency", currency=code)


OPERATIONS: Final[dict[str, Callable[[Reader, Body], Play]]] = {
    "bet": Reader.bet,
    "win": Reader.win,
    "rollback": Reader.rollback,
    "end-round": Reader.end_round,
}


def _if_given(body: Body, field: str) -> str | None:
    return optional(text_id, body, field)
