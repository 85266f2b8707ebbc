"""Offers: made, read, edited. What is already granted keeps its terms."""

from __future__ import annotations

from typing import Final

from rest_framework.request import Request
from rest_framework.response import Response

from bonus.models import Offer as OfferModel
from bonus.offers import create_offer, edit_offer, offer_to_json
from casino_pam import fields
from casino_pam.fields import optional
from casino_pam.rest import examples, promise_shapes, queries
from casino_pam.rest.described import described
from casino_pam.rest.door import Door, made
from wallet.errors import Busy, Refused

PAGE: Final = 100
# Somebody else editing the same offer at the same moment, over and over, is not to be expected.
EDITS_TRIED: Final = 5


class Offers(Door):
    """Make an offer, or list them by code."""

    scope = "offers"

    @described(
        "Make an offer",
        asks=promise_shapes.Offer,
        sends=examples.OFFER,
        answers=promise_shapes.Offer,
        gets=examples.OFFER,
        status=201,
        refusals=("already_exists",),
    )
    def post(self, request: Request) -> Response:
        return made(offer_to_json(create_offer(self.body)))

    @described(
        "List the offers",
        answers=promise_shapes.Offers,
        query=("cursor",),
        name="offers_list",
    )
    def get(self, request: Request) -> Response:
        after = optional(fields.text_id, queries.named(request, ("cursor",)), "cursor")
        found = list(OfferModel.objects.filter(code__gt=after or "").order_by("code")[: PAGE + 1])
        following = found[PAGE - 1].code if len(found) > PAGE else None
        return Response({"results": [offer_to_json(each) for each in found[:PAGE]], "next": following})


class Offer(Door):
    """One offer."""

    scope = "offers"

    @described("Read an offer", answers=promise_shapes.Offer, gets=examples.OFFER, refusals=("unknown_offer",))
    def get(self, request: Request, offer: str) -> Response:
        return Response(offer_to_json(_found(offer)))

    @described(
        "Edit an offer; bonuses already granted keep their terms",
        asks=promise_shapes.OfferChanges,
        sends={"enabled": False},
        answers=promise_shapes.Offer,
        gets={**examples.OFFER, "enabled": False},
        refusals=("unknown_offer",),
    )
    def patch(self, request: Request, offer: str) -> Response:
        changes = self.body
        for _ in range(EDITS_TRIED):
            try:
                return Response(offer_to_json(edit_offer(_found(offer), changes)))
            except Busy:
                continue
        raise Busy


def _found(code: str) -> OfferModel:
    found = OfferModel.objects.filter(code=code).first()
    if found is None:
        raise Refused("unknown_offer", offer=code)
    return found
