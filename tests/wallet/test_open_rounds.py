"""Open rounds: a live bet, and nothing that ended it."""

import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from tests import scenario
from wallet.models import Transaction
from wallet.reports.open_bets import OpenRound, open_rounds
from wallet.reports.sums import snapshot
from wallet.time import first_id, made_at

HOUR = timedelta(hours=1)


def found(since, until, **asked) -> list[OpenRound]:
    with snapshot() as own:
        return list(open_rounds(own, since=since, until=until, **asked))


def open_now(**asked):
    now = datetime.now(UTC)
    return [each.round for each in found(now - HOUR, now + HOUR, **asked)]


@pytest.fixture(autouse=True)
def _alice(books):
    scenario.catalogue()
    scenario.alice()


def test_a_round_with_a_bet_is_open_until_its_end():
    scenario.bet(round="r")
    assert open_now() == ["r"]
    scenario.end_round(round="r")
    assert open_now() == []


def test_a_bet_that_ends_its_round_leaves_none_open():
    scenario.bet(round="r", ends_round=True)
    assert open_now() == []


def test_a_rolled_back_bet_leaves_no_open_round():
    scenario.bet(round="r", reference="b")
    scenario.rollback("b")
    assert open_now() == []


def test_a_refused_bet_opens_no_round():
    scenario.bet(round="r", amount="1000.00")
    assert open_now() == []


def test_a_win_settles_the_round_of_a_provider_that_sends_no_ends():
    scenario.bet(round="r")
    scenario.win(round="r")
    assert open_now() == []


def test_a_win_settles_nothing_for_a_provider_that_always_sends_the_end():
    scenario.profile(ends_rounds=True)
    scenario.bet(round="r")
    scenario.win(round="r")
    assert open_now() == ["r"]


def test_a_rolled_back_end_opens_the_round_again():
    scenario.profile(rollback_wins=True)
    scenario.bet(round="r")
    scenario.win(round="r", reference="w", ends_round=True)
    scenario.rollback("w", original_kind="WIN")
    assert open_now() == ["r"]


def test_a_rolled_back_bet_that_ended_its_round_leaves_the_others_open():
    scenario.bet(round="r")
    scenario.bet(round="r", reference="last", ends_round=True)
    assert open_now() == []
    scenario.rollback("last")
    assert open_now() == ["r"]


def test_a_round_that_was_opened_again_is_ended_again():
    scenario.profile(rollback_wins=True)
    scenario.bet(round="r")
    scenario.win(round="r", reference="w")
    scenario.rollback("w", original_kind="WIN")
    scenario.win(round="r")
    assert open_now() == []


def test_lists_the_rounds_of_one_provider_alone():
    scenario.bet(round="r")
    scenario.bet(round="z", source="zenith")
    assert open_now(source="zenith") == ["z"]


def test_the_command_tells_age_player_and_stake():
    scenario.bet(round="r", at=time.time_ns() // 1000)
    out = io.StringIO()
    call_command("open_rounds", older_than=0, stdout=out)
    assert "acme  alice  r  slot-1  1 bets  10.00 EUR" in out.getvalue()
    assert "1 open rounds" in out.getvalue()


def test_the_command_leaves_younger_rounds_out():
    scenario.bet(round="r")
    out = io.StringIO()
    call_command("open_rounds", older_than=5, stdout=out)
    assert "0 open rounds" in out.getvalue()


def test_an_end_from_before_the_span_ends_a_round_as_well():
    """A win that was delivered before its bet; only the bet is of the hours that are asked for."""
    scenario.win(round="r")
    scenario.bet(round="r", reference="late")
    scenario.bet(round="s")
    since = made_at(Transaction.objects.get(reference="late").id)
    assert Transaction.objects.get(kind="WIN").id < first_id(since)
    assert [each.round for each in found(since, since + HOUR)] == ["s"]
