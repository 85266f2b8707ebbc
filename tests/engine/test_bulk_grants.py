"""An offer to many players: all faults at once, each line once whoever dies in between, four eyes for the whole."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from bonus.campaign_tables import GrantLine, GrantList
from bonus.models import Bonus, Offer
from casino_pam.engine import bulk_grants, posting
from casino_pam.engine.bulk_grants import Asked, Line, Unfit, read_lines
from tests import bonus_scenario, scenario
from tests.concurrency import OtherProcess
from tests.threads import threads
from wallet.errors import Busy, Refused
from wallet.models import AccountChange, AuditEntry, Currency, Player

PLAYERS = 25


@pytest.fixture(autouse=True)
def house(books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some players, a gift of 5.00 for them, and parts of ten lines."""
    monkeypatch.setattr(bulk_grants, "TOGETHER", 10)
    scenario.catalogue()
    Currency.objects.update(approval_above=1_000_000)
    for number in range(PLAYERS):
        scenario.player(f"p{number}")
    bonus_scenario.gift("5.00")


def lines(count: int = PLAYERS) -> list[Line]:
    return [Line(number + 1, f"p{number}", "EUR") for number in range(count)]


def asked(of: list[Line] | None = None, reference: str = "list-1", **fields: Any) -> Asked:
    given = {"source": "operator", "actor": "olga", "reason": "the VIPs of November", **fields}
    offer = given.pop("offer", None) or Offer.objects.get(code="gift")
    return Asked(offer=offer, lines=lines() if of is None else of, reference=reference, **given)


def make(*args: Any, **fields: Any) -> GrantList:
    return bulk_grants.make(asked(*args, **fields), lambda made: None)


def whole(of: GrantList) -> GrantList:
    return bulk_grants.carry_out(of, 60)


def granted() -> dict[str, int]:
    """How many bonuses each player has."""
    counts = dict.fromkeys(Player.objects.values_list("code", flat=True), 0)
    for player in Bonus.objects.values_list("player__code", flat=True):
        counts[player] += 1
    return counts


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("p1\np2\n", [(1, "p1", "EUR"), (2, "p2", "EUR")]),
        ("\ufeffplayer,currency\r\np1,JPY\r\n\r\n p2 ,\r\n", [(2, "p1", "JPY"), (4, "p2", "EUR")]),
        ("Player;Currency\np1;JPY\n", [(2, "p1", "JPY")]),
        ("p1\tJPY\n", [(1, "p1", "JPY")]),
        ('"a,b",JPY\n', [(1, "a,b", "JPY")]),
        ("", []),
    ],
)
def test_a_list_is_read_as_people_write_it(text: str, found: list[tuple[int, str, str]]) -> None:
    assert read_lines(text, Offer.objects.get(), None) == ([Line(*each) for each in found], [])


def test_every_line_that_cannot_be_read_is_named() -> None:
    two = bonus_scenario.gift(code="two", eur={})
    Offer.objects.filter(code="two").update(amounts={**two.amounts, "JPY": two.amounts["EUR"]})
    read, unread = read_lines("p1,EUR,5.00\nß\np3\n\x00\np4,EUR\nnobody,EUR\n", Offer.objects.get(code="two"), None)
    assert [fault.line for fault in unread] == [1, 2, 3, 4]
    # Beside them stands what the engine says of the others.
    with pytest.raises(Unfit) as unfit:
        make(read, offer=Offer.objects.get(code="two"), unread=unread)
    assert [fault.line for fault in unfit.value.faults] == [1, 2, 3, 4, 6]
    assert not GrantList.objects.exists()
    _, (fault,) = read_lines('"p1\n', Offer.objects.get(code="gift"), None)
    assert fault.text.startswith("This is no CSV")


# --- validating ----------------------------------------------------------------------------------


def test_all_faults_are_told_at_once_and_nothing_is_granted_or_kept() -> None:
    scenario.player("carol", excluded_until=scenario.moment(scenario.NOON * 2))
    scenario.player("dora", deposit_locked=True)
    bonus_scenario.grant(who="p3")
    bad = [
        Line(1, "p0", "EUR"),
        Line(2, "nobody", "EUR"),
        Line(3, "carol", "EUR"),
        Line(5, "dora", "EUR"),
        Line(6, "p1", "JPY"),
        Line(7, "p2", "XXX"),
        Line(8, "p0", "EUR"),
        Line(9, "p3", "EUR"),
    ]
    with pytest.raises(Unfit) as unfit:
        make(bad)
    assert [(fault.line, fault.refusal and fault.refusal.code) for fault in unfit.value.faults] == [
        (2, "unknown_player"),
        (3, "player_excluded"),
        (5, "wallet_locked"),
        (6, "unknown_wallet"),
        (7, "unknown_wallet"),
        (8, None),
        (9, "offer_not_available"),
    ]
    assert unfit.value.faults[5].text == "p0, EUR: stands in line 1 already"
    assert (GrantList.objects.count(), GrantLine.objects.count(), Bonus.objects.count()) == (0, 0, 1)


def test_faults_of_the_whole_list_are_told_without_one_for_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    few = bonus_scenario.gift(code="few", total=24)
    with pytest.raises(Unfit) as unfit:
        make(offer=few)
    assert [str(fault.text) for fault in unfit.value.faults] == [
        "The offer may be granted 24 more times, and the list has 25 lines."
    ]
    assert make(lines(24), reference="fits", offer=few).state == "running"
    monkeypatch.setattr(bulk_grants, "LONGEST", 24)
    with pytest.raises(Unfit, match="one list takes 24"):
        make()
    with pytest.raises(Unfit, match="names no player"):
        make([])
    back = bonus_scenario.create_offer(bonus_scenario.WELCOME | {"code": "back", "kind": "cashback", "base": "bonus"})
    with pytest.raises(Unfit, match="net loss"):
        make(lines(2), offer=back)


# --- carrying out --------------------------------------------------------------------------------


def test_each_line_is_granted_once_and_has_its_answer_and_its_row_in_the_trail() -> None:
    made = make()
    done = whole(made)
    assert done.state == "done" and done.finished_at is not None
    assert bulk_grants.progress(done) == (PLAYERS, PLAYERS, {"granted": PLAYERS})
    assert set(granted().values()) == {1}
    bonus = Bonus.objects.get(player__code="p7")
    assert (bonus.reference, bonus.actor, bonus.reason) == (f"list:{made.pk}:8", "olga", "the VIPs of November")
    assert list(bulk_grants.result(done))[7] == (8, "p7", "EUR", "granted", bonus.pk)
    entry = AuditEntry.objects.get(act="grant", player="p7")
    assert (entry.actor, entry.reason, entry.subject) == ("olga", "the VIPs of November", "gift of p7, EUR")
    assert AuditEntry.objects.filter(act="grant").count() == PLAYERS
    # Sent again it is the same list; with other players it is not.
    assert make().pk == made.pk
    with pytest.raises(Refused) as refused:
        make(lines(3))
    assert (refused.value.code, refused.value.facts["differing"]) == ("reference_reused", ["players"])
    assert set(granted().values()) == {1}


def test_a_line_that_cannot_be_granted_any_more_is_answered_and_the_others_go_on() -> None:
    made = make()
    Player.objects.filter(code="p4").update(excluded_until=scenario.moment(scenario.NOON * 2))
    bonus_scenario.grant(who="p5")
    done = whole(made)
    answers = {"granted": PLAYERS - 2, "offer_not_available: already_claimed": 1, "player_excluded": 1}
    assert bulk_grants.progress(done).answers == answers
    assert (granted()["p4"], granted()["p5"]) == (0, 1)


def test_what_could_not_be_decided_in_time_is_left_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make()
    post = posting.post
    monkeypatch.setattr(posting, "post", lambda commands: [*post(commands[:-1]), Busy()])
    begun = whole(made)
    assert (begun.state, bulk_grants.progress(begun).answered) == ("running", PLAYERS - 3)
    monkeypatch.undo()
    assert whole(begun).state == "done"
    assert set(granted().values()) == {1}


def die_after(postings: int, pk: str, when: str) -> None:
    """Carry the list out in a copy of this process that is killed at the n-th part: granted, and not yet answered."""
    connection.close()
    if (pid := os.fork()) == 0:
        bulk_grants.TOGETHER = 10  # type: ignore[misc]
        post, count = posting.post, 0

        def deadly(commands: Any) -> Any:
            nonlocal count
            count += 1
            if count == postings and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            outcomes = post(commands)
            if count == postings:
                os.kill(os.getpid(), signal.SIGKILL)
            return outcomes

        posting.post = deadly  # type: ignore[assignment]
        bulk_grants.carry_out(GrantList.objects.get(pk=pk), 60)
        os._exit(1)
    os.waitpid(pid, 0)


def test_a_process_killed_in_any_part_leaves_nobody_with_two_and_the_next_run_grants_the_rest() -> None:
    made = make()
    with OtherProcess() as other:
        other.do(die_after, 2, str(made.pk), "before")
        assert bulk_grants.progress(made).answered == sum(granted().values()) == 10
        other.do(die_after, 1, str(made.pk), "after")
        # Granted, and the answers lost with the process.
        assert (bulk_grants.progress(made).answered, sum(granted().values())) == (10, 20)
        other.do(die_after, 2, str(made.pk), "after")
    assert (bulk_grants.progress(made).answered, sum(granted().values())) == (20, PLAYERS)
    done = whole(made)
    assert bulk_grants.progress(done) == (PLAYERS, PLAYERS, {"granted": PLAYERS})
    assert set(granted().values()) == {1}
    assert AuditEntry.objects.filter(act="grant").count() == PLAYERS


def test_four_at_it_at_once_grant_each_line_once() -> None:
    made = make()
    threads([lambda: whole(made)] * 4)
    assert GrantList.objects.get().state == "done"
    assert set(granted().values()) == {1}
    assert AuditEntry.objects.filter(act="grant").count() == PLAYERS


def test_without_references_of_their_own_a_second_run_would_grant_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard taken away: what makes a line granted once is its reference, and nothing else."""
    Offer.objects.update(per_player=9)
    made = make()
    monkeypatch.setattr(bulk_grants, "_reference", lambda of, line: scenario.fresh("unguarded"))
    whole(made)
    GrantLine.objects.filter(number__lte=5).update(answer=None)
    GrantList.objects.filter(pk=made.pk)
    again = list(bulk_grants._open(made))
    posting.post([bulk_grants._granting(made, line) for line in again])
    assert sorted(granted().values())[-5:] == [2] * 5


# --- four eyes -----------------------------------------------------------------------------------


def test_a_list_that_comes_to_more_than_the_threshold_waits_though_each_grant_would_not() -> None:
    Currency.objects.update(approval_above=scenario.eur("125.00"))
    assert make(lines(25), reference="at").state == "running"
    Currency.objects.update(approval_above=scenario.eur("124.99"))
    waiting = make(lines(25), reference="above")
    assert (waiting.state, waiting.worth) == ("waiting", {"EUR": 12_500})
    assert whole(waiting).state == "waiting"
    assert Bonus.objects.count() == 0
    for who, why in (("olga", "own_request"),):
        with pytest.raises(Refused) as refused:
            bulk_grants.decide(waiting, who, "fine", approved=True, record=lambda: None)
        assert refused.value.facts["why"] == why
    running = bulk_grants.decide(waiting, "otto", "seen", approved=True, record=lambda: None)
    assert (running.state, running.approver) == ("running", "otto")
    with pytest.raises(Refused) as late:
        bulk_grants.decide(waiting, "fred", "no", approved=False, record=lambda: None)
    assert late.value.facts["why"] == "waits_for_no_approval"
    assert whole(running).state == "done"
    assert set(granted().values()) == {1}


def test_who_may_be_the_same_person_approves_nothing_not_even_in_sql() -> None:
    Currency.objects.update(approval_above=0)
    waiting = make()
    change = {"at": timezone.now(), "actor": "olga", "what": "password", "credentials": True}
    AccountChange.objects.create(id=uuid7(), account="otto", **change)
    with pytest.raises(Refused) as refused:
        bulk_grants.decide(waiting, "otto", "fine", approved=True, record=lambda: None)
    assert refused.value.facts["why"] == "not_independent"
    rows = GrantList.objects.filter(pk=waiting.pk)
    decided = {"state": "running", "approver": "otto", "decided_at": timezone.now()}
    for changes in (decided, decided | {"approver": "olga"}, {"actor": "fred"}, {"worth": {}}, {"state": "done"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(**changes)
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.delete()
    assert GrantList.objects.get().state == "waiting"
    # To turn it down needs no independence.
    assert bulk_grants.decide(waiting, "otto", "no", approved=False, record=lambda: None).state == "rejected"


def test_a_rejected_list_grants_nothing_ever() -> None:
    Currency.objects.update(approval_above=0)
    waiting = make()
    rejected = bulk_grants.decide(waiting, "otto", "too many", approved=False, record=lambda: None)
    assert whole(rejected).state == "rejected"
    assert make().state == "rejected"
    assert Bonus.objects.count() == 0


def test_what_has_come_to_nothing_yet_and_what_a_back_end_sends_waits_for_nobody() -> None:
    Currency.objects.update(approval_above=0)
    match = bonus_scenario.match(code="match")
    assert make(offer=match).state == "running"
    assert make(reference="key", by_hand=False, source="cashier", actor="key:shop").state == "running"


# --- the command ---------------------------------------------------------------------------------


def run(*arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("grant_bulk", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_the_command_grants_a_file_once_however_often_it_is_run(tmp_path: Path) -> None:
    file, answers = tmp_path / "players.csv", tmp_path / "answers.csv"
    file.write_text("player\n" + "\n".join(f"p{number}" for number in range(12)))
    arguments = ("--offer", "gift", "--file", str(file), "--reason", "the VIPs", "--answers", str(answers))
    assert run(*arguments)[-1] == "gift, granted: 12."
    assert run(*arguments)[-1] == "gift, granted: 12."
    assert sum(granted().values()) == 12
    written = answers.read_text(encoding="utf-8-sig").splitlines()
    assert written[0] == "line,player,currency,answer,bonus" and written[1].startswith("2,p0,EUR,granted,")
    assert len(written) == 13
    asked_by = AuditEntry.objects.get(act="grant to many")
    assert (asked_by.actor, asked_by.subject) == ("command:grant_bulk", "gift to 12 players")
    Offer.objects.update(per_player=2)
    assert run(*arguments, "--reference", "once more")[-1] == "gift, granted: 12."
    assert sum(granted().values()) == 24


def test_the_command_names_every_fault_and_goes_on_with_what_was_begun(tmp_path: Path) -> None:
    file = tmp_path / "players.csv"
    file.write_text("p0\nnobody\np0\n")
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 faults; nobody was granted anything"):
        call_command("grant_bulk", "--offer", "gift", "--file", str(file), "--reason", "x", stdout=out)
    assert [line.partition(":")[0] for line in out.getvalue().splitlines()] == ["line 2", "line 3"]
    made = make()
    assert run("--unfinished")[-2:] == [f"gift, granted: {PLAYERS}.", "No list is left unfinished."]
    assert GrantList.objects.get(pk=made.pk).state == "done"
    Currency.objects.update(approval_above=0)
    file.write_text("p0\n")
    Offer.objects.update(per_player=2)
    assert "waits for a second operator" in run("--offer", "gift", "--file", str(file), "--reason", "x")[0]
