"""Offers and bonuses: offers made and edited, bonuses granted, claimed and given up.

What is already granted keeps its terms.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID, uuid4

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from bonus import models, open_bonuses
from bonus.models import Offer as OfferModel
from bonus.offers import create_offer, edit_offer, offer_to_json
from bonus.open_bonuses import OpenBonus
from casino_pam.api import fields, responses
from casino_pam.api.fields import optional
from casino_pam.api.rest import examples, serializers
from casino_pam.api.rest.authentication import PLAYER
from casino_pam.api.rest.pagination import NewestFirstPagination, OfferPagination, OnePage
from casino_pam.api.rest.rest_view import RestView, created
from casino_pam.api.rest.schema import NO_WALLET, documented
from casino_pam.api.rest.throttling import PromoCodeThrottle
from casino_pam.engine import accounts, commands, posting
from casino_pam.engine.commands import Browse, Claim, Forfeit, Grant
from casino_pam.engine.results import BonusResult, OfferList
from casino_pam.tokens import PlayerToken
from wallet.errors import Busy, Refused
from wallet.kinds import BONUS
from wallet.money import show

# Somebody else editing the same offer at the same moment, over and over, is not to be expected.
EDITS_TRIED: Final = 5


class Offers(RestView):
    """Make an offer, or list them by code."""

    scope = "offers"
    pagination_class = OfferPagination

    @documented(
        "Make an offer",
        asks=serializers.Offer,
        sends=examples.OFFER,
        answers=serializers.Offer,
        gets=examples.OFFER,
        status=201,
        refusals=("already_exists",),
    )
    def post(self, request: Request) -> Response:
        with transaction.atomic():
            made = offer_to_json(create_offer(self.body))
            self.record("add offer", subject=made["code"], after=made)
        return created(made)

    @documented("List the offers", answers=serializers.Offer(many=True))
    def get(self, request: Request) -> Response:
        found = self.paginate_queryset(OfferModel.objects.all())
        return self.get_paginated_response([offer_to_json(each) for each in found])


class Offer(RestView):
    """One offer."""

    scope = "offers"

    @documented("Read an offer", answers=serializers.Offer, gets=examples.OFFER, refusals=("unknown_offer",))
    def get(self, request: Request, offer: str) -> Response:
        return Response(offer_to_json(_offer(offer)))

    @documented(
        "Edit an offer; bonuses already granted keep their terms",
        asks=serializers.OfferChanges,
        sends={"enabled": False},
        answers=serializers.Offer,
        gets={**examples.OFFER, "enabled": False},
        refusals=("unknown_offer",),
    )
    def patch(self, request: Request, offer: str) -> Response:
        changes = self.body
        for _ in range(EDITS_TRIED):
            try:
                return Response(self._edited(_offer(offer), changes))
            except Busy:
                continue
        raise Busy

    def _edited(self, offer: OfferModel, changes: dict[str, Any]) -> dict[str, Any]:
        """The offer with the changes. Raises Busy where somebody else was first."""
        with transaction.atomic():
            before, after = offer_to_json(offer), offer_to_json(edit_offer(offer, changes))
            changed = [name for name in after if after[name] != before[name]]
            if changed:
                about = {
                    "before": {name: before[name] for name in changed},
                    "after": {name: after[name] for name in changed},
                }
                self.record("change offer", subject=offer.code, **about)
        return after


def _offer(code: str) -> OfferModel:
    found = OfferModel.objects.filter(code=code).first()
    if found is None:
        raise Refused("unknown_offer", offer=code)
    return found


NOT_GRANTED: Final = ("unknown_offer", "player_excluded", "wallet_locked", "offer_not_available")

# --- back ends -----------------------------------------------------------------------------------


class BonusView(RestView):
    """Whatever is done to a bonus here is in the audit trail too: not every end of a bonus has a row of the ledger."""

    def alongside(self, act: str) -> posting.Alongside:
        """Records the act in the transaction of its posting; a repeat is none."""

        def record(it: BonusResult) -> None:
            if it.replayed:
                return
            bonus = it.bonus
            after = {"offer": bonus.offer, "status": bonus.status, "amount": show(bonus.amount, it.digits)}
            self.record(act, player=it.player, subject=f"{bonus.offer} of {it.player}, {bonus.currency}", after=after)

        return record


class Bonuses(BonusView):
    """Grant a bonus."""

    scope = "bonuses"

    @documented(
        "Grant a bonus",
        asks=serializers.GrantAsked,
        sends=examples.GRANT,
        answers={200: serializers.Bonus, 201: serializers.Bonus},
        refusals=(*NO_WALLET, *NOT_GRANTED, "reference_reused"),
    )
    def post(self, request: Request) -> Response:
        command = Grant(source=self.key.source, **self.validated(serializers.GrantAsked), **self.carried())
        return _newly_made(posting.execute(command, self.alongside("grant")))


class Bonus(RestView):
    """One bonus."""

    scope = "bonuses"

    @documented("Read a bonus", answers=serializers.Bonus, gets=examples.BONUS, refusals=("unknown_bonus",))
    def get(self, request: Request, bonus: str) -> Response:
        return Response(_now(_record(bonus)))


class ForfeitBonus(BonusView):
    """Take a bonus back; one that still waits is cancelled."""

    scope = "bonuses"

    @documented(
        "Forfeit a bonus",
        asks=serializers.ForfeitAsked,
        sends={"reference": "f-1"},
        answers=serializers.Bonus,
        gets={**examples.BONUS, "status": "forfeited"},
        refusals=("unknown_bonus", "bonus_ended"),
    )
    def post(self, request: Request, bonus: str) -> Response:
        body = self.validated(serializers.ForfeitAsked)
        found = _record(bonus)
        command = Forfeit(
            player=found.player.code,
            bonus=str(found.id),
            reason="taken back",
            source=self.key.source,
            **body,
            **self.carried(),
        )
        return Response(_bonus_of(posting.execute(command, self.alongside("forfeit"))))


class PlayerBonuses(RestView):
    """The bonuses of a player, newest first."""

    scope = "bonuses"
    pagination_class = NewestFirstPagination

    @documented("A player's bonuses", answers=serializers.Bonus(many=True), refusals=("unknown_player",))
    def get(self, request: Request, player: str) -> Response:
        found = self.paginate_queryset(models.Bonus.objects.with_owner().of_player(accounts.find(player).code))
        return self.get_paginated_response([_now(each) for each in found])


# --- players -------------------------------------------------------------------------------------


class MyOffers(RestView):
    """What the player could claim now."""

    scope = PLAYER
    pagination_class = OnePage

    @documented("Offers I could claim", answers=serializers.Offer(many=True), refusals=("unknown_player",))
    def get(self, request: Request) -> Response:
        asked = Browse(source=BONUS, player=self.token.player, at=commands.now(), deadline=commands.deadline())
        outcome = posting.rehearse(asked)
        if isinstance(outcome, Refused):
            raise outcome
        assert isinstance(outcome, OfferList)
        return self.get_paginated_response(responses.offers(outcome, accounts.digits()))


class MyBonuses(BonusView):
    """The player's bonuses, newest first; and a claim of another one."""

    scope = PLAYER
    pagination_class = NewestFirstPagination

    @documented("My bonuses", answers=serializers.MyBonus(many=True))
    def get(self, request: Request) -> Response:
        mine = models.Bonus.objects.with_owner().select_related("offer").of_player(self.token.player)
        found = self.paginate_queryset(mine)
        return self.get_paginated_response([_with_terms(each) for each in found])

    @documented(
        "Claim an offer",
        asks=serializers.ClaimAsked,
        sends={"offer": "welcome", "currency": "EUR"},
        answers=serializers.Bonus,
        gets={**examples.BONUS, "status": "pending"},
        status=201,
        refusals=(*NO_WALLET, *NOT_GRANTED),
    )
    def post(self, request: Request) -> Response:
        command = Claim(**self.validated(serializers.ClaimAsked), **_player_of(self.token))
        return _newly_made(posting.execute(command, self.alongside("claim")))


class MyPromoCodes(BonusView):
    """The player enters a code. Who has it once had its offer is refused it a second time."""

    scope = PLAYER
    throttle_classes = (PromoCodeThrottle,)

    @documented(
        "Enter a promo code",
        asks=serializers.PromoCodeAsked,
        sends={"code": "SUMMER", "currency": "EUR"},
        answers=serializers.Bonus,
        gets={**examples.BONUS, "status": "pending"},
        status=201,
        refusals=(*NO_WALLET, "unknown_promo_code", *NOT_GRANTED),
    )
    def post(self, request: Request) -> Response:
        body = self.validated(serializers.PromoCodeAsked)
        offer = OfferModel.objects.filter(promo_code=body["code"], enabled=True).first()
        if offer is None:
            raise Refused("unknown_promo_code")
        command = Claim(offer=offer.code, promo_code=body["code"], currency=body["currency"], **_player_of(self.token))
        return _newly_made(posting.execute(command, self.alongside("claim")))


class ForfeitMyBonus(BonusView):
    """The player gives a bonus up."""

    scope = PLAYER

    @documented(
        "Give a bonus up",
        answers=serializers.Bonus,
        gets={**examples.BONUS, "status": "forfeited"},
        refusals=("unknown_bonus", "bonus_ended"),
    )
    def post(self, request: Request, bonus: str) -> Response:
        given = optional(fields.text_id, self.body_if_any, "reference")
        command = Forfeit(
            bonus=str(_record(bonus).id),
            reference=given or f"player-{uuid4()}",
            reason="given up by the player",
            **_player_of(self.token),
        )
        return Response(_bonus_of(posting.execute(command, self.alongside("forfeit"))))


# --- both ----------------------------------------------------------------------------------------


def _player_of(token: PlayerToken) -> dict[str, Any]:
    """What every command of a player carries."""
    return {
        "source": BONUS,
        "player": token.player,
        "actor": f"player:{token.player}",
        "at": commands.now(),
        "deadline": commands.deadline(),
    }


def _record(text: str) -> models.Bonus:
    """The bonus of that id; whatever is no id names no bonus."""
    try:
        found = models.Bonus.objects.with_owner().filter(pk=UUID(text)).first()
    except ValueError:
        found = None
    if found is None:
        raise Refused("unknown_bonus", bonus=text)
    return found


def _now(found: models.Bonus) -> dict[str, Any]:
    """The bonus as it stands; one past its time has expired."""
    summary = open_bonuses.summary(OpenBonus.of(found), commands.now())
    return _bonus_of(BonusResult(bonus=summary, player=found.player.code, digits=found.wallet.currency.digits))


def _with_terms(found: models.Bonus) -> dict[str, Any]:
    """As ``_now``, for the player, who plays by them."""
    return {
        **_now(found),
        "name": found.offer.name,
        "terms": responses.terms(OpenBonus.of(found), found.wallet.currency.digits),
    }


def _bonus_of(it: BonusResult) -> dict[str, Any]:
    return serializers.Bonus(it).data


def _newly_made(it: BonusResult) -> Response:
    return Response(_bonus_of(it), 200) if it.replayed else created(_bonus_of(it))
