"""Limits and exclusion as players and back ends set and see them through the REST door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from hypothesis import given
from hypothesis import strategies as st

from casino_pam.api.rest import pagination
from tests import bonus_scenario, rest_client, scenario
from tests.interleaving import meanwhile
from tests.limit_scenario import MIDNIGHT, forget, limit
from tests.threads import threads
from wallet import audit, limits
from wallet.errors import Busy
from wallet.kinds import LIMIT_NAMES, LIMIT_PERIODS
from wallet.limits import CONFIRMABLE, WAIT, Increase, decided
from wallet.models import AuditEntry, Player, WalletLimits

NOON = scenario.NOON / scenario.SECOND
HOURS = 3600


@pytest.fixture
def clock(books: None) -> Iterator[time_machine.Traveller]:
    scenario.catalogue()
    scenario.alice("1000.00")
    forget()
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


class Alice(rest_client.Caller):
    """With a new token for each call, since her days pass quickly."""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> rest_client.Reply:
        return rest_client.player("alice").call(method, path, body, **headers)


@pytest.fixture
def me(clock: None) -> rest_client.Caller:
    return Alice()


def put(caller: rest_client.Caller, path: str = "me/limits", **subjects: Any) -> Any:
    answer = caller.call("PUT", path, {"currency": "EUR", **subjects})
    assert answer.status == 200, answer
    return answer.body


def trail() -> list[tuple[Any, ...]]:
    return list(AuditEntry.objects.order_by("id").values_list("actor", "act", "player", "subject", "before", "after"))


# --- seeing ------------------------------------------------------------------------------------

FREE = {"limit": None, "left": None, "increase": None}


def test_shows_what_is_used_before_there_is_any_limit(me: rest_client.Caller) -> None:
    scenario.bet(amount="30.00")
    scenario.win(amount="10.00")
    scenario.deposit("alice", amount=500)
    found = me.get("me/limits", currency="EUR").body
    assert (found["player"], found["currency"]) == ("alice", "EUR")
    tomorrow = {"resets_at": "2026-09-22T00:00:00.000000Z", **FREE}
    assert found["stake"]["day"] == {"used": "30.00", **tomorrow}
    assert found["loss"]["day"] == {"used": "20.00", **tomorrow}
    assert found["deposit"]["day"] == {"used": "5.00", **tomorrow}
    # Alice's first deposit was on Sunday.
    assert found["deposit"]["week"] == {"used": "5.00", "resets_at": "2026-09-28T00:00:00.000000Z", **FREE}
    assert found["deposit"]["month"] == {"used": "1005.00", "resets_at": "2026-10-01T00:00:00.000000Z", **FREE}


def test_shows_what_is_left(me: rest_client.Caller) -> None:
    scenario.bet(amount="30.00")
    limit(stake_day="100.00", stake_week="20.00", loss_month="50.00")
    found = me.get("me/limits").body
    assert (found["stake"]["day"]["limit"], found["stake"]["day"]["left"]) == ("100.00", "70.00")
    assert (found["stake"]["week"]["used"], found["stake"]["week"]["left"]) == ("30.00", "0.00")
    scenario.win(amount="45.00")
    assert me.get("me/limits")["loss"]["month"].items() >= {"used": "-15.00", "left": "65.00"}.items()


def test_starts_anew_with_the_period_though_nobody_played(me: rest_client.Caller, clock: Any) -> None:
    scenario.bet(amount="30.00")
    clock.move_to(MIDNIGHT / scenario.SECOND)
    found = me.get("me/limits")["stake"]
    assert [found[period]["used"] for period in ("day", "week", "month")] == ["0.00", "30.00", "30.00"]
    assert found["day"]["resets_at"] == "2026-09-23T00:00:00.000000Z"


def test_shows_a_wallet_that_never_moved(clock: None) -> None:
    scenario.player("carol")
    assert rest_client.player("carol").get("me/limits")["loss"]["day"]["used"] == "0.00"


def test_shows_the_wallet_opened_first_unless_another_is_named(me: rest_client.Caller) -> None:
    scenario.player("alice", "100", currency="JPY")
    assert me.get("me/limits")["currency"] == "EUR"
    found = me.get("me/limits", currency="JPY")
    assert (found["currency"], found["deposit"]["month"]["used"]) == ("JPY", "100")


@pytest.mark.parametrize(("who", "currency"), [("alice", "BTC"), ("alice", "XXX"), ("nobody", "EUR")])
def test_knows_no_limits_of_a_wallet_that_is_not_there(clock: None, who: str, currency: str) -> None:
    Player.objects.create(code="bare")
    shop = rest_client.key()
    expected = "unknown_player" if who == "nobody" else "unknown_wallet"
    assert shop.get(f"players/{who}/limits", currency=currency)["code"] == expected
    asked = {"currency": currency, "stake": {"day": "1"}}
    assert shop.call("PUT", f"players/{who}/limits", asked)["code"] == expected
    assert shop.get("players/bare/limits")["code"] == "unknown_wallet"
    assert not WalletLimits.objects.exists()


# --- setting -----------------------------------------------------------------------------------


def test_a_first_limit_and_a_lower_one_hold_at_once(me: rest_client.Caller) -> None:
    found = put(me, stake={"day": "50.00"}, loss={"month": "500"})
    assert (found["stake"]["day"]["limit"], found["loss"]["month"]["limit"]) == ("50.00", "500.00")
    assert found["stake"]["week"]["limit"] is None
    found = put(me, stake={"day": "20.00"})
    assert (found["stake"]["day"]["limit"], found["loss"]["month"]["limit"]) == ("20.00", "500.00")
    assert scenario.bet(amount="20.01").code == "limit_reached"


@pytest.mark.parametrize("higher", ["50.01", None])
def test_a_higher_limit_waits_a_day_and_for_its_confirmation(
    me: rest_client.Caller, clock: Any, higher: str | None
) -> None:
    put(me, stake={"day": "50.00"})
    asked = put(me, stake={"day": higher})["stake"]["day"]
    increase = {
        "limit": higher,
        "available_at": "2026-09-22T14:13:20.000000Z",
        "lapses_at": "2026-09-29T14:13:20.000000Z",
    }
    assert (asked["limit"], asked["increase"]) == ("50.00", increase)
    # Asked for again too early it neither holds nor waits any longer.
    clock.shift(24 * HOURS - 1)
    early = put(me, stake={"day": higher})["stake"]["day"]
    assert (early["limit"], early["increase"]) == ("50.00", increase)
    clock.shift(1)
    # By itself it does not come to hold.
    assert me.get("me/limits")["stake"]["day"]["limit"] == "50.00"
    confirmed = put(me, stake={"day": higher})["stake"]["day"]
    assert (confirmed["limit"], confirmed["increase"]) == (higher, None)


def test_another_increase_waits_anew(me: rest_client.Caller, clock: Any) -> None:
    put(me, stake={"day": "50.00"})
    put(me, stake={"day": "60.00"})
    clock.shift(24 * HOURS)
    asked = put(me, stake={"day": "70.00"})["stake"]["day"]
    assert (asked["limit"], asked["increase"]["available_at"]) == ("50.00", "2026-09-23T14:13:20.000000Z")


@pytest.mark.parametrize("lower", ["40.00", "50.00"])
def test_a_decrease_or_the_present_limit_cancels_the_increase(me: rest_client.Caller, clock: Any, lower: str) -> None:
    put(me, stake={"day": "50.00"})
    put(me, stake={"day": "60.00"}, loss={"day": "9.00"})
    put(me, loss={"day": "10.00"})
    found = put(me, stake={"day": lower})
    assert (found["stake"]["day"]["limit"], found["stake"]["day"]["increase"]) == (lower, None)
    # That of another limit waits on.
    assert found["loss"]["day"]["increase"]["limit"] == "10.00"
    clock.shift(24 * HOURS)
    assert put(me, stake={"day": "60.00"})["stake"]["day"]["limit"] == lower


def test_what_is_not_named_stays(me: rest_client.Caller) -> None:
    put(me, stake={"day": "50.00"}, deposit={"week": "9.00"})
    put(me, deposit={"week": "10.00"})
    before = me.get("me/limits").body
    assert put(me) == put(me, stake={}) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"stake": {"year": "1.00"}}, "stake.year"),
        ({"stake": {"day": "1.00", "Week": "1.00"}}, "stake.Week"),
        ({"stakes": {"day": "1.00"}}, "stakes"),
        ({"stake_day": "1.00"}, "stake_day"),
    ],
)
def test_a_limit_that_nobody_keeps_is_refused(me: rest_client.Caller, body: dict[str, Any], field: str) -> None:
    refused = me.call("PUT", "me/limits", {"currency": "EUR", "loss": {"day": "5.00"}, **body})
    assert (refused.status, refused["code"], refused["field"]) == (400, "invalid_field", field)
    assert not WalletLimits.objects.exists()


def test_a_wish_lapses_a_week_after_it_could_be_confirmed(me: rest_client.Caller, clock: Any) -> None:
    put(me, stake={"day": "50.00"})
    put(me, stake={"day": "60.00"})
    clock.shift(8 * 24 * HOURS - 1)
    assert me.get("me/limits")["stake"]["day"]["increase"]["limit"] == "60.00"
    clock.shift(1)
    assert me.get("me/limits")["stake"]["day"]["increase"] is None
    # Asked for again it is a new wish, and waits anew.
    again = put(me, stake={"day": "60.00"})["stake"]["day"]
    assert (again["limit"], again["increase"]["available_at"]) == ("50.00", "2026-09-30T14:13:20.000000Z")
    assert trail()[-1][4:] == (
        {"stake_day": {"limit": "50.00"}},
        {"stake_day": {"limit": "50.00", "asked": {"limit": "60.00", "available_at": "2026-09-30T14:13:20.000000Z"}}},
    )


def test_a_wish_is_confirmed_up_to_the_last_moment(me: rest_client.Caller, clock: Any) -> None:
    put(me, stake={"day": "50.00"}, loss={"week": "9.00"})
    put(me, stake={"day": None}, loss={"week": "10.00"})
    clock.shift(8 * 24 * HOURS - 1)
    assert put(me, stake={"day": None})["stake"]["day"]["limit"] is None
    clock.shift(1)
    assert put(me, loss={"week": "10.00"})["loss"]["week"]["limit"] == "9.00"


# 14:13:20 on Monday, 21 September 2026: 72 hours, and not before the running period has ended.
SWEDISH = {"day": "2026-09-24T14:13:20", "week": "2026-09-28T00:00:00", "month": "2026-10-01T00:00:00"}


@pytest.mark.parametrize("period", LIMIT_PERIODS)
@pytest.mark.parametrize("subject", ["deposit", "stake", "loss"])
def test_in_sweden_a_higher_limit_waits_longer(me: rest_client.Caller, clock: Any, subject: str, period: str) -> None:
    Player.objects.update(country="SE")
    put(me, **{subject: {period: "50.00"}})
    asked = put(me, **{subject: {period: "60.00"}})[subject][period]
    assert (asked["limit"], asked["increase"]["available_at"]) == ("50.00", f"{SWEDISH[period]}.000000Z")
    clock.move_to(datetime.fromisoformat(f"{SWEDISH[period]}+00:00") - timedelta(seconds=1))
    assert put(me, **{subject: {period: "60.00"}})[subject][period]["limit"] == "50.00"
    clock.shift(1)
    assert put(me, **{subject: {period: "60.00"}})[subject][period]["limit"] == "60.00"


def test_in_sweden_a_wish_at_the_end_of_a_week_waits_72_hours_all_the_same(me: rest_client.Caller, clock: Any) -> None:
    Player.objects.update(country="SE")
    clock.move_to(datetime(2026, 9, 27, 0, 0, tzinfo=UTC))
    put(me, deposit={"week": "50.00"})
    asked = put(me, deposit={"week": "60.00"})["deposit"]["week"]
    # 24 hours before the week ends: 48 hours after that.
    assert asked["increase"]["available_at"] == "2026-09-30T00:00:00.000000Z"


@pytest.mark.parametrize("country", [None, "MT", "GB"])
def test_elsewhere_a_higher_limit_waits_a_day(me: rest_client.Caller, country: str | None) -> None:
    Player.objects.update(country=country)
    put(me, stake={"month": "50.00"})
    asked = put(me, stake={"month": "60.00"})["stake"]["month"]
    assert asked["increase"]["available_at"] == "2026-09-22T14:13:20.000000Z"


@pytest.mark.parametrize(("country", "scope"), [(None, "currency"), ("SE", "currency"), ("GB", "account")])
def test_says_what_a_limit_holds_for(me: rest_client.Caller, country: str | None, scope: str) -> None:
    Player.objects.update(country=country)
    assert me.get("me/limits")["holds_for"] == scope == put(me, stake={"day": "5.00"})["holds_for"]


def test_a_back_end_sets_them_at_the_players_word(clock: None) -> None:
    shop = rest_client.key(name="shop")
    put(shop, "players/alice/limits", deposit={"month": "200.00"})
    assert rest_client.player("alice").get("me/limits").body == shop.get("players/alice/limits").body
    assert [(actor, act, player) for actor, act, player, *_ in trail()] == [("key:shop", "limit", "alice")]


def test_each_change_leaves_a_row_of_the_audit_trail_and_no_change_leaves_none(me: rest_client.Caller) -> None:
    put(me, stake={"day": "50.00"})
    put(me, stake={"day": "50.00"})
    put(me, stake={"day": "60.00"})
    put(me, stake={"day": "60.00"})
    put(me)
    asked = {"limit": "60.00", "available_at": "2026-09-22T14:13:20.000000Z"}
    named = ("player:alice", "limit", "alice", "EUR")
    assert trail() == [
        (*named, {"stake_day": {"limit": None}}, {"stake_day": {"limit": "50.00"}}),
        (*named, {"stake_day": {"limit": "50.00"}}, {"stake_day": {"limit": "50.00", "asked": asked}}),
    ]
    assert AuditEntry.objects.first().address == "127.0.0.1"


@pytest.fixture
def no_trail(me: rest_client.Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be added to the audit trail."""

    def fails(*_: Any, **__: Any) -> None:
        raise Busy("unavailable")

    monkeypatch.setattr(audit, "named", fails)


def test_a_limit_stays_when_its_row_of_the_trail_cannot_be_written(me: rest_client.Caller, no_trail: None) -> None:
    assert me.call("PUT", "me/limits", {"currency": "EUR", "stake": {"day": "50.00"}}).status == 503
    assert list(WalletLimits.objects.exclude(stake_day=None)) == []


def test_refuses_a_deposit_as_the_check_before_it_said(clock: None) -> None:
    shop = rest_client.key()
    limit(deposit_day="10.00")
    body = {"player": "alice", "currency": "EUR", "reference": "d-1", "amount": "10.01"}
    assert shop.post("deposits/check", body)["refusal"] == "limit_reached"
    refused = shop.post("deposits", body)
    assert (refused.status, refused["code"], refused["retry"]) == (422, "limit_reached", False)
    assert (refused["limit"], refused["left"], refused["cash"]) == ("deposit_day", "10.00", "1000.00")
    assert refused["resets_at"] == "2026-09-22T00:00:00.000000Z"
    limit(deposit_day=None)
    again = shop.post("deposits", body)
    assert (again["code"], again["replayed"]) == ("limit_reached", True)
    assert shop.post("deposits/check", {**body, "reference": "d-2"})["refusal"] is None


def test_shows_what_is_left_with_the_currencys_own_digits(clock: None) -> None:
    scenario.player("alice", "5000", currency="JPY")
    shop = rest_client.key(provider="acme")
    shop.call("PUT", "players/alice/limits", {"currency": "JPY", "stake": {"day": "1000"}})
    body = {"player": "alice", "currency": "JPY", "reference": "b", "round": "r", "game": "g", "amount": "1001"}
    refused = shop.post("bets", body)
    assert (refused["limit"], refused["left"]) == ("stake_day", "1000")


# --- at the same time --------------------------------------------------------------------------


def test_changes_at_the_same_time_all_count(clock: None) -> None:
    named = [name.split("_") for name in LIMIT_NAMES]
    shop = rest_client.key()
    acts = [lambda s=s, p=p: put(shop, "players/alice/limits", **{s: {p: "5.00"}}) for s, p in named]
    threads(acts)
    kept = WalletLimits.objects.get()
    assert [getattr(kept, name) for name in LIMIT_NAMES] == [500] * 9
    assert AuditEntry.objects.count() == 9


def test_a_decrease_is_not_undone_by_a_confirmation_that_looked_before_it(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = rest_client.key()
    put(shop, "players/alice/limits", stake={"day": "50.00"})
    put(shop, "players/alice/limits", stake={"day": "60.00"})
    clock.shift(24 * HOURS)
    meanwhile(monkeypatch, limits, "_taken", lambda: put(shop, "players/alice/limits", stake={"day": "10.00"}))
    found = put(shop, "players/alice/limits", stake={"day": "60.00"})["stake"]["day"]
    assert (found["limit"], found["increase"]["limit"]) == ("10.00", "60.00")


# --- the rule by itself ------------------------------------------------------------------------

AMOUNTS = st.none() | st.integers(0, 5)
LATER = st.integers(0, 2 * WAIT) | st.integers(0, 2 * CONFIRMABLE)
ASKED = st.tuples(LATER, st.dictionaries(st.sampled_from(LIMIT_NAMES), AMOUNTS, max_size=3))


@given(st.lists(ASKED, max_size=12))
def test_nothing_is_raised_that_was_not_asked_for_twice_a_day_apart(history: list[Any]) -> None:
    amounts: dict[str, int | None] = dict.fromkeys(LIMIT_NAMES)
    waiting: dict[str, Increase] = {}
    asked_at: dict[tuple[str, int | None], list[int]] = {}
    at = scenario.NOON
    for later, wanted in history:
        at += later
        before = dict(amounts)
        amounts, waiting = decided(amounts, waiting, wanted, at)
        for name, amount in amounts.items():
            if name not in wanted:
                assert amount == before[name]
            elif limits._raises(before[name], amount):
                assert amount == wanted[name]
                assert any(WAIT <= at - earlier < WAIT + CONFIRMABLE for earlier in asked_at[name, amount])
            elif not limits._raises(before[name], wanted[name]):
                assert amount == wanted[name] and name not in waiting
            else:
                assert amount == before[name] and waiting[name].amount == wanted[name]
        for name, amount in wanted.items():
            asked_at.setdefault((name, amount), []).append(at)


# --- the player's own log ----------------------------------------------------------------------


def test_the_player_reads_every_change_with_its_time(me: rest_client.Caller, clock: Any) -> None:
    """A limit that changed, one that was asked for, confirmed, and what the house did at the player's word."""
    put(me, stake={"day": "50.00"}, loss={"month": "900.00"})
    clock.shift(1 * HOURS)
    put(me, stake={"day": "60.00"})
    put(me, stake={"day": "60.00"})
    clock.shift(24 * HOURS)
    put(me, stake={"day": "60.00"})
    put(rest_client.key(), "players/alice/limits", stake={"day": None})
    put(me, stake={"day": "60.00"})
    put(me, stake={"day": "60.00"})
    found = me.get("me/limits/changes").body
    assert found["next"] is None
    assert found["results"][-1] == {
        "at": "2026-09-21T14:13:20.000000Z",
        "by": "player",
        "currency": "EUR",
        "limit": "stake_day",
        "before": None,
        "after": "50.00",
        "increase": None,
        "available_at": None,
    }
    told = [tuple(each[name] for name in ("by", "limit", "before", "after", "increase")) for each in found["results"]]
    assert told == [
        ("player", "stake_day", "60.00", "60.00", None),
        ("house", "stake_day", "60.00", "60.00", None),
        ("player", "stake_day", "50.00", "60.00", None),
        ("player", "stake_day", "50.00", "50.00", "60.00"),
        ("player", "loss_month", None, "900.00", None),
        ("player", "stake_day", None, "50.00", None),
    ]
    times = [each["available_at"] for each in found["results"]]
    assert times[0] is None and times[1] == "2026-09-23T15:13:20.000000Z" and times[3] == "2026-09-22T15:13:20.000000Z"


def test_the_log_comes_in_pages_and_is_the_player_s_own(
    me: rest_client.Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "PAGE", 2)
    scenario.bob()
    limit("bob", stake_day="1.00")
    for amount in ("5.00", "4.00", "3.00"):
        put(me, stake={"day": amount})
    first = me.get("me/limits/changes").body
    second = me.get("me/limits/changes", cursor=first["next"]).body
    assert [each["after"] for each in (*first["results"], *second["results"])] == ["3.00", "4.00", "5.00"]
    assert second["next"] is None
    refused = me.get("me/limits/changes", cursor="x")
    assert (refused.status, refused["field"]) == (400, "cursor")


@pytest.mark.parametrize("change", ["UPDATE wallet_limitchange SET after = 1", "DELETE FROM wallet_limitchange"])
def test_the_log_is_only_ever_added_to(me: rest_client.Caller, change: str) -> None:
    put(me, stake={"day": "50.00"})
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(change)


# --- the reality check -------------------------------------------------------------------------


def test_the_reality_check_tells_what_was_staked_and_won_since(me: rest_client.Caller) -> None:
    scenario.player("alice", "1000", currency="JPY")
    scenario.bet(amount="30.00", at=scenario.NOON - scenario.SECOND)
    scenario.bet(amount="20.00", reference="undone", round="r2")
    scenario.bet(amount="12.50", round="r3")
    scenario.win(amount="7.50", round="r3")
    scenario.rollback("undone")
    scenario.deposit("alice", amount=500)
    answer = me.get("me/reality-check", since="2026-09-21T14:13:20Z").body
    assert answer == {
        "minutes": 60,
        "shortest": 10,
        "longest": 120,
        "played": [
            {"currency": "EUR", "staked": "12.50", "won": "7.50", "result": "-5.00"},
            {"currency": "JPY", "staked": "0", "won": "0", "result": "0"},
        ],
    }
    ever = me.get("me/reality-check", since="1990-01-01T00:00:00+02:00").body
    assert ever["played"][0]["result"] == "-35.00"
    assert me.get("me/reality-check").body["played"] == []


def test_the_player_sets_the_interval_within_bounds(me: rest_client.Caller) -> None:
    for _ in range(2):
        assert me.call("PUT", "me/reality-check", {"minutes": 30})["minutes"] == 30
    assert me.get("me/reality-check")["minutes"] == 30
    for wrong in (9, 121, 0, -30, "30", 30.5, None, True):
        refused = me.call("PUT", "me/reality-check", {"minutes": wrong})
        assert (refused.status, refused["field"]) == (400, "minutes")
    assert me.call("PUT", "me/reality-check", {"minutes": 30, "off": True})["field"] == "off"
    assert me.get("me/reality-check")["minutes"] == 30
    assert trail() == [("player:alice", "set reality check", "alice", "alice", {"minutes": None}, {"minutes": 30})]


# --- exclusion ---------------------------------------------------------------------------------


def instant(days: int) -> str:
    return (datetime.fromtimestamp(NOON, UTC) + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def exclude(caller: rest_client.Caller, days: int) -> rest_client.Reply:
    return caller.call("PUT", "me/exclusion", {"excluded_until": instant(days)})


def test_a_player_cools_off(me: rest_client.Caller, clock: Any) -> None:
    answer = exclude(me, 1)
    assert (answer.status, answer["excluded_until"]) == (200, "2026-09-22T14:13:20.000000Z")
    assert scenario.bet().code == scenario.deposit("alice", amount=100).code == "player_excluded"
    assert scenario.word(scenario.win()) == scenario.word(scenario.hold()) == "posted"
    later = scenario.NOON + scenario.DAY
    assert scenario.word(scenario.bet(at=later)) == "posted"


def test_an_exclusion_is_made_longer_and_never_shorter(me: rest_client.Caller, clock: Any) -> None:
    assert exclude(me, 7).status == 200
    for days in (1, 0, -1):
        refused = exclude(me, days)
        assert (refused.status, refused["field"]) == (400, "excluded_until")
    assert exclude(me, 7).status == 200
    assert exclude(me, 8)["excluded_until"] == "2026-09-29T14:13:20.000000Z"
    # Only what changed something is in the trail.
    assert [(actor, act, after) for actor, act, _, _, _, after in trail()] == [
        ("player:alice", "exclude", {"excluded_until": "2026-09-28T14:13:20Z"}),
        ("player:alice", "exclude", {"excluded_until": "2026-09-29T14:13:20Z"}),
    ]


def test_an_exclusion_is_not_made_when_its_row_of_the_trail_cannot_be_written(
    me: rest_client.Caller, no_trail: None
) -> None:
    assert exclude(me, 7).status == 503
    assert Player.objects.get(code="alice").excluded_until is None


def test_after_an_exclusion_that_ended_another_may_be_shorter(me: rest_client.Caller, clock: Any) -> None:
    exclude(me, 7)
    clock.shift(8 * 24 * HOURS)
    assert exclude(me, 9).status == 200


def test_an_exclusion_cancels_what_waits_and_lets_the_active_bonus_live(me: rest_client.Caller) -> None:
    bonus_scenario.gift(multiplier=10, per_player=3)
    for _ in range(2):
        bonus_scenario.grant(who="alice", at=scenario.NOON)
    assert exclude(me, 1).status == 200
    assert [each["status"] for each in me.get("me/bonuses")["results"]] == ["cancelled", "active"]
    assert bonus_scenario.grant(who="alice").code == "player_excluded"
