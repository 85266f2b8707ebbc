"""Players and the wallets they hold: made, read, locked. Never their money.

Locks and exclusion are read by the engine with the wallets of every command, so a change counts
from its commit on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, Prefetch, Q
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from casino_pam.engine import commands, jobs, outbox, posting, sessions
from casino_pam.engine.results import Standing
from wallet.errors import InvalidField, Refused
from wallet.jurisdictions import Demand, rule
from wallet.kinds import CASHIER, Verification
from wallet.models import Currency, Player, PlayerNote, PlayerTag, Wallet

LOCKS: Final = ("bet", "deposit", "withdraw")
RESTRICTIONS: Final = (*(f"{lock}_locked" for lock in LOCKS), "excluded_until")

# In minutes: between which bounds a player chooses how often to be told of the session, and what the house begins with.
SHORTEST_CHECK: Final = 10
LONGEST_CHECK: Final = 120
USUAL_CHECK: Final = 60

# Told after every commit that locked or excluded a player; they must neither raise nor take long.
after_restriction: list[Callable[[str], None]] = []


# Leaves a row of the audit trail, in the transaction of what it is about (``wallet.audit.named``).
Record = Callable[..., object]


def create(
    player: str,
    *,
    country: str | None,
    currencies: Sequence[str],
    verification: str = Verification.UNVERIFIED,
    record: Record,
) -> Player:
    """Make a player with these wallets, or nothing at all.

    Raises Refused: ``unknown_currency``, ``one_currency``, ``already_exists``.
    """
    _known(currencies)
    _may_hold(player, country, currencies)
    try:
        with transaction.atomic():
            made = Player.objects.create(code=player, country=country, verification=verification)
            Wallet.objects.bulk_create(Wallet(player=made, currency_id=code) for code in currencies)
            about = {"country": country, "wallets": list(currencies), "verification": verification}
            record("add player", player=player, subject=player, after=about)
    except IntegrityError:
        # The name is the only thing here that somebody else can have taken.
        raise Refused("already_exists", player=player) from None
    return find(player)


def open_wallet(player: str, currency: str, record: Record) -> Wallet:
    """Open an empty wallet; a disabled currency refuses bets only, so it may still be held.

    Raises Refused: ``unknown_player``, ``unknown_currency``, ``already_exists``, ``one_currency``.
    """
    find(player)
    _known([currency])
    try:
        with transaction.atomic():
            holder = _taken(player)
            made = Wallet.objects.create(player=holder, currency_id=currency)
            _may_hold(player, holder.country, [*_held(holder), currency])
            record("add wallet", player=player, subject=f"{player}, {currency}", after={"currency": currency})
    except IntegrityError:
        raise Refused("already_exists", player=player, currency=currency) from None
    return made


def find(player: str) -> Player:
    """The player with the wallets, in the order in which they were opened."""
    wallets = Prefetch("wallets", queryset=Wallet.objects.order_by("id"))
    found = Player.objects.prefetch_related(wallets).filter(code=player).first()
    if found is None:
        raise Refused("unknown_player", player=player)
    return found


# --- players page by page ------------------------------------------------------------------------

PAGE: Final = 100
# Players that a page looks through for those it wants. One that found fewer than it has room for says where to go on,
# so that no question about a million players runs into the statement timeout.
REACH: Final = 20_000


class PlayerFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which players; ``status`` is ``free``, ``locked`` (in any way) or ``excluded``, as they are now."""

    country: str | None = None
    status: str | None = None
    verification: str | None = None
    tag: str | None = None
    since: datetime | None = None


class Place(NamedTuple):
    """Where a player stands in the order in which players were made."""

    created_at: datetime
    id: int


def page(wanted: PlayerFilter, after: Place | None) -> tuple[list[Player], Place | None]:
    """The players that follow ``after``, the first that were made first, and the place where the next page begins."""
    ordered = Player.objects.order_by("created_at", "id").filter(_behind(wanted, after))
    last = ordered.values_list("created_at", "id")[REACH - 1 : REACH].first()
    wallets = Prefetch("wallets", queryset=Wallet.objects.order_by("id"))
    fitting = ordered.filter(_fits(wanted)).prefetch_related(wallets, "tags")
    if last is not None:
        fitting = fitting.filter(Q(created_at__lt=last[0]) | Q(created_at=last[0], id__lte=last[1]))
    found = list(fitting[: PAGE + 1])
    if len(found) > PAGE:
        return found[:PAGE], Place(found[PAGE - 1].created_at, found[PAGE - 1].pk)
    return found, None if last is None else Place(*last)


def _behind(wanted: PlayerFilter, after: Place | None) -> Q:
    if after is None:
        return Q() if wanted.since is None else Q(created_at__gte=wanted.since)
    behind = Q(created_at__gte=after.created_at) & (Q(created_at__gt=after.created_at) | Q(id__gt=after.id))
    return behind if wanted.since is None else behind & Q(created_at__gte=wanted.since)


def _fits(wanted: PlayerFilter) -> Q:
    fits = Q()
    if wanted.country is not None:
        fits &= Q(country=wanted.country)
    if wanted.verification is not None:
        fits &= Q(verification=wanted.verification)
    if wanted.tag is not None:
        fits &= Q(Exists(PlayerTag.objects.filter(player=OuterRef("pk"), name=wanted.tag)))
    locked, excluded = Q(*((f"{lock}_locked", True) for lock in LOCKS), _connector=Q.OR), Q(excluded_until__gt=Now())
    match wanted.status:
        case "locked":
            fits &= locked
        case "excluded":
            fits &= excluded
        case "free":
            # NULL is no exclusion, and not no "not excluded" either.
            fits &= ~locked & (Q(excluded_until__isnull=True) | Q(excluded_until__lte=Now()))
    return fits


# --- changed -------------------------------------------------------------------------------------


def change(player: str, record: Record | None = None, **fields: Any) -> Player:
    """Set the named fields (locks, ``excluded_until``, ``country``, ``verification``); ``record`` is told what changed.

    A self-exclusion cancels the bonuses that wait (PLAY.md rule 27); it and a lock of bets end the player's sessions
    in the same transaction. Bonuses that waited for the player to be verified become cash. Raises Refused:
    ``unknown_player``, ``one_currency`` where the player has more wallets than the country allows; then nothing is
    changed.
    """
    with transaction.atomic():
        before = _taken(player)
        changed = {name: value for name, value in fields.items() if getattr(before, name) != value}
        if changed:
            _may_hold(player, changed.get("country"), _held(before))
            Player.objects.filter(code=player).update(**changed)
            if "excluded_until" in changed:
                outbox.write_exclusion(player, changed["excluded_until"])
            if record is not None:
                was = {name: getattr(before, name) for name in changed}
                record("change player", player=player, subject=player, before=was, after=changed)
        if fields.get("bet_locked") or fields.get("excluded_until") is not None:
            sessions.end_all(player)
    if any(fields.get(name) for name in RESTRICTIONS):
        _tell_restricted(player)
    if fields.get("excluded_until") is not None or not changed.keys().isdisjoint(("verification", "country")):
        _tend(player)
    return find(player)


def _taken(player: str) -> Player:
    """The player, whom nobody else can change until this transaction ends. Raises Refused (``unknown_player``)."""
    Player.objects.filter(code=player).update(country=F("country"))
    return find(player)


def exclude(player: str, until: datetime) -> Player:
    """As ``change``, by an operator or the player, who may make an exclusion longer and never shorter.

    Raises Refused (``player_excluded``, with the present end ``until``).
    """
    shorter = Player.objects.filter(code=player).exclude(excluded_until__gt=until)
    with transaction.atomic():
        before = _taken(player).excluded_until
        if not shorter.update(excluded_until=until):
            raise Refused("player_excluded", why="longer_already", until=before)
        if before != until:
            outbox.write_exclusion(player, until)
        sessions.end_all(player)
    _tell_restricted(player)
    _tend(player)
    return find(player)


def exclude_myself(player: str, until: datetime, record: Record) -> Player:
    """As ``exclude``, by the player; leaves a row of the audit trail if that changes anything.

    Raises InvalidField for a moment that has passed, or one before the end of the exclusion in force.
    """
    if until <= timezone.now():
        raise InvalidField("excluded_until", "must be a moment to come")
    with transaction.atomic():
        before = _taken(player).excluded_until
        try:
            excluded = exclude(player, until)
        except Refused:
            raise InvalidField("excluded_until", "must not be before the end of the exclusion in force") from None
        if before != until:
            told = {"before": {"excluded_until": before}, "after": {"excluded_until": until}}
            record("exclude", player=player, subject=player, **told)
    return excluded


def set_reality_check(player: str, minutes: int, record: Record) -> None:
    """How often the player's page is to tell the player how long and with which result the player has played."""
    with transaction.atomic():
        before = _taken(player).reality_check_minutes
        if before != minutes:
            Player.objects.filter(code=player).update(reality_check_minutes=minutes)
            about = {"before": {"minutes": before}, "after": {"minutes": minutes}}
            record("set reality check", player=player, subject=player, **about)


def note(player: Player, author: str, text: str) -> None:
    """Keep what an operator has to say of the player."""
    PlayerNote.objects.create(id=uuid7(), player=player, author=author, text=text, at=timezone.now())


def tag(player: Player, names: Iterable[str]) -> None:
    """Give the player these tags; what is there stays."""
    PlayerTag.objects.bulk_create((PlayerTag(player=player, name=name) for name in names), ignore_conflicts=True)


def untag(player: Player, names: Iterable[str]) -> None:
    """Take these tags away; what is not there is away already."""
    PlayerTag.objects.filter(player=player, name__in=list(names)).delete()


def _tend(player: str) -> None:
    """The engine works in transactions of its own: after the caller's, if there is one."""
    transaction.on_commit(lambda: jobs.run_due_of(player, commands.now()))


def _tell_restricted(player: str) -> None:
    for listener in after_restriction:
        transaction.on_commit(partial(listener, player))


def wallets(player: str, currency: str | None = None) -> list[Wallet]:
    """The player's wallets with their currencies in the order of opening, or the one named.

    Raises Refused: ``unknown_player``, ``unknown_wallet``.
    """
    held = Wallet.objects.filter(player__code=player).select_related("player", "currency").order_by("id")
    found = list(held if currency is None else held.filter(currency=currency))
    if not found:
        find(player)
        if currency is not None:
            raise Refused("unknown_wallet", player=player, currency=currency)
    return found


def standings(player: str) -> list[Standing]:
    """Where each of the player's wallets stands, read in one posting."""
    at, until = commands.now(), commands.deadline()
    found = posting.post(
        [
            commands.Balance(source=CASHIER, player=player, currency=wallet.currency_id, at=at, deadline=until)
            for wallet in wallets(player)
        ]
    )
    for outcome in found:
        if isinstance(outcome, Refused):
            raise outcome
    return [outcome for outcome in found if isinstance(outcome, Standing)]


def _held(player: Player) -> list[str]:
    return [wallet.currency_id for wallet in player.wallets.all()]


def _may_hold(player: str, country: str | None, currencies: Sequence[str]) -> None:
    """Raises Refused: ``one_currency``, where limits hold for the account and so for one wallet (PLAY.md rule 27a)."""
    if len(currencies) > 1 and rule(country, Demand.ONE_CURRENCY):
        raise Refused("one_currency", player=player, country=country, wallets=list(currencies))


def _known(currencies: Sequence[str]) -> None:
    found = set(Currency.objects.filter(code__in=currencies).values_list("code", flat=True))
    for code in currencies:
        if code not in found:
            raise Refused("unknown_currency", currency=code)


def digits() -> dict[str, int]:
    """The decimal places of every currency that this casino keeps."""
    return dict(Currency.objects.values_list("code", "digits"))
