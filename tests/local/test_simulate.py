"""The simulator: what it was told stands in the ledger, and what does not is found."""

import io
import json
from contextlib import contextmanager, suppress

import pytest
from django.core.management import CommandError, call_command

from casino_pam import demo
from casino_pam.local import demo_data
from casino_pam.local.simulator import Connection, FakeProvider, Journal, JournalLine, Rounds, Seat, Shares, differences
from tests import scenario
from tests.game_client import served
from wallet.models import Transaction


@contextmanager
def casino(settings):
    """A demo casino on two real workers; yields its address."""
    settings.DEMO = True
    demo_data.load()
    with served(SECRET_KEY=settings.SECRET_KEY) as client:
        yield f"http://127.0.0.1:{client.port}"


def simulated(url, **options):
    out = io.StringIO()
    call_command("simulate", url=url, players=6, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_agrees_with_the_ledger_after_playing_badly_delivered_rounds_at_full_speed(books, settings):
    with casino(settings) as url:
        shares = {"retries": 0.2, "duplicates": 0.2, "rollbacks": 0.2, "reordered": 0.3}
        said = simulated(url, seconds=2, rate=0, seed="a", **shares)
    assert "Journal and ledger agree on all" in said
    assert "rollback void" in said
    assert "bet rolled_back" in said
    assert "problems 0" in said


def test_the_account_it_writes_agrees_with_the_ledger_and_a_changed_one_does_not(books, settings, tmp_path):
    """A demo from play to the provider's file to what differs (docs/reports.md)."""
    file = tmp_path / "demo.csv"
    with casino(settings) as url:
        shares = {"retries": 0.2, "duplicates": 0.2, "rollbacks": 0.2, "reordered": 0.3}
        simulated(url, seconds=1, rate=0, seed="b", file=file, **shares)
    header, *lines = file.read_text().splitlines()
    assert {line.split(",")[1] for line in lines} == {"bet", "win", "rollback"}
    # The demo's own history of today is missing in the file, and a play at midnight is of another day.
    days = {line.rpartition(",")[2][:10] for line in lines}
    mine = {line.partition(",")[0] for line in lines}
    assert [each for day in days for each in differing(file, day) if each["reference"] in mine] == []
    first = lines[0].split(",")
    file.write_text("\n".join([header, ",".join([*first[:6], "99999", first[7]]), *lines[1:]]))
    changed = [each for each in differing(file, min(days)) if each["reference"] in mine and each["what"] == "amount"]
    assert [each["reference"] for each in changed] == [first[0]]


def differing(file, day):
    """What the command finds in the file of that day; other days apart."""
    out = io.StringIO()
    with suppress(SystemExit):
        call_command(
            "reconcile_provider", f"--provider={demo.PROVIDER}", f"--date={day}", f"--file={file}", "--json", stdout=out
        )
    return [each for each in json.loads(out.getvalue())["differences"] if each["what"] != "other_day"]


def test_refuses_to_play_where_there_is_no_demo(books, settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="DEMO is off"):
        call_command("simulate")


def test_says_so_when_nobody_answers(books, settings):
    settings.DEMO = True
    with pytest.raises(CommandError, match="did not let us play"):
        call_command("simulate", url="http://127.0.0.1:9", seconds=1)


async def test_plays_the_same_rounds_for_the_same_seed():
    async def requests(seed):
        sent = []

        class Deaf(FakeProvider):
            async def deliver(self, line: Connection, rng, call, body):
                sent.append((call, tuple(sorted(body.items()))))
                return {"status": "posted"}

        shares = Shares(rollbacks=0.3, reordered=0.3)
        provider = Deaf("http://127.0.0.1:9", "demo-studio", "secret", Journal("demo-studio", "run-"), shares)
        rounds = Rounds(provider, Seat("anna", "EUR", 2, 100, ("a", "b")), seed)
        for _ in range(50):
            await rounds.round()
        return sent

    assert await requests("one") == await requests("one")
    assert await requests("one") != await requests("two")


def entry(reference, outcome="posted", call="bet", amount="10.00", **answer):
    facts = {"status": outcome, **answer} if outcome in ("posted", "void") else {"code": outcome, **answer}
    status = 200 if outcome in ("posted", "void") else 422
    return JournalLine(call=call, reference=reference, player="alice", amount=amount, status=status, answer=facts)


@pytest.fixture
def played(books):
    """Alice bet 10.00 under sim-1; the journal starts empty."""
    scenario.catalogue()
    scenario.alice()
    scenario.bet(reference="sim-1")
    return Journal("acme", "sim-")


def found(journal, *entries):
    for each in entries:
        journal.note(each)
    return list(differences(journal))


def test_finds_nothing_where_journal_and_ledger_agree(played):
    row = Transaction.objects.get(reference="sim-1")
    assert found(played, entry("sim-1", transaction=str(row.id))) == []


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "not in the journal"),
        ([entry("sim-1", amount="11.00")], "sent 11.00, the ledger has 10.00"),
        ([entry("sim-1", "void")], "answered void, the ledger has POSTED"),
        ([entry("sim-1", transaction="another")], "answered by transaction another"),
        ([entry("sim-1"), entry("sim-2")], "answered posted, not in the ledger"),
        ([entry("sim-1"), entry("sim-1", "insufficient_funds")], "first answered posted, then insufficient_funds"),
        (
            [entry("sim-1", transaction="a"), entry("sim-1", transaction="b")],
            "answered by two different rows",
        ),
    ],
)
def test_finds_each_way_in_which_they_can_disagree(played, entries, said):
    assert any(said in line for line in found(played, *entries))
