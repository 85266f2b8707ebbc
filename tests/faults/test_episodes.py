"""What the clients saw is given to the right fault, and a promise of time that was broken is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cluster.writers import Write, Writers
from tests.faults.episodes import Episode, Watch, observe
from tests.faults.journal import Entry, Follower, Journal
from tests.faults.run import until_served


def sent(id: int, t: float, player: str = "p1", seat: str = "p0") -> Entry:
    return {"e": "sent", "t": t, "id": id, "try": 1, "seat": seat, "call": "bet", "player": player}


def got(id: int, t: float, status: int = 200, seat: str = "p0") -> Entry:
    return {"e": "got", "t": t, "id": id, "try": 1, "seat": seat, "status": status}


def lost(id: int, t: float, why: str) -> Entry:
    return {"e": "lost", "t": t, "id": id, "try": 1, "seat": "p0", "why": why}


def an_episode(began: float = 10.0, **fields: Any) -> Episode:
    return Episode("a fault", began, began + 2.0, fired=1, **({"back": 0.1, "all_back": 0.2} | fields))


def test_an_attempt_belongs_to_the_fault_during_which_it_ended():
    first, second = an_episode(10.0), an_episode(20.0)
    observe([first, second], [sent(1, 1.0), got(1, 2.0), sent(2, 9.0), sent(3, 19.0), got(2, 11.0, 503), got(3, 22.0)])
    assert (first.worst(), first.seen) == (2.0, {"answers": 1, "503": 1})
    assert (second.worst(), second.seen) == (3.0, {"answers": 1})


def test_a_silence_counts_as_an_answer_that_took_too_long_and_a_reset_does_not():
    episode = an_episode()
    observe([episode], [sent(1, 10.0), sent(2, 10.0), lost(1, 20.0, "silence"), lost(2, 20.0, "reset")])
    assert (episode.late(), episode.seen) == (1, {"silence": 1, "reset": 1})
    assert episode.violations() == ["a fault: answers took longer than 3.5 s, up to 10.0 s: 1 bet"]


def test_a_frozen_victim_may_take_as_long_as_it_was_frozen():
    episode = an_episode(allowed=2.0)
    observe([episode], [sent(1, 10.0), got(1, 15.4)])
    assert episode.violations() == []


def test_whoever_comes_back_late_is_said():
    assert an_episode(back=1.2).violations() == ["a fault: the first good answer came 1.2 s after its end"]
    late = an_episode(all_back=4.6, last="p3, bet of p9")
    assert late.violations() == ["a fault: the last client was served 4.6 s after its end: p3, bet of p9"]
    assert an_episode(back=4.4, lingers=3.5).violations() == []


def test_503s_of_other_wallets_are_told_apart_from_those_of_the_locked_one():
    episode = an_episode()
    episode.player = "hot"
    observe([episode], [sent(1, 10.0, "hot"), sent(2, 10.0, "p7"), got(1, 11.0, 503), got(2, 11.0, 503)])
    assert (episode.seen["503"], episode.elsewhere) == (2, 1)


def test_everybody_is_back_when_every_seat_has_had_a_good_answer_since(tmp_path: Path):
    journal = Journal(str(tmp_path / "journal"))
    watch = Watch(Follower(tmp_path / "journal"))
    for seat in ("p0", "p1"):
        journal.write("sent", id=1, seat=seat, call="bet", player="p9")
    began = journal.write("got", id=1, seat="p0", status=200)
    watch.since(began + 1e-9)
    journal.write("got", id=2, seat="p1", status=503)
    first = journal.write("got", id=3, seat="p1", status=422)
    watch.look()
    assert (watch.first, watch.everybody) == (first, None)
    last = journal.write("got", id=4, seat="p0", status=200)
    watch.look()
    assert (watch.everybody, watch.last) == (last, "p0, bet of p9")


def test_a_fault_that_was_not_over_is_counted_from_its_last_end(tmp_path: Path):
    journal = Journal(str(tmp_path / "journal"))
    watch = Watch(Follower(tmp_path / "journal"))
    journal.write("sent", id=1, seat="p0", call="bet", player="p9")
    ends = [journal.write("got", id=1, seat="p0", status=503)]

    def ended() -> float:
        if len(ends) == 1:
            ends.append(journal.write("got", id=1, seat="p0", status=503))
            journal.write("got", id=1, seat="p0", status=200)
        return ends[-1]

    assert until_served(watch, ended) == ends[1]
    assert watch.everybody is not None


def test_a_cluster_has_a_writer_from_the_last_pause_of_its_writes_on():
    writers = Writers([])
    writers._writes = [Write(moment, "b") for moment in (1.0, 1.1, 1.2, 3.0, 3.2)]
    assert (writers.on(1.0, 0.5), writers.on(3.0, 0.5)) == (3.0, 3.0)
    assert writers.on(1.0, 2.0) == 1.0


def test_a_line_that_is_not_whole_yet_is_read_when_it_is(tmp_path: Path):
    path = tmp_path / "journal"
    follower = Follower(path)
    path.write_bytes(b'{"e": "got"}\n{"e": "se')
    assert [entry["e"] for entry in follower.new()] == ["got"]
    path.write_bytes(b'{"e": "got"}\n{"e": "sent"}\n')
    assert [entry["e"] for entry in follower.new()] == ["sent"]
