"""Jobs on bonuses, run by a timer: what fell due, and cashback. Each may be repeated, and run twice at a time."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final, TypeVar

from bonus.models import Bonus, Loss, Offer
from casino_pam.engine import posting
from casino_pam.engine.commands import AnyRequest, Grant, RunDue
from casino_pam.engine.posting import Outcome
from casino_pam.engine.results import BonusResult
from wallet.errors import Refused
from wallet.kinds import BONUS
from wallet.models import Wallet
from wallet.time import to_datetime

T = TypeVar("T")

# So many wallets share a transaction; a larger one would keep players waiting.
TOGETHER: Final = 100


def run_due(at: int) -> Counter[str]:
    """Expire, cancel and deplete what is due at ``at`` (microseconds); how many wallets, by what became of it."""
    wallets = Bonus.objects.due(to_datetime(at))
    return Counter(map(_word, _posted(_run_due(player, currency, at) for player, currency in wallets)))


def run_due_of(player: str, at: int) -> None:
    """Do at once what is due on the player's wallets, say after a self-exclusion.

    What cannot be done now for want of time is left to ``expire_bonuses``, and to the player's next command.
    """
    held = Wallet.objects.filter(player__code=player).values_list("currency_id", flat=True)
    posting.post([_run_due(player, currency, at) for currency in held])


def _run_due(player: str, currency: str, at: int) -> RunDue:
    return RunDue(source=BONUS, player=player, currency=currency, at=at)


def grant_cashback(offer: Offer, first: date, last: date, at: int) -> Counter[str]:
    """Grant each player's cashback on the net loss of a period; how many wallets, by what became of it.

    The reference names offer, period and wallet: a second run finds what the first one granted.
    """
    losses = offer.losses(first, last)
    return Counter(map(_word, _posted(_cashback(offer, loss, first, last, at) for loss in losses)))


def _cashback(offer: Offer, loss: Loss, first: date, last: date, at: int) -> Grant:
    return Grant(
        source=BONUS,
        player=loss.player,
        currency=loss.currency,
        reference=f"cashback:{offer.code}:{first}:{last}:{loss.currency}:{loss.player}",
        offer=offer.code,
        loss=loss.amount,
        at=at,
    )


def _posted(request: Iterable[AnyRequest]) -> Iterator[Outcome]:
    for together in _chunks(request):
        yield from posting.post(together)


def _chunks(many: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(many)
    while chunk := list(itertools.islice(rest, TOGETHER)):
        yield chunk


def _word(outcome: Outcome) -> str:
    if isinstance(outcome, Refused):
        return outcome.code
    return "granted before" if isinstance(outcome, BonusResult) and outcome.replayed else "done"
