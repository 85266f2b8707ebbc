"""What most houses write first: a DRF view, the ORM, a version check and a retry.

Kept here to be compared with, on the product's own tables: one transaction a bet, no signature, no
rules beyond the balance. `python -m tests.bench.straightforward HOST:PORT` serves it on two workers.
"""

from __future__ import annotations

import os
import random
import sys
import time
import uuid
from typing import Any

import uvicorn


def serve(address: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.straightforward_settings"
    host, _, port = address.rpartition(":")
    uvicorn.run(
        "tests.bench.straightforward:application", host=host, port=int(port), workers=2, loop="uvloop", access_log=False
    )


if __name__ == "__main__":
    serve(sys.argv[1])
    sys.exit()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.bench.straightforward_settings")

from django.core.asgi import get_asgi_application  # noqa: E402

application = get_asgi_application()

from django.db import IntegrityError, transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from wallet.models import Transaction, Wallet  # noqa: E402

PATIENCE_SECONDS = 2.5


class BetSerializer(serializers.Serializer[Any]):
    player = serializers.CharField(max_length=128)
    currency = serializers.CharField(max_length=32)
    reference = serializers.CharField(max_length=128)
    round = serializers.CharField(max_length=128)
    game = serializers.CharField(max_length=128)
    amount = serializers.DecimalField(max_digits=16, decimal_places=2)


class Stale(Exception):
    """Somebody else moved the wallet first."""


class BetView(APIView):
    def post(self, request: Request) -> Response:
        asked = BetSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                return Response(place(asked.validated_data))
            except Stale:
                time.sleep(random.uniform(0, 0.01))
            except IntegrityError:
                continue
        return Response({"code": "conflict"}, status=409)


def place(asked: dict[str, Any]) -> dict[str, Any]:
    """One bet in one transaction."""
    amount = int(asked["amount"] * 100)
    with transaction.atomic():
        wallet = Wallet.objects.get(player__code=asked["player"], currency=asked["currency"])
        spent = Transaction.objects.filter(source="plain", kind="BET", reference=asked["reference"]).first()
        if spent is not None:
            return {"balance": spent.cash_after, "replayed": True}
        if wallet.cash < amount:
            return {"code": "insufficient_funds"}
        moved = Wallet.objects.filter(id=wallet.id, version=wallet.version).update(
            cash=F("cash") - amount, version=F("version") + 1, digest=b"x" * 32
        )
        if not moved:
            raise Stale
        _row(wallet, asked, amount)
        return {"balance": wallet.cash - amount, "replayed": False}


def _row(wallet: Wallet, asked: dict[str, Any], amount: int) -> None:
    new = uuid.uuid4()
    Transaction.objects.create(
        id=new,
        command=new,
        wallet=wallet,
        version=wallet.version + 1,
        kind="BET",
        status="POSTED",
        source="plain",
        reference=asked["reference"],
        round=asked["round"],
        game=asked["game"],
        amount=amount,
        cash_delta=-amount,
        bonus_delta=0,
        held_delta=0,
        cash_after=wallet.cash - amount,
        bonus_after=0,
        held_after=0,
        staked_total=amount,
        paid_total=0,
        deposited_total=0,
        digest=b"x" * 32,
        created_at=timezone.now(),
    )


urlpatterns = [path("bet", BetView.as_view())]
