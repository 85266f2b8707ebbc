"""A provider's file against the ledger: every sort of difference is found, and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests import scenario
from tests.wallet import report_history
from tests.wallet.sample_provider_files import DAY, compared, differing, honest, line, line_of, stamp, written
from wallet import money
from wallet.kinds import Kind
from wallet.models import DaySum, ProviderDifference, ProviderRun, Transaction
from wallet.provider_file import HEADER, NotAFile, comparison
from wallet.provider_file.comparison import TO_DO
from wallet.provider_file.lines import LONGEST


@pytest.fixture
def house(books: None) -> None:
    report_history.history()


def changed(reference: str, **fields: str) -> list[dict[str, str]]:
    """The honest file with the fields of one line changed."""
    lines = honest()
    (wanted,) = [each for each in lines if each["reference"] == reference]
    wanted.update(fields)
    return lines


def without(reference: str) -> list[dict[str, str]]:
    return [each for each in honest() if each["reference"] != reference]


def row(reference: str) -> Transaction:
    return Transaction.objects.select_related("wallet__player", "wallet__currency").get(reference=reference)


def newcomer(code: str) -> None:
    """A player without rows after DAY: no row is made older than the wallet's newest."""
    scenario.player(code, "0")
    scenario.deposit(code, amount=100_00, at=report_history.at(report_history.FIRST))


def test_an_honest_file_of_each_day_and_provider_agrees(house: None) -> None:
    for day in report_history.DAYS:
        for provider in ("acme", "zenith"):
            outcome, found = compared(written(honest(day, provider)), day, provider)
            assert (found, outcome.summary) == ([], [])
            assert outcome.lines == len(honest(day, provider))
            for total in outcome.totals:
                assert total["theirs"] == total["ours"]


def test_totals_are_what_the_rows_make_for_each_game_and_currency(house: None) -> None:
    outcome, _ = compared(written(honest()))
    expected: dict[Any, dict[str, list[int]]] = {}
    for each in report_history.posted([DAY]):
        if each.source != "acme" or each.kind not in ("BET", "WIN", "ROLLBACK"):
            continue
        move = {"BET": "bets", "WIN": "wins"}.get(each.kind) or f"{str(each.original_kind).lower()}_rollbacks"
        sums = expected.setdefault((each.game, each.wallet.currency_id), {})
        sums[move] = [sums.get(move, [0, 0])[0] + 1, sums.get(move, [0, 0])[1] + each.amount]
    assert {(total["game"], total["currency"]) for total in outcome.totals} == set(expected)
    for total in outcome.totals:
        digits = outcome.digits[total["currency"]]
        sums = expected[total["game"], total["currency"]]
        for move in ("bets", "bet_rollbacks", "wins", "win_rollbacks"):
            count, amount = sums.get(move, [0, 0])
            assert total["ours"][move] == {"count": count, "amount": money.show(amount, digits)}
        of = {move: amount for move, (_, amount) in sums.items()}
        ggr = of.get("bets", 0) - of.get("bet_rollbacks", 0) - of.get("wins", 0) + of.get("win_rollbacks", 0)
        assert total["ours"]["ggr"] == money.show(ggr, digits)


def test_what_the_file_lacks_is_missing_there_with_its_amount(house: None) -> None:
    (found,) = differing(without("big"))[:1]
    assert (found.what, found.kind, found.reference, found.player) == ("missing_there", "WIN", "big", "anna")
    assert (found.theirs, found.ours, found.line) == (None, 25_00, None)


def test_what_we_lack_is_missing_here_with_its_line(house: None) -> None:
    (found,) = differing([*honest(), line("ghost", kind="win", amount="7.50")])
    assert (found.what, found.reference, found.theirs, found.ours) == ("missing_here", "ghost", 7_50, None)
    assert found.line == len(honest()) + 2


def test_another_amount_is_found_with_both(house: None) -> None:
    (found,) = differing(changed("after", amount="4.01"))
    assert (found.what, found.theirs, found.ours) == ("amount", 4_01, 4_00)


@pytest.mark.parametrize(("field", "value"), [("player", "bob"), ("round", "elsewhere"), ("game", "slot-9")])
def test_another_name_is_found_with_both(house: None, field: str, value: str) -> None:
    (found,) = differing(changed("after", **{field: value}))
    assert (found.what, found.theirs, found.ours) == ("differs", 4_00, 4_00)
    assert f"{field} (theirs {value}, ours " in found.detail


def test_another_currency_is_found_and_never_set_beside_ours(house: None) -> None:
    (found,) = differing(changed("after", currency="KWD", amount="0.400"))
    assert (found.what, found.currency, found.theirs, found.ours) == ("differs", "KWD", 400, None)
    assert found.detail == "ours is 4.00 EUR, currency (theirs KWD, ours EUR)"


def test_a_round_or_game_that_the_file_does_not_state_is_not_compared(house: None) -> None:
    assert differing(changed("after", round="", game="")) == []


def test_a_line_twice_is_a_duplicate_and_counted_once_on_our_side(house: None) -> None:
    (twice,) = [each for each in honest() if each["reference"] == "after"]
    outcome, (found,) = compared(written([*honest(), twice]))
    assert (found.what, found.theirs) == ("duplicate", 4_00)
    assert found.detail.startswith("stands in line ")
    (total,) = [each for each in outcome.totals if each["theirs"] != each["ours"]]
    assert (total["game"], total["ggr_difference"]) == ("slot-1", "4.00")


def test_the_same_reference_under_another_kind_is_another_line(house: None) -> None:
    newcomer("dora")
    scenario.win("dora", "1.00", reference="after", at=report_history.at(DAY, 23))
    assert [each["kind"] for each in honest() if each["reference"] == "after"] == ["bet", "win"]
    assert differing(honest()) == []


def test_a_refused_bet_that_the_provider_booked_is_found(house: None) -> None:
    refused = Transaction.objects.get(kind="BET", status="REFUSED")
    (found,) = differing([*honest(), line_of(refused)])
    assert (found.what, found.theirs, found.ours) == ("refused_here", 9999_00, None)
    assert found.detail == "refused: insufficient_funds"


def test_a_refused_bet_that_the_provider_undid_agrees(house: None) -> None:
    refused = Transaction.objects.get(kind="BET", status="REFUSED")
    scenario.rollback(refused.reference, "anna", reference="undo", at=report_history.at(DAY, 23))
    undo = line("undo", kind="rollback", amount="9999.00")
    outcome, found = compared(written([*honest(), line_of(refused), undo]))
    assert found == []
    assert all(total["theirs"] == total["ours"] for total in outcome.totals)


def test_a_bet_that_was_rolled_back_before_it_came_agrees_when_both_are_in_the_file(house: None) -> None:
    rollback = Transaction.objects.get(kind="ROLLBACK", original="never")
    both = [line("never", amount="5.00"), line(rollback.reference, kind="rollback", amount="5.00")]
    outcome, found = compared(written([*honest(), *both]))
    assert found == []
    assert all(total["theirs"] == total["ours"] for total in outcome.totals)
    (alone,) = differing([*honest(), both[0]])
    assert (alone.what, alone.theirs, alone.ours) == ("void_here", 5_00, None)
    assert differing([*honest(), both[1]]) == []


def test_refused_void_and_unended_rows_are_not_missed_in_the_file(house: None) -> None:
    zero = Transaction.objects.exclude(status="POSTED").filter(source="acme")
    assert {(each.kind, each.status) for each in zero} == {
        ("BET", "REFUSED"), ("BET", "VOID"), ("ROLLBACK", "VOID"),
    }  # fmt: skip
    assert differing(honest()) == []


def test_the_neighbour_day_is_another_day_and_not_missing(house: None) -> None:
    """The bet was made at 23:59:59.999999 here; the provider's clock had passed midnight."""
    (late,) = [each for each in honest(report_history.FIRST) if each["reference"] == "midnight"]
    late["time"] = stamp(scenario.moment(report_history.at(DAY, 0)))
    outcome, (found,) = compared(written([*honest(), late]))
    assert (found.what, found.detail) == ("other_day", f"theirs {DAY}, ours {report_history.FIRST}")
    (total,) = [each for each in outcome.totals if each["theirs"] != each["ours"]]
    assert total["ggr_difference"] == "10.00"
    (there,) = differing([], day=report_history.FIRST)
    assert there.what == "missing_there"
    assert there.detail == f"ours at 23:59:59.999999: look into the file of {DAY}"


@pytest.mark.parametrize(
    ("minute", "hint"),
    [(49, ""), (50, f": look into the file of {DAY + timedelta(days=1)}")],
)
def test_only_a_row_near_midnight_may_be_in_the_file_of_the_day_beside(house: None, minute: int, hint: str) -> None:
    newcomer("dora")
    scenario.bet("dora", "1.00", reference="near", at=report_history.at(DAY, 23, minute))
    (found,) = differing(without("near"))
    assert found.detail == f"ours at 23:{minute}:00.000000{hint}"


def test_a_line_of_another_day_in_the_file_is_named_and_not_in_its_totals(house: None) -> None:
    other = honest(report_history.DAYS[2])[-1]
    outcome, (found,) = compared(written([*honest(), other]))
    assert (found.what, found.detail) == (
        "other_day",
        f"theirs {report_history.DAYS[2]}, ours {report_history.DAYS[2]}",
    )
    assert all(total["theirs"] == total["ours"] for total in outcome.totals)


def test_a_file_with_nothing_but_its_header_misses_every_row(house: None) -> None:
    found = differing([])
    assert len(found) == len(honest())
    assert {each.what for each in found} == {"missing_there"}


def test_another_providers_rows_are_never_looked_at(house: None) -> None:
    found = differing(honest(), provider="zenith")
    assert {each.what for each in found} == {"missing_here"}


def test_references_that_are_unique_per_player_only_are_matched_behind_their_player(house: None) -> None:
    scenario.profile("zenith", reference_scope="player")
    for player in ("dora", "emil"):
        newcomer(player)
        scenario.bet(player, "1.00", source="zenith", reference=f"{player}\x1f1", at=report_history.at(DAY, 23))
    lines = [line("1", player=player) | {"round": "round-1"} for player in ("dora", "emil")]
    lines = [each | {"time": stamp(scenario.moment(report_history.at(DAY, 23)))} for each in lines]
    assert differing(lines, provider="zenith") == []
    (found,) = differing(lines[:1], provider="zenith")
    assert (found.what, found.reference, found.player) == ("missing_there", "1", "emil")


WRONG: list[tuple[bytes, str]] = [
    (b"a,bet,anna,EUR,x,slot-1,1.00", "has 7 fields, not 8"),
    (b"a,bet,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z,more", "has 9 fields, not 8"),
    (b"a,bet,anna,EUR,x,slot-1,1.005,2025-03-30T12:00:00Z", "amount must have at most 2 decimal places"),
    (b"a,bet,anna,EUR,x,slot-1,-1.00,2025-03-30T12:00:00Z", "amount must be a plain decimal number"),
    (b'a,bet,anna,EUR,x,slot-1,"1,00",2025-03-30T12:00:00Z', "amount must be a plain decimal number"),
    (b"a,bet,anna,EUR,x,slot-1,1e3,2025-03-30T12:00:00Z", "amount must be a plain decimal number"),
    ("a,bet,anna,EUR,x,slot-1,\u0661.00,2025-03-30T12:00:00Z".encode(), "amount must be a plain decimal number"),
    (b"a,bet,anna,JPY,x,slot-1,1.00,2025-03-30T12:00:00Z", "amount must be a whole number"),
    (b"a,bet,anna,EUR,x,slot-1,9999999999999999999.00,2025-03-30T12:00:00Z", "amount must be at most"),
    (b"a,bet,anna,EUR,x,slot-1,1.00,2025-03-30 12:00:00", "time must be UTC in ISO 8601"),
    (b"a,bet,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00+02:00", "time must be UTC in ISO 8601"),
    (b"a,bet,anna,EUR,x,slot-1,1.00,2025-02-30T12:00:00Z", "time must be UTC in ISO 8601"),
    (b"a,bet,anna,EUR,x,slot-1,1.00,2025-03-30T24:00:00Z", "time must be UTC in ISO 8601"),
    (b"a,bet,anna,EUR,x,slot-1,1.00,", "time must be UTC in ISO 8601"),
    (b"a,refund,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z", "kind must be one of bet, win, rollback"),
    (b"a,BET,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z", "kind must be one of bet, win, rollback"),
    (b"a,bet,anna,XXX,x,slot-1,1.00,2025-03-30T12:00:00Z", "currency is none of this house"),
    (b",bet,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z", "reference must be 1 to 128 printable ASCII characters"),
    (b"a\0,bet,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z", "reference must be 1 to 128 printable"),
    (b"a,bet, anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z", "player must be 1 to 128 printable ASCII characters"),
    (b"a,bet,anna,EUR," + b"x" * 129 + b",slot-1,1.00,2025-03-30T12:00:00Z", "round must be at most 128"),
    (b'a"b,bet,anna,EUR,x,"slot-1,1.00,2025-03-30T12:00:00Z', "is not CSV"),
    (b"\xff\xfe,bet,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z", "is not UTF-8"),
    (b"a" * (LONGEST + 1), f"is longer than {LONGEST} bytes"),
]


@pytest.mark.parametrize(("raw", "said"), WRONG)
def test_a_line_that_cannot_be_read_is_named_by_number_and_left_out(house: None, raw: bytes, said: str) -> None:
    file = written(honest()) + raw + b"\n\r\n" + written([line("last")]).partition(b"\n")[2]
    _, (found, last) = compared(file)
    assert (found.what, found.line) == ("malformed", len(honest()) + 2)
    assert said in found.detail
    assert (last.what, last.line) == ("missing_here", len(honest()) + 4)


HEADS = [
    b"",
    b"reference;kind",
    b"\xff\xfer\0e\0f\0",
    b"Reference,kind,player,currency,round,game,amount,time",
    b"x" * 9999,
]


@pytest.mark.parametrize("head", HEADS)
def test_a_file_without_the_header_is_refused_with_what_is_expected(house: None, head: bytes) -> None:
    with pytest.raises(NotAFile, match="must be exactly"):
        compared(head + b"\n")
    assert not ProviderRun.objects.exists()


def test_quoted_fields_windows_line_ends_and_a_byte_order_mark_are_read(house: None) -> None:
    newcomer("dora")
    scenario.bet("dora", "1.00", reference='a,"b', round="x", at=report_history.at(DAY, 23))
    assert b'"a,""b"' in written(honest())
    file = b"\xef\xbb\xbf" + written(honest()).replace(b"\n", b"\r\n")
    assert compared(file)[1] == []


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_file_is_read_as_a_spreadsheet_writes_it(house: None, mark: bytes, delimiter: str, quoting: Any) -> None:
    again = io.StringIO()
    writer = csv.writer(again, delimiter=delimiter, quoting=quoting, lineterminator="\r\n")
    writer.writerows(csv.reader(io.StringIO(written(honest()).decode())))
    assert compared(mark + again.getvalue().encode())[1] == []


def test_a_header_with_semicolons_makes_no_field_of_a_comma(house: None) -> None:
    head = HEADER.replace(",", ";").encode()
    _, (found, *_) = compared(head + b"\na,bet,anna,EUR,x,slot-1,1.00,2025-03-30T12:00:00Z\n")
    assert (found.what, found.detail) == ("malformed", "has 1 fields, not 8")


def test_the_run_and_its_differences_are_kept_and_nothing_is_repaired(house: None) -> None:
    before = list(Transaction.objects.order_by("id").values())
    outcome, found = compared(written([*changed("after", amount="4.01"), line("ghost")]))
    kept = ProviderRun.objects.get()
    assert (kept.provider, kept.day, kept.file, kept.lines, kept.rows) == (
        "acme", DAY, "day.csv", outcome.lines, outcome.rows,
    )  # fmt: skip
    assert kept.difference_count == len(found) == 2
    assert [each.what for each in ProviderDifference.objects.order_by("line")] == ["amount", "missing_here"]
    assert (
        kept.summary
        == outcome.summary
        == [
            {"what": "amount", "currency": "EUR", "count": 1, "theirs": "4.01", "ours": "4.00"},
            {"what": "missing_here", "currency": "EUR", "count": 1, "theirs": "1.00", "ours": "0.00"},
        ]
    )
    assert list(Transaction.objects.order_by("id").values()) == before
    assert not DaySum.objects.exists()


def test_a_run_keeps_its_first_differences_and_tells_them_all(house: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "KEPT", 3)
    outcome, found = compared(written([line(f"ghost-{number}") for number in range(10)]))
    assert len(found) == outcome.count == ProviderRun.objects.get().difference_count > 10
    assert ProviderDifference.objects.count() == 3


def test_every_sort_of_difference_says_what_to_do() -> None:
    assert set(re.findall(r"THEN '(\w+)'", comparison._WHAT)) == set(TO_DO)


# --- the command -------------------------------------------------------------------------------


def command(folder: Path, file: bytes, *more: str) -> tuple[int, str]:
    path = folder / "acme.csv"
    path.write_bytes(file)
    out = io.StringIO()
    try:
        call_command(
            "reconcile_provider", "--provider", "acme", "--date", str(DAY), "--file", str(path), *more, stdout=out
        )
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_command_says_that_both_agree(house: None, tmp_path: Path) -> None:
    code, text = command(tmp_path, written(honest()))
    assert code == 0
    assert text.splitlines()[-1] == f"Compared {len(honest())} lines with 13 rows of the day: they agree."


def test_the_command_prints_each_difference_its_totals_and_what_to_do_and_exits_with_1(
    house: None, tmp_path: Path
) -> None:
    code, text = command(tmp_path, written(changed("after", amount="4.01")))
    lines = text.splitlines()
    assert code == 1
    assert lines[0] == "line 2: amount: bet after anna, theirs 4.01 EUR, ours 4.00 EUR"
    assert f"{DAY} slot-1: GGR theirs 2.01, ours 2.00 EUR (bets 2, 2)  DIFFERS by 0.01" in lines
    assert f"amount: {TO_DO['amount']}" in lines
    assert lines[-1].endswith(": 1 differences.")


def test_the_command_prints_one_json_object(house: None, tmp_path: Path) -> None:
    assert json.loads(command(tmp_path, written(honest()), "--json")[1])["differences"] == []
    code, text = command(tmp_path, written([*honest(), line("g-1"), line("g-2")]), "--json")
    told = json.loads(text)
    assert code == 1
    assert [(each["what"], each["theirs"], each["ours"]) for each in told["differences"]] == [
        ("missing_here", "1.00", None)
    ] * 2
    assert told["checked"] == {"lines": len(honest()) + 2, "rows": 13}
    assert {"totals", "summary"} <= set(told)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--provider", "nobody", "--date", "2025-03-30", "--file", "x.csv"], "There is no provider"),
        (["--provider", "acme", "--date", "2025-03-30", "--file", "nowhere.csv"], "cannot be compared"),
        (["--provider", "acme", "--date", "30.3.2025", "--file", "x.csv"], "is no day"),
        (["--provider", "acme", "--date", "2025-03-30", "--file", "/"], "cannot be compared"),
    ],
)
def test_the_command_refuses_what_it_cannot_compare(house: None, arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("reconcile_provider", *arguments)


def test_a_rollback_is_named_by_what_it_undid_in_the_totals(house: None) -> None:
    outcome, _ = compared(written(honest()))
    undone = [each.original_kind for each in report_history.posted([DAY]) if each.kind == Kind.ROLLBACK]
    assert sorted(map(str, undone)) == ["BET", "WIN"]
    (slot,) = [each for each in outcome.totals if each["game"] == "slot-1"]
    assert slot["theirs"]["bet_rollbacks"] == {"count": 1, "amount": "10.00"}
    assert slot["theirs"]["win_rollbacks"] == {"count": 1, "amount": "25.00"}
