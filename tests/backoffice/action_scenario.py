"""Forms of the back office in tests: opened, filled in, sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from bonus.models import Bonus
from tests import bonus_scenario, operators, scenario
from wallet.models import GameSession, Player, PlayerNote, PlayerTag, Transaction, Wallet, WalletLimits

# The gift of the house ends so many days after it was granted.
SPEND_DAYS = 3_000
ENDS = scenario.NOON + SPEND_DAYS * scenario.DAY
DAY = {"until_0": "2099-01-01", "until_1": "12:00:00"}


def olga(*permissions: str, name: str = "olga") -> Client:
    """An operator with these permissions (``wallet.lock_player``) besides seeing everything."""
    operator = User.objects.create_user(name, password=operators.PASSWORD, is_staff=True)
    views = Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=("wallet", "bonus"))
    operator.user_permissions.set(views)
    for permission in permissions:
        app, codename = permission.split(".")
        operator.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return operators.logged_in(operator)


def address(act: str, row: Model) -> str:
    return reverse(f"backoffice:{act}", args=[row.pk])


def opened(client: Client, act: str, row: Model) -> dict[str, Any]:
    """What the form has in it when it is shown, its hidden reference above all."""
    answer = client.get(address(act, row))
    assert answer.status_code == 200, answer.content
    return {"reference": str(answer.context["form"].initial["reference"])}


def sent(client: Client, act: str, row: Model, form: dict[str, Any]) -> Any:
    return client.post(address(act, row), form)


def acted(client: Client, act: str, row: Model, **fields: Any) -> Any:
    """Open the form, fill it in, send it."""
    return sent(client, act, row, {**opened(client, act, row), "reason": "because", **fields})


def told(answer: Any) -> str:
    """What the operator reads after the act: the message, or what is wrong with the form."""
    if answer.status_code == 302:
        # Those of acts before wait in the same cookie until a page shows them.
        return str(list(answer.wsgi_request._messages)[-1])
    form = answer.context["form"]
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


# --- a house to act in ----------------------------------------------------------------------------


def furnish() -> None:
    """Bob has a tag, a session, 100.00 deposited, a bet of 10.00 (b-1), a win of 5.00 (w-1), 20.00 held (h-1), a gift
    of 30.00 that is active.
    """
    scenario.catalogue()
    scenario.bob("100.00")
    scenario.profile(rollback_after_win="allow")
    scenario.bet("bob", reference="b-1")
    scenario.win("bob", "5.00", reference="w-1")
    scenario.hold("bob", "20.00", reference="h-1")
    bonus_scenario.gift("30.00", per_player=2, spend_days=SPEND_DAYS)
    bonus_scenario.grant()
    scenario.opened("session-of-bob", "bob")
    PlayerTag.objects.create(player=player(), name="old")


def session() -> GameSession:
    return GameSession.objects.get()


def ended() -> bool:
    return session().ended_at is not None


def row(reference: str, kind: str) -> Callable[[], Transaction]:
    return lambda: Transaction.objects.get(reference=reference, kind=kind)


def player() -> Player:
    return Player.objects.get(code="bob")


def wallet() -> Wallet:
    return Wallet.objects.get(player__code="bob")


def locks() -> tuple[bool, bool, bool]:
    it = player()
    return it.bet_locked, it.deposit_locked, it.withdraw_locked


def excluded() -> bool:
    return player().excluded_until is not None


def verification() -> str:
    return player().verification


def notes() -> list[tuple[str, str]]:
    return list(PlayerNote.objects.values_list("author", "text"))


def tags() -> list[str]:
    return [tag.name for tag in player().tags.all()]


def balances() -> tuple[int, int, int]:
    return scenario.balances("bob")


def limited() -> int | None:
    return WalletLimits.objects.values_list("stake_day", flat=True).first()


def gifts() -> list[str]:
    return list(Bonus.objects.filter(offer__code="gift").order_by("id").values_list("status", flat=True))


def expires() -> str:
    return f"{bonus_scenario.the().expires_at:%Y-%m-%d}"
