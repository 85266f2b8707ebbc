"""Saving offers: the one way, shared by the REST API and the admin form."""

from datetime import datetime
from typing import Any

import msgspec
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from bonus.models import GameWeight, Offer
from bonus.offer_json import InvalidOffer, show_offer, validate_offer
from bonus.terms import OfferSpec, Problem
from wallet.errors import Busy, Refused
from wallet.models import Currency


def offer_to_json(offer: Offer) -> dict[str, Any]:
    """The offer as the REST API answers it and as the admin form shows it."""
    return show_offer(offer.spec(), _digits())


def create_offer(data: dict[str, Any]) -> Offer:
    """Save a new offer; raises InvalidOffer, or Refused("already_exists") when its code is taken."""
    spec = validate_offer(data, _digits())
    with transaction.atomic():
        offer, created = Offer.objects.get_or_create(code=spec.code, defaults=_columns(spec))
        if not created:
            raise Refused("already_exists")
        _write_weights(offer, spec)
    return Offer.objects.get(pk=offer.pk)


def edit_offer(offer: Offer, changes: dict[str, Any]) -> Offer:
    """Save `changes`, members of the offer's JSON each replaced as a whole.

    Bonuses already granted keep their terms. Raises InvalidOffer, or Busy when the offer was edited
    by somebody else since it was read: the same request may be sent again.
    """
    spec = validate_offer(offer_to_json(offer) | changes, _digits())
    if spec.code != offer.code:
        raise InvalidOffer([Problem("code", "cannot be changed: bonuses and requests name the offer by it")])
    if spec.total is not None and spec.total < offer.granted:
        raise InvalidOffer([Problem("total", f"must be at least {offer.granted}: so many have been granted")])
    as_read = Offer.objects.filter(pk=offer.pk, version=offer.version)
    room_left = as_read if spec.total is None else as_read.filter(granted__lte=spec.total)
    with transaction.atomic():
        # Zero means that somebody else edited the offer, or was granted more than the new total.
        if room_left.update(**_columns(spec), version=F("version") + 1, updated_at=Now()) == 0:
            raise Busy
        _write_weights(offer, spec)
    return Offer.objects.get(pk=offer.pk)


def _digits() -> dict[str, int]:
    return dict(Currency.objects.values_list("code", "digits"))


def _columns(spec: OfferSpec) -> dict[str, Any]:
    columns: dict[str, Any] = msgspec.to_builtins(spec, builtin_types=(datetime,))
    del columns["weights"], columns["excluded"]
    return columns | {
        "which_deposit": str(spec.which_deposit),
        "default_weight_bp": spec.weights.default,
        "countries": list(spec.countries),
    }


def _write_weights(offer: Offer, spec: OfferSpec) -> None:
    said: dict[tuple[str, str], GameWeight] = {}

    def about(scope: str, name: str) -> GameWeight:
        return said.setdefault((scope, name), GameWeight(offer=offer, scope=scope, name=name))

    for scope in GameWeight.Scope.values:
        for name, weight_bp in getattr(spec.weights, scope).items():
            about(scope, name).weight_bp = weight_bp
    for scope in ("game", "category"):
        for name in getattr(spec.excluded, scope):
            about(scope, name).excluded = True
    GameWeight.objects.filter(offer=offer).delete()
    GameWeight.objects.bulk_create(said.values())
