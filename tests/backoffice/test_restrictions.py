"""What a player may do now is said as it is, and who restricted the player is said to whoever sees the player."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from casino_pam.engine import commands
from tests import operators, rest_client, scenario
from tests.backoffice import action_scenario
from tests.clean_books import ROLES
from tests.scenario import eur
from wallet import hindrances, limits
from wallet.jurisdictions import Demand
from wallet.models import AuditEntry, Currency, GameSession, Player, Provider, Wallet


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    scenario.catalogue()
    scenario.bob("100.00")
    scenario.alice("100.00")


def bob() -> Player:
    return Player.objects.get(code="bob")


def page(client: Client, player: Player | None = None) -> str:
    address = reverse("admin:wallet_player_change", args=[(player or bob()).pk])
    body: str = client.get(address).content.decode()
    return body


def exclude(**for_so_long: int) -> None:
    Player.objects.filter(code="bob").update(excluded_until=timezone.now() + timedelta(**for_so_long))


# --- what is allowed -----------------------------------------------------------------------------


def stands(act: str = "lift", row: Any = None) -> dict[str, str]:
    """How the form of an act says that it stands."""
    client = Client()
    client.force_login(operators.User.objects.get(username="sue"), backend="django.contrib.auth.backends.ModelBackend")
    state: dict[str, str] = client.get(action_scenario.address(act, row or bob())).context["state"]
    return state


def test_the_form_of_an_act_says_what_the_player_may_do_with_all_that_stands_in_the_way() -> None:
    operators.sue()
    acts = ("bets", "deposits", "bonuses", "withdrawals")
    assert {stands()[act] for act in acts} == {"allowed"}
    exclude(days=2)
    excluded = stands()
    assert all(excluded[act].startswith("excluded until") for act in acts[:3])
    assert excluded["withdrawals"] == "allowed"
    Player.objects.filter(code="bob").update(bet_locked=True, deposit_locked=True)
    both = stands("lock")
    assert both["bets"].startswith("locked; excluded until")
    assert both["bonuses"].startswith("deposits are locked; excluded until")
    exclude(days=-1)
    over = stands("unlock")
    assert (over["bets"], over["bonuses"]) == ("locked", "deposits are locked")
    Player.objects.filter(code="bob").update(bet_locked=False, deposit_locked=False)
    limits.change(
        Wallet.objects.get(player__code="bob"), {"stake_day": eur("10.00")}, commands.now(), actor="player:bob"
    )
    assert stands()["bets"] == "allowed"
    scenario.bet("bob", "10.00", at=commands.now())
    assert stands()["bets"] == "EUR: the stake limit of the day is used up"
    Currency.objects.filter(code="EUR").update(enabled=False)
    assert stands()["bets"] == "EUR takes no bets; EUR: the stake limit of the day is used up"


def test_the_player_s_and_the_wallet_s_page_say_the_same() -> None:
    client = operators.sue()
    wallet = reverse("admin:wallet_wallet_change", args=[Wallet.objects.get(player__code="bob").pk])
    assert "not restricted" in page(client) and "not restricted" in client.get(wallet).content.decode()
    Currency.objects.filter(code="EUR").update(enabled=False)
    for body in (page(client), client.get(wallet).content.decode()):
        assert "EUR takes no bets" in body and "not restricted" not in body


def test_what_waits_until_the_player_is_verified_is_said(settings: Any) -> None:
    settings.VERIFIED_BEFORE = (Demand.VERIFIED_WITHDRAWAL, Demand.VERIFIED_CONVERSION)
    operators.sue()
    assert "not paid out before" in stands()["withdrawals"] and "no cash before" in stands()["bonuses"]
    Player.objects.filter(code="bob").update(verification="verified")
    assert (stands()["withdrawals"], stands()["bonuses"]) == ("allowed", "allowed")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda: Provider.objects.update(enabled=False), "the provider is disabled"),
        (lambda: Player.objects.update(bet_locked=True), "locked"),
        (lambda: exclude(days=1), "excluded until"),
        (lambda: Currency.objects.update(enabled=False), "EUR takes no bets"),
        (lambda: GameSession.objects.update(ended_at=timezone.now()), "ended"),
    ],
)
def test_a_session_says_why_it_takes_no_bets(change: Any, why: str) -> None:
    session = scenario.opened("s-1", "bob")
    assert hindrances.of_session(session, timezone.now()) == []
    change()
    (found,) = hindrances.of_session(GameSession.objects.get(), timezone.now())
    assert found.startswith(why)
    body = operators.sue().get(reverse("admin:wallet_gamesession_changelist")).content.decode()
    assert ("live, no bets" in body, why in body) == (why != "ended", True)


def test_unlocking_and_lifting_say_what_still_stands_in_the_way() -> None:
    client = operators.sue()
    Player.objects.filter(code="bob").update(bet_locked=True, deposit_locked=True)
    exclude(days=2)
    told = action_scenario.told(action_scenario.acted(client, "unlock", bob(), locks=["bet"]))
    assert "Unlocked bob: bets. bets: excluded until" in told
    told = action_scenario.told(action_scenario.acted(client, "lift", bob()))
    assert "bets: allowed; deposits: locked" in told and "deposits are locked" in told


# --- who did it ----------------------------------------------------------------------------------


def test_every_role_that_sees_the_player_sees_who_locked_and_excluded_him_when_and_why() -> None:
    client = operators.of("support", "sam")
    action_scenario.acted(client, "lock", bob(), locks=["bet"], reason="Bob asked for it on the phone")
    action_scenario.acted(client, "cool-off", bob(), days="7", reason="He lost too much")
    rest_client.key(name="desk").patch("players/bob", {"locks": {"withdraw": True}})
    wallet = reverse("admin:wallet_wallet_change", args=[Wallet.objects.get(player__code="bob").pk])
    for role in ROLES:
        reader = operators.of(role, f"{role}-reader")
        for body in (page(reader), reader.get(wallet).content.decode()):
            for part in ("Bets locked", "by sam", "Bob asked for it on the phone", "He lost too much", "by key:desk"):
                assert part in body, (role, part)
            assert ("/admin/wallet/auditentry/" in body) == (role in ("auditor", "administrator")), role


def test_who_set_a_lock_that_was_taken_away_and_set_again_is_the_last_one() -> None:
    client = operators.of("administrator", "adam")
    action_scenario.acted(client, "lock", bob(), locks=["bet", "deposit"], reason="the first time")
    action_scenario.acted(client, "unlock", bob(), locks=["bet"], reason="a mistake")
    exclude(days=1)
    action_scenario.acted(client, "lock", bob(), locks=["bet"], reason="the second time")
    body = page(operators.of("support", "sam"))
    part = body[body.index('class="restrictions"') : body.index("</ul>", body.index('class="restrictions"'))]
    assert "Bets locked" in part and "the second time" in part
    assert "Deposits locked" in part and "the first time" in part
    # Nobody of whom the trail tells has excluded him.
    assert "Excluded" in part and "by nobody" in part


def test_only_what_was_done_to_this_player_is_shown_and_no_secret_of_anybody() -> None:
    boss = operators.of("administrator", "adam")
    alice = Player.objects.get(code="alice")
    action_scenario.acted(boss, "lock", alice, locks=["bet"], reason="about Alice alone")
    key = rest_client.key(name="desk")
    for _ in range(12):
        key.post("players/bob/tokens")
    action_scenario.acted(boss, "adjust", Wallet.objects.get(player__code="bob"), amount="1.50", reason="a goodwill")
    AuditEntry.objects.latest("id")
    body = page(operators.of("support", "sam"))
    assert "a goodwill" in body and "about Alice alone" not in body
    for hidden in ("127.0.0.1", "issue token", "administrator"):
        assert hidden not in body[body.index('id="trail"') :], hidden


def test_refused_acts_are_shown_as_refused() -> None:
    finance = operators.of("finance", "fay")
    action_scenario.acted(
        finance, "adjust", Wallet.objects.get(player__code="bob"), amount="-500.00", reason="too much"
    )
    body = page(operators.of("payments", "pam"))
    assert "too much" in body and "insufficient funds" in body
