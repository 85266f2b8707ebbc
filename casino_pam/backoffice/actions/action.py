"""What an action of an operator is: the row it is about, who may do it, what it says, and the command behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Generic, TypeVar, cast

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils import timezone

from bonus.admin.bonus_admin import present_status
from bonus.models import Bonus, Offer
from bonus.rules import BASIS_POINTS
from casino_pam import operator_sessions
from casino_pam.backoffice.actions.forms import ActionForm
from casino_pam.backoffice.foresight import Foresight
from casino_pam.engine import approvals, commands
from casino_pam.engine.commands import Request
from wallet import audit, formatting, hindrances
from wallet.admin import ledger_pages
from wallet.kinds import OPERATOR, Kind, Status
from wallet.models import Currency, GameSession, Player, SecondFactor, Transaction, Wallet
from wallet.time import FOR_GOOD

T = TypeVar("T", bound=Model)
State = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Subject(Generic[T]):
    """A kind of row that can be acted on; ``name`` is what it is called in addresses.

    ``state`` is what the form shows before the act and the audit trail keeps of before and after. An offer and an
    operator are no player's.
    """

    name: str
    key: str
    rows: Callable[[], QuerySet[T]]
    player: Callable[[T], Player | None]
    called: Callable[[T], str]
    state: Callable[[T], State]

    def again(self, row: T) -> T:
        """The row as the database has it now."""
        return self.rows().get(pk=row.pk)


def home(player: Player) -> str:
    """The player's page, where every act leads back to."""
    return reverse("admin:wallet_player_change", args=[player.pk])


def own_page(row: Model) -> str:
    """The page of the row itself."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def sum_of(minor: int, currency: Currency) -> str:
    return f"{formatting.number(minor, currency.digits)} {currency.code}"


def instant(moment: datetime | None) -> str:
    if moment == FOR_GOOD:
        return "for good"
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def of_player(player: Player) -> State:
    """What the player may do now, with everything that stands in the way of it."""
    now = timezone.now()
    found = hindrances.of_player(player, now)
    for name, reasons in hindrances.of_wallets(player.wallets.select_related("currency"), now).items():
        found[name] = [*found[name], *reasons]
    allowed = {name: "; ".join(reasons) or "allowed" for name, reasons in found.items()}
    live = player.sessions.filter(ended_at__isnull=True, expires_at__gt=timezone.now()).count()
    return {
        **allowed,
        "excluded until": instant(player.excluded_until),
        "verification": player.verification,
        "tags": ", ".join(tag.name for tag in player.tags.all()) or "none",
        "sessions that live": str(live),
    }


def of_wallet(wallet: Wallet) -> State:
    return {name: sum_of(getattr(wallet, name), wallet.currency) for name in ("cash", "bonus", "held")}


def closer(row: Transaction) -> Transaction | None:
    """The row that undid or ended this one."""
    return Transaction.objects.filter(closes=row.pk, status=Status.POSTED).first()


_ENDED: Final = {Kind.SETTLE: "settled", Kind.RELEASE: "released", Kind.ROLLBACK: "rolled back"}


def of_row(row: Transaction) -> State:
    ended = closer(row)
    return {
        "transaction": f"{row.kind} {formatting.reference(row.reference)}",
        "amount": sum_of(row.amount, row.wallet.currency),
        "stands": _ENDED[ended.kind] if ended else row.status.lower(),
        **_request_to_settle(row),
        **of_wallet(row.wallet),
    }


def _request_to_settle(row: Transaction) -> State:
    """Who asked for the settlement of a withdrawal that a second person has yet to decide about."""
    if row.kind != Kind.HOLD:
        return {}
    request = approvals.asked().filter(withdrawal=row.pk, state__in=approvals.OPEN).first()
    return {"waits for approval": f"asked for by {request.author}"} if request else {}


def of_bonus(bonus: Bonus) -> State:
    currency = bonus.wallet.currency
    return {
        "status": "waits for verification" if bonus.unverified else present_status(bonus),
        "wagered": f"{sum_of(bonus.wagered // BASIS_POINTS, currency)} of {sum_of(bonus.required, currency)}",
        "runs out": instant(bonus.claim_by if bonus.activated_at is None else bonus.expires_at),
        **of_wallet(bonus.wallet),
    }


def of_offer(offer: Offer) -> State:
    most = "" if offer.total is None else f" of {offer.total}"
    return {
        "kind": offer.kind.replace("_", " "),
        "state": "open" if offer.enabled else "closed",
        "granted": f"{offer.granted}{most}",
    }


def of_operator(operator: User) -> State:
    factor = SecondFactor.objects.filter(pk=operator.pk).first()
    return {
        "second factor": "none" if factor is None else f"since {instant(factor.set_up_at)}",
        "log-ins": str(operator_sessions.live(operator).count()),
    }


def _wallet_called(wallet: Wallet) -> str:
    return f"{wallet.player.code}, {wallet.currency_id}"


PLAYER: Final = Subject[Player](
    name="player",
    key="int",
    rows=lambda: Player.objects.all(),
    player=lambda player: player,
    called=lambda player: player.code,
    state=of_player,
)
WALLET: Final = Subject[Wallet](
    name="wallet",
    key="int",
    rows=lambda: Wallet.objects.select_related("player", "currency"),
    player=lambda wallet: wallet.player,
    called=_wallet_called,
    state=of_wallet,
)
ROW: Final = Subject[Transaction](
    name="transaction",
    key="uuid",
    rows=lambda: ledger_pages.with_names(Transaction.objects.all()),
    player=lambda row: row.wallet.player,
    called=lambda row: f"{row.kind} {formatting.reference(row.reference)} of {_wallet_called(row.wallet)}",
    state=of_row,
)
BONUS: Final = Subject[Bonus](
    name="bonus",
    key="uuid",
    rows=lambda: Bonus.objects.select_related("offer", "player", "wallet__currency", "wallet__player"),
    player=lambda bonus: bonus.player,
    called=lambda bonus: f"{bonus.offer.code} of {_wallet_called(bonus.wallet)}",
    state=of_bonus,
)
SESSION: Final = Subject[GameSession](
    name="session",
    key="str",
    rows=lambda: GameSession.objects.select_related("player", "provider", "currency"),
    player=lambda session: session.player,
    called=lambda session: f"the session of {session.player.code} with {session.provider.code}",
    state=lambda session: {
        "bets": "; ".join(hindrances.of_session(session, timezone.now())) or "allowed",
        "ended": instant(session.ended_at),
        "expires": instant(session.expires_at),
    },
)
OFFER: Final = Subject[Offer](
    name="offer",
    key="int",
    rows=lambda: Offer.objects.all(),
    player=lambda offer: None,
    called=lambda offer: offer.code,
    state=of_offer,
)
ACCOUNT: Final = Subject[User](
    name="operator",
    key="int",
    rows=lambda: User.objects.all(),
    player=lambda operator: None,
    called=lambda operator: operator.get_username(),
    state=of_operator,
)
SUBJECTS: Final[dict[type[Model], Subject[Any]]] = {
    User: ACCOUNT,
    Player: PLAYER,
    Wallet: WALLET,
    Transaction: ROW,
    Bonus: BONUS,
    GameSession: SESSION,
    Offer: OFFER,
}


class Guard(Enum):
    """What lets a form act once, however often it is sent."""

    COMMAND = "its reference is the command's"
    TRANSACTION = "its row of the audit trail is written in the transaction of the change"
    TRAIL = "its row of the audit trail is looked for first; what is sent twice at once does the same twice"


@dataclass(frozen=True, kw_only=True)
class ActionRequest(Generic[T]):
    """A form that was filled in rightly: ``given`` is what it says, ``by`` the operator's name.

    ``record`` leaves the row of the audit trail about a result.
    """

    on: T
    given: dict[str, Any]
    by: str
    before: State
    record: Callable[[ActionResult], Any]

    @property
    def reference(self) -> str:
        return str(self.given["reference"])

    @property
    def reason(self) -> str:
        return str(self.given["reason"])

    def alongside(self, described: Callable[[Any], ActionResult]) -> Callable[[Any], object]:
        """What is to be called in the transaction of the act with what came of it."""
        return lambda outcome: self.record(described(outcome))

    def carried(self) -> dict[str, Any]:
        """What every command of an operator carries."""
        return {
            "source": OPERATOR,
            "actor": self.by,
            "at": commands.now(),
            "deadline": commands.deadline(),
        }


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """What came of an act: a sentence, the ledger's row if there is one (its id), and the page it made, if any."""

    message: str
    row: str | None = None
    page: str | None = None
    outcome: str = audit.DONE


def wallet_of(row: Model) -> Wallet:
    """The wallet whose money an act on a wallet, a row or a bonus moves."""
    return row if isinstance(row, Wallet) else cast("Wallet", getattr(row, "wallet"))  # noqa: B009


def alone(_: Any, __: Foresight) -> bool:
    """No second person ever decides about the act."""
    return False


def always(_: Any) -> None:
    """Nothing ever stands in the way of the act."""


@dataclass(frozen=True, kw_only=True)
class Action(Generic[T]):
    """``effect`` says in a sentence what will happen, ``hindrance`` why it cannot now, or None."""

    name: str
    title: str
    subject: Subject[T]
    permission: str
    form: type[ActionForm]
    effect: Callable[[T], str]
    run: Callable[[ActionRequest[T]], ActionResult]
    hindrance: Callable[[T], str | None] = always
    # The command that carries it out, of which the form shows beforehand what it would come to, and whether a second
    # person would decide about it first.
    command: Callable[[ActionRequest[T]], Request] | None = None
    second: Callable[[ActionRequest[T], Foresight], bool] = alone
    # What it comes to depends on the subject alone, not on what is filled in: the form shows it as soon as it opens.
    at_once: bool = False
    # It takes something away: its button says so in red.
    takes: bool = False
    guard: Guard = Guard.COMMAND

    def address(self, row: T) -> str:
        return reverse(f"backoffice:{self.name}", args=[row.pk])
