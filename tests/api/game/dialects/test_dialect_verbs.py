"""What each dialect says in its own way: sentences of its part of the contract, one by one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
from structlog.testing import capture_logs

from tests import scenario
from tests.api.game.dialects.dialect_scenario import Partner, told, word
from tests.game_client import Door, Reply
from wallet.kinds import WinSource
from wallet.models import GameSession, Player, Transaction, Wallet, WalletLimits


def row(kind: str, **fields: Any) -> Transaction:
    return Transaction.objects.get(kind=kind, **fields)


def cash(player: str = "anna") -> int:
    return scenario.balances(player)[0]


# --- beexar -----------------------------------------------------------------------------------

WALLET = {"account_id": "anna", "currency": "EUR", "game_id": "dice"}


def betwin(partner: Partner, *rows: tuple[str, str, str], **more: Any) -> Reply:
    listed = [{"id_provider": name, "type": kind, "amount": amount} for name, kind, amount in rows]
    return partner.call("/betwin", {**WALLET, "round_id": "round-1", "transactions": listed, **more})


def undo(partner: Partner, *pairs: tuple[str, str], **more: Any) -> Reply:
    listed = [{"id_provider": name, "type": "rollback", "original_id_provider": original} for name, original in pairs]
    named = {"account_id": "anna", "currency": "EUR", "round_id_provider": "round-1", "finished": False}
    return partner.call("/rollback", {**named, "transactions": listed, **more})


def test_beexar_plays_a_list_in_order_and_ends_the_round_with_its_last(door: Door) -> None:
    partner = Partner(door, "beexar")
    partner.player()
    reply = betwin(partner, ("b-1", "bet", "10.00"), ("w-1", "win", "25.00"), finished=True)
    assert [each["id"] for each in reply["transactions"]] == [row("BET").id.__str__(), row("WIN").id.__str__()]
    assert (row("BET").ends_round, row("WIN").ends_round) == (False, True)
    assert (reply["round_id"], reply["balance"]) == ("round-1", "115.00")
    assert word("beexar", betwin(partner, ("b-2", "bet", "1.00"))) == "400"
    # A part of it again: the stored ids, and the stored balance of the last.
    part = betwin(partner, ("b-1", "bet", "10.00"))
    assert (part["transactions"][0]["id"], part["balance"]) == (str(row("BET", reference="b-1").id), "90.00")


def test_beexar_undoes_each_of_a_list_by_itself_and_never_refuses_one(door: Door) -> None:
    partner = Partner(door, "beexar")
    partner.player()
    betwin(partner, ("b-1", "bet", "10.00"), ("b-2", "bet", "20.00"), ("w-1", "win", "5.00"))
    reply = undo(partner, ("u-1", "b-1"), ("u-2", "nothing"), ("u-3", "b-1"), ("u-4", "w-1"))
    ids = [each["id"] for each in reply["transactions"]]
    assert [each["id_provider"] for each in reply["transactions"]] == ["u-1", "u-2", "u-3", "u-4"]
    assert [bool(each) for each in ids] == [True, False, False, True]
    assert (reply["balance"], reply["round_id"], cash()) == ("80.00", "round-1", 8000)
    # Reused for another original, and all of it again.
    again = undo(partner, ("u-1", "b-2"))
    assert (again["transactions"][0]["id"], again["balance"], cash()) == ("", "80.00", 8000)
    assert undo(partner, ("u-1", "b-1"), ("u-2", "nothing"), ("u-3", "b-1"), ("u-4", "w-1")).json == reply.json
    # The other bet is alive, and finished ends the round.
    last = undo(partner, ("u-5", "b-2"), finished=True)
    assert (last["balance"], row("END_ROUND").round, row("END_ROUND").reference) == (
        "100.00",
        "round-1",
        "round-1/anna",
    )


def test_beexar_finishes_by_round_and_player_and_tells_the_balance_of_now(door: Door) -> None:
    partner = Partner(door, "beexar")
    partner.player()
    long = "r" * 128
    for round in ("round-1", long):
        body = {"account_id": "anna", "currency": "EUR", "round_id": round}
        assert partner.call("/finish", body)["balance"] == "100.00"
    names = set(Transaction.objects.filter(kind="END_ROUND").values_list("reference", flat=True))
    digest = next(name for name in names if name != "round-1/anna")
    assert "round-1/anna" in names and len(digest) == 64 and set(digest) <= set("0123456789abcdef")
    assert word("beexar", betwin(partner, ("b-1", "bet", "1.00"))) == "400"


SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({"account_id": ""}, "account_id: required, must be a non-empty string"),
    ({"game_id": 5}, "game_id: required, must be a non-empty string"),
    ({"round_id": None}, "round_id: required, must be a non-empty string"),
    ({"currency": "eur"}, "currency: must match ^[A-Z][A-Z0-9_]{2,31}$"),
    ({"currency": "E" * 33}, "currency: must match ^[A-Z][A-Z0-9_]{2,31}$"),
    ({"transactions": []}, "transactions: required, must be a non-empty array"),
    ({"transactions": {}}, "transactions: required, must be a non-empty array"),
    ({"transactions": [1]}, "transactions[0]: required, must be a non-empty object"),
    ({"finished": "yes"}, "finished: must be true or false"),
]
ROWS: list[tuple[dict[str, Any], str]] = [
    ({"id_provider": ""}, "transactions[1].id_provider: required, must be a non-empty string"),
    ({"amount": 5}, "transactions[1].amount: required, must be a non-empty string"),
    ({"amount": "5,00"}, "transactions[1].amount: not a valid decimal amount"),
    ({"amount": "0.001"}, "transactions[1].amount: not a valid decimal amount"),
    ({"amount": "0.00"}, "transactions[1].amount: must be greater than zero"),
    ({"type": "refund"}, "transactions[1].type: must be one of: bet win"),
]


def test_beexar_says_which_field_is_wrong(door: Door) -> None:
    partner = Partner(door, "beexar")
    partner.player()
    good = {"id_provider": "b-1", "type": "bet", "amount": "1.00"}
    body = {**WALLET, "round_id": "round-1", "transactions": [good, {**good, "id_provider": "b-2"}]}
    changed = [({**body, **change}, sentence) for change, sentence in SENTENCES]
    changed += [({**body, "transactions": [good, {**good, **change}]}, sentence) for change, sentence in ROWS]
    for fields, sentence in changed:
        reply = partner.call("/betwin", fields)
        assert (reply["msg"], reply["meta"]["api_code"]) == (sentence, "400")
    assert cash() == 10000


# --- hub88 ------------------------------------------------------------------------------------


def test_hub88_pays_free_bets_itself_and_takes_the_wins_as_free_rounds(door: Door) -> None:
    partner = Partner(door, "hub88")
    session = partner.player()
    named = {"token": session, "request_uuid": "q", "round": "r-1", "game_code": "dice", "currency": "EUR"}
    free = {**named, "is_free": True, "amount": 1_000_000}
    assert partner.call("/transaction/bet", {**free, "transaction_uuid": "b-1"})["balance"] == 10_000_000
    assert row("BET").amount == 0
    win = {**free, "transaction_uuid": "w-1", "reference_transaction_uuid": "b-1", "round_closed": True}
    assert partner.call("/transaction/win", win)["balance"] == 11_000_000
    assert (row("WIN").win_source, row("WIN").ends_round) == (WinSource.FREE_ROUND, True)
    assert (
        partner.call("/transaction/bet", {**named, "amount": 0, "transaction_uuid": "b-2"})["status"]
        == "RS_ERROR_UNKNOWN"
    )


def test_hub88_pays_a_win_for_its_own_bet_alone(door: Door) -> None:
    partner = Partner(door, "hub88")
    partner.player()
    partner.ask("bet", "b-1")
    assert word("hub88", partner.ask("win", "w-1", bet="nothing")) == "TRANSACTION_DOES_NOT_EXIST"
    assert word("hub88", partner.ask("undo", "u-1", original="b-1")) == "ok"
    assert word("hub88", partner.ask("win", "w-1", bet="b-1")) == "TRANSACTION_DOES_NOT_EXIST"
    assert cash() == 10000


def test_hub88_answers_every_rollback_of_nothing_with_the_balance_of_now(door: Door) -> None:
    partner = Partner(door, "hub88")
    partner.player()
    partner.ask("bet", "b-1")
    partner.ask("undo", "u-1", original="b-1")
    unknown = partner.asked("undo", "u-3", original="nothing")
    assert told("hub88", partner.send(unknown)) == 10000
    scenario.deposit("anna", amount=100)
    for reply in (
        partner.ask("undo", "u-2", original="b-1"),
        partner.send(unknown),
        partner.ask("undo", "u-4", original="nothing"),
    ):
        assert (word("hub88", reply), told("hub88", reply)) == ("ok", 10100)
    assert word("hub88", partner.ask("undo", "u-1", original="other")) == "DUPLICATE_TRANSACTION"


def test_hub88_wants_every_field_as_a_text(door: Door) -> None:
    partner = Partner(door, "hub88")
    partner.player()
    for kind in ("bet", "win", "undo"):
        _, path, fields = said(partner, kind)
        for name in fields:
            if name in ("user", "amount", "game_code") and (kind == "undo" or name == "user"):
                continue
            for bad in ({**fields, name: None}, {each: fields[each] for each in fields if each != name}):
                assert word("hub88", partner.call(path, bad)) == "WRONG_SYNTAX", (kind, name)
    for name, value in (("user", "berta"), ("user", 5), ("token", "other")):
        _, path, fields = said(partner, "bet")
        assert word("hub88", partner.call(path, {**fields, name: value})) == "INVALID_TOKEN"
    assert cash() == 10000


def said(partner: Partner, kind: str) -> tuple[str, str, dict[str, Any]]:
    call = partner.asked(kind, "x-1")
    return call.method, call.path.removeprefix(f"/api/game/{partner.dialect}/{partner.code}"), json.loads(call.body)


def test_hub88_tells_who_somebody_is(door: Door) -> None:
    partner = Partner(door, "hub88")
    partner.player()
    Player.objects.update(country="EE")
    reply = partner.call("/user/info", {"user": "anna", "request_uuid": "q-7"})
    assert reply.json == {"status": "RS_OK", "user": "anna", "request_uuid": "q-7", "country": "EE"}
    assert word("hub88", partner.call("/user/info", {"user": "nobody", "request_uuid": "q"})) == "INVALID_TOKEN"
    assert word("hub88", partner.call("/user/info", {"user": "é", "request_uuid": "q"})) == "WRONG_SYNTAX"


# --- swipegames -------------------------------------------------------------------------------


def test_swipegames_plays_the_game_of_the_session_in_rounds_of_its_own(door: Door) -> None:
    partner = Partner(door, "swipegames")
    partner.player()
    assert partner.ask("bet", "b-1").status == 200
    other = partner.session("anna", game="wheel")
    assert partner.ask("bet", "b-2", session=other).status == 200
    lobby = partner.session("anna", game=None)
    assert partner.ask("bet", "b-3", session=lobby).status == 200
    rounds = dict(Transaction.objects.filter(kind="BET").values_list("reference", "round"))
    assert rounds == {"b-1": "dice/round-1", "b-2": "wheel/round-1", "b-3": "-/round-1"}
    assert row("BET", reference="b-2").game == "wheel"


def test_swipegames_pays_free_spins_and_takes_nothing_for_them(door: Door) -> None:
    partner = Partner(door, "swipegames")
    session = partner.player()
    free = {"type": "free", "sessionID": session, "amount": "5.00", "roundID": "r-1", "frID": "f-1"}
    assert partner.call("/bet", {**free, "txID": "b-1"})["balance"] == "100.00"
    assert partner.call("/win", {**free, "txID": "w-1"})["balance"] == "105.00"
    assert row("WIN").win_source == WinSource.FREE_ROUND
    assert word("swipegames", partner.call("/bet", {**free, "txID": "b-2", "type": "other"})) == 400


def test_swipegames_answers_every_refund_with_200(door: Door) -> None:
    partner = Partner(door, "swipegames")
    partner.player()
    partner.ask("bet", "b-1")
    partner.ask("win", "w-1", amount="3.00")
    first = partner.ask("undo", "u-1", original="b-1", amount="4.00", round="other")
    assert (first.status, first["balance"], first["txID"]) == (200, "103.00", str(row("ROLLBACK").id))
    scenario.deposit("anna", amount=100)
    # By another id: the balance of now, and the refund that did it.
    again = partner.ask("undo", "u-2", original="b-1")
    assert (again["balance"], again["txID"]) == ("104.00", first["txID"])
    # The id of a refund for something else: the row that has it.
    reused = partner.ask("undo", "u-1", original="w-1")
    assert (reused["balance"], reused["txID"]) == ("104.00", first["txID"])
    unknown = partner.ask("undo", "u-3", original="nothing")
    assert (unknown["balance"], unknown["txID"]) == ("104.00", str(row("ROLLBACK", reference="u-3").id))
    assert word("swipegames", partner.ask("undo", "u-4", original="b-1", session="none")) == "session_not_found"
    assert cash() == 10400
    late = partner.ask("bet", "nothing")
    assert (late.status, late.json.get("code")) == (400, None)
    # And what came too late is not refundable.
    assert partner.ask("undo", "u-5", original="nothing")["balance"] == "104.00"


def test_swipegames_finds_a_loss_limit_by_its_name(door: Door) -> None:
    partner = Partner(door, "swipegames")
    partner.player()
    WalletLimits.objects.create(wallet=Wallet.objects.get(player__code="anna"), loss_day=500)
    assert word("swipegames", partner.ask("bet", "b-1")) == "loss_limit"


# --- slotegrator ------------------------------------------------------------------------------


def gis(partner: Partner, action: str, transaction: str = "", **fields: Any) -> Reply:
    named = {"action": action, "player_id": "anna", "currency": "EUR", "game_uuid": "dice"}
    return partner.call("", {**named, "transaction_id": transaction, **fields})


def test_slotegrator_takes_bets_tips_and_free_spins_and_no_other_bet(door: Door) -> None:
    partner = Partner(door, "slotegrator")
    partner.player()
    for kind, balance in (("bet", 90.0), ("tip", 80.0), ("freespin", 80.0)):
        reply = gis(partner, "bet", f"of-{kind}", amount="10.00", type=kind, session_id="s-9")
        assert (reply["balance"], reply["transaction_id"]) == (balance, str(row("BET", reference=f"of-{kind}").id))
    assert [row("BET", reference=f"of-{kind}").wagering for kind in ("bet", "tip")] == [True, False]
    assert row("BET", reference="of-bet").round == "session/s-9/anna"
    for kind in ("spin", ""):
        assert word("slotegrator", gis(partner, "bet", "b-9", amount="1.00", type=kind)) == "INTERNAL_ERROR"
    assert word("slotegrator", gis(partner, "bets", "b-9", amount="1.00", type="bet")) == "INTERNAL_ERROR"


def test_slotegrator_pays_wins_of_every_kind(door: Door) -> None:
    partner = Partner(door, "slotegrator")
    partner.player()
    kinds = {"win": "game", "jackpot": "jackpot", "freespin": "free_round", "anything": "promo", "bonus": "promo"}
    for kind, source in kinds.items():
        assert word("slotegrator", gis(partner, "win", kind, amount="1.00", type=kind, round_id="r-1")) == "ok"
        assert row("WIN", reference=kind).win_source == source
    assert word("slotegrator", gis(partner, "win", "w", amount="0", type="win", round_id="r-1", finished="1")) == "ok"
    assert row("WIN", reference="w").ends_round
    assert word("slotegrator", gis(partner, "bet", "b", amount="1", type="bet", round_id="r-1")) == "INTERNAL_ERROR"
    for number, said in enumerate(("true", "1", "0", "false", "")):
        gis(partner, "bet", f"b-{number}", amount="1", type="bet", round_id=f"e-{number}", finished=said)
        assert row("BET", reference=f"b-{number}").ends_round is (number < 2)


def test_slotegrator_answers_a_second_refund_with_the_first(door: Door) -> None:
    partner = Partner(door, "slotegrator")
    partner.player()
    gis(partner, "bet", "b-1", amount="10.00", type="bet", round_id="r-1")
    first = gis(partner, "refund", "u-1", bet_transaction_id="b-1", amount="3.00", round_id="other")
    scenario.deposit("anna", amount=100)
    second = gis(partner, "refund", "u-2", bet_transaction_id="b-1", amount="10.00")
    assert (first["balance"], second["balance"]) == (100.0, 101.0)
    assert second["transaction_id"] == first["transaction_id"] == str(row("ROLLBACK").id)
    unknown = gis(partner, "refund", "u-3", bet_transaction_id="nothing", amount="1.00")
    assert unknown["transaction_id"] == str(row("ROLLBACK", reference="u-3").id)
    assert word("slotegrator", gis(partner, "bet", "nothing", amount="1.00", type="bet")) == "INTERNAL_ERROR"


def test_slotegrator_rolls_back_what_is_listed_and_answers_for_refunds(door: Door) -> None:
    partner = Partner(door, "slotegrator")
    partner.player()
    gis(partner, "bet", "b-1", amount="10.00", type="bet", round_id="r-1")
    gis(partner, "win", "w-1", amount="30.00", type="win", round_id="r-1")
    refund = gis(partner, "refund", "u-1", bet_transaction_id="b-1", amount="10.00")
    listed = [
        {"action": "win", "amount": "1.00", "transaction_id": "w-1", "type": "win"},
        {"action": "refund", "amount": "10.00", "transaction_id": "u-1", "type": "refund"},
        {"action": "bet", "amount": "10.00", "transaction_id": "b-1", "type": "bet"},
        {"action": "bet", "amount": "10.00", "transaction_id": "nothing", "type": "bet"},
    ]
    with capture_logs() as lines:
        reply = gis(partner, "rollback", "rb-1", rollback_transactions=listed)
    assert [line["event"] for line in lines] == ["game_door_refund_not_undone"]
    assert reply["rollback_transactions"] == ["w-1", "u-1", "b-1", "nothing"]
    assert (reply["balance"], cash()) == (100.0, 10000)
    undone = row("ROLLBACK", reference="rb-1/win/w-1")
    assert (reply["transaction_id"], undone.original_kind) == (str(undone.id), "WIN")
    assert refund["transaction_id"] == str(row("ROLLBACK", reference="u-1").id)
    assert gis(partner, "rollback", "rb-1", rollback_transactions=listed).json == reply.json
    alone = gis(partner, "rollback", "rb-2", rollback_transactions=listed[1:2])
    assert (alone["balance"], alone["transaction_id"], alone["rollback_transactions"]) == (100.0, "rb-2", ["u-1"])
    for bad in ([], [{"action": "bet"}], [{"action": "other", "transaction_id": "b-1"}]):
        assert word("slotegrator", gis(partner, "rollback", "rb-3", rollback_transactions=bad)) == "INTERNAL_ERROR"


# --- pragmatic --------------------------------------------------------------------------------

SPUN = {"userId": "anna", "gameId": "vs20x", "roundId": "r-1", "amount": "10.00"}


def test_pragmatic_lets_in_who_has_a_session_that_lives(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    session = partner.player()
    reply = json.loads(partner.call("/authenticate.html", {"token": session}).body, parse_float=str)
    wanted = {"userId": "anna", "currency": "EUR", "cash": "100.00", "bonus": "0.00", "token": session}
    assert reply == {**wanted, "error": 0, "description": "Success"}
    assert partner.call("/authenticate.html", {"token": "nothing"})["error"] == 4
    GameSession.objects.update(ended_at="2026-01-01T00:00:00Z")
    assert partner.call("/authenticate.html", {"token": session})["error"] == 4


def test_pragmatic_plays_in_the_currency_of_the_newest_session(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    partner.player()
    scenario.player("anna", "500", currency="JPY")
    assert partner.call("/balance.html", {"userId": "anna"})["currency"] == "EUR"
    partner.session("anna", "JPY")
    for name, fields in (
        ("/balance.html", {"userId": "anna"}),
        ("/bet.html", {**SPUN, "amount": "7", "reference": "b-1"}),
    ):
        assert partner.call(name, fields)["currency"] == "JPY"
    partner.session("anna", "EUR")
    assert partner.call("/balance.html", {"userId": "anna"})["currency"] == "EUR"
    scenario.player("berta", "1.00")
    Partner(door, "pragmatic", code="elsewhere").session("berta")
    assert partner.call("/balance.html", {"userId": "berta"})["error"] == 2


def test_pragmatic_pays_every_kind_of_win(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    partner.player()
    partner.call("/bet.html", {**SPUN, "reference": "b-1"})
    wins = (
        ("/result.html", "w-1", {}, "game"),
        ("/result.html", "w-2", {"bonusCode": "7"}, "free_round"),
        ("/bonusWin.html", "w-3", {"bonusCode": "7"}, "free_round"),
        ("/jackpotWin.html", "w-4", {"jackpotId": "7"}, "jackpot"),
    )
    for name, reference, more, source in wins:
        reply = partner.call(name, {**SPUN, "amount": "1.00", "reference": reference, **more})
        assert (reply["error"], reply["transactionId"]) == (0, str(row("WIN", reference=reference).id))
        assert row("WIN", reference=reference).win_source == source
    promo = {"userId": "anna", "campaignId": "9", "campaignType": "T", "amount": "2.00", "currency": "EUR"}
    assert partner.call("/promoWin.html", {**promo, "reference": "p-1"})["cash"] == 96.0
    assert (row("WIN", reference="p-1").win_source, row("WIN", reference="p-1").round) == ("promo", None)
    assert partner.call("/promoWin.html", {**promo, "currency": "JPY", "reference": "p-2"})["error"] == 7
    assert partner.call("/result.html", {**SPUN, "roundId": "other", "reference": "w-9"})["error"] == 120


def test_pragmatic_pays_a_win_and_its_promotion_together(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    partner.player()
    partner.call("/bet.html", {**SPUN, "reference": "b-1"})
    both = {**SPUN, "amount": "1.00", "reference": "w-1", "promoWinAmount": "2.00", "promoWinReference": "p-1"}
    reply = partner.call("/result.html", both)
    assert (reply["cash"], reply["transactionId"]) == (93.0, str(row("WIN", reference="w-1").id))
    assert (row("WIN", reference="p-1").win_source, row("WIN", reference="p-1").amount) == ("promo", 200)
    assert partner.call("/result.html", both)["transactionId"] == reply["transactionId"]
    bad = {**both, "reference": "w-2", "promoWinReference": "p-2", "promoWinAmount": "-1"}
    assert partner.call("/result.html", bad)["error"] == 7
    assert cash() == 9300


def test_pragmatic_adjusts_either_way(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    partner.player()
    for amount, reference, balance in (("-4.00", "a-1", 96.0), ("1.50", "a-2", 97.5), ("0", "a-3", 97.5)):
        fields = {**SPUN, "amount": amount, "reference": reference, "validBetAmount": "1"}
        assert partner.call("/adjustment.html", fields)["cash"] == balance
    assert [row(kind, reference=name).amount for kind, name in (("BET", "a-1"), ("WIN", "a-2"))] == [400, 150]
    assert partner.call("/bet.html", {**SPUN, "amount": "-1.00", "reference": "b-1"})["error"] == 7


def test_pragmatic_refunds_by_the_bet_and_closes_rounds(door: Door) -> None:
    partner = Partner(door, "pragmatic")
    partner.player()
    for reference, round in (("b-1", "r-1"), ("b-2", "r-2")):
        partner.call("/bet.html", {**SPUN, "roundId": round, "reference": reference})
    partner.call("/result.html", {**SPUN, "roundId": "r-2", "reference": "w-2"})
    assert partner.call("/refund.html", {"userId": "anna", "reference": "b-2"})["error"] == 120
    refund = partner.call("/refund.html", {"userId": "anna", "reference": "b-1", "amount": "1", "roundId": "other"})
    assert refund.json == {"transactionId": str(row("ROLLBACK").id), "error": 0, "description": "Success"}
    for _ in range(2):
        ended = partner.call("/endRound.html", {"userId": "anna", "gameId": "vs20x", "roundId": "r-2"})
        assert (ended["error"], ended["cash"]) == (0, 100.0)
    assert row("END_ROUND").reference == "r-2/anna"
    assert partner.call("/bet.html", {**SPUN, "roundId": "r-2", "reference": "b-3"})["error"] == 120


# --- evolution --------------------------------------------------------------------------------


def table(round: str | None = "g-1") -> dict[str, Any]:
    return {"id": round, "type": "roulette", "details": {"table": {"id": "tbl-1", "vid": None}}}


def one_wallet(partner: Partner, name: str, session: str, **more: Any) -> Reply:
    named = {"sid": session, "userId": "anna", "uuid": "u-1", "currency": "EUR"}
    return partner.call(f"/{name}", {**named, **more})


def spent(reference: str, amount: str = "10.00", id: str = "t-1") -> dict[str, Any]:
    return {"id": id, "refId": reference, "amount": msgspec.Raw(amount.encode())}


def test_evolution_checks_a_session_and_opens_another(door: Door) -> None:
    partner = Partner(door, "evolution")
    session = partner.player()
    player = {"userId": "anna", "uuid": "u-1", "channel": {"type": "P"}}
    assert partner.call("/check", {**player, "sid": session}).json == {"status": "OK", "sid": session, "uuid": "u-1"}
    assert partner.call("/check", {**player, "sid": session, "userId": "berta"})["status"] == "INVALID_PARAMETER"
    opened = partner.call("/sid", {**player, "sid": ""})
    assert opened["status"] == "OK" and opened["sid"] != session and len(opened["sid"]) == 32
    assert partner.call("/check", {**player, "sid": opened["sid"]})["status"] == "OK"
    # In the currency of the newest, whatever the door knew before.
    scenario.player("anna", "500", currency="JPY")
    partner.session("anna", "JPY")
    assert partner.call("/sid", {**player, "currency": "EUR"})["status"] == "INVALID_PARAMETER"
    assert GameSession.objects.get(pk=partner.call("/sid", player)["sid"]).currency_id == "JPY"
    GameSession.objects.update(ended_at="2026-01-01T00:00:00Z")
    assert partner.call("/check", {**player, "sid": session})["status"] == "INVALID_SID"
    assert partner.call("/sid", player)["status"] == "OK"
    scenario.player("berta", "1.00")
    for stranger in ("berta", "nobody", "é"):
        assert partner.call("/sid", {**player, "userId": stranger})["status"] == "INVALID_PARAMETER"


def test_evolution_has_one_key_for_a_debit_its_credit_and_its_cancel(door: Door) -> None:
    partner = Partner(door, "evolution")
    session = partner.player()
    debit = one_wallet(partner, "debit", session, game=table(), transaction=spent("ref-1"))
    assert (debit["status"], debit["balance"], debit["retransmission"]) == ("OK", 90.0, False)
    assert (row("BET").round, row("BET").game, row("BET").reference) == ("g-1", "tbl-1", "ref-1")
    credit = one_wallet(partner, "credit", session, game=table(), transaction=spent("ref-1", "4.00", "t-2"))
    assert (credit["status"], credit["balance"], row("WIN").ends_round) == ("OK", 94.0, False)
    for amount in ("4.00", "5.00"):
        again = one_wallet(partner, "credit", session, game=table(), transaction=spent("ref-1", amount, "t-3"))
        assert (again["status"], again["balance"]) == ("BET_ALREADY_SETTLED", 94.0)
    for amount in ("10.00", "9.00"):
        again = one_wallet(partner, "debit", session, game=table(), transaction=spent("ref-1", amount, "t-4"))
        assert (again["status"], again["balance"]) == ("BET_ALREADY_EXIST", 94.0)
    assert (
        one_wallet(partner, "cancel", session, game=table(), transaction=spent("ref-1"))["status"]
        == "BET_ALREADY_SETTLED"
    )
    # Another debit of the same game is settled by its own credit.
    assert one_wallet(partner, "debit", session, game=table(), transaction=spent("ref-2"))["status"] == "OK"
    lost = one_wallet(partner, "credit", session, game=table(), transaction=spent("ref-3", "1.00"))
    assert (lost["status"], lost["balance"]) == ("BET_DOES_NOT_EXIST", 84.0)
    # The kind of game, where there is no table.
    lobby = {"id": "g-2", "type": "blackjack"}
    assert one_wallet(partner, "debit", session, game=lobby, transaction=spent("ref-4"))["status"] == "OK"
    assert row("BET", reference="ref-4").game == "blackjack"


def test_evolution_cancels_once_and_knows_no_bet_that_was_refused(door: Door) -> None:
    partner = Partner(door, "evolution")
    session = partner.player()
    one_wallet(partner, "debit", session, game=table(), transaction=spent("ref-1"))
    for _ in range(2):
        cancel = one_wallet(partner, "cancel", session, game=table("other"), transaction=spent("ref-1", "3.00"))
        assert (cancel["status"], cancel["balance"]) == ("OK", 100.0)
    assert (
        one_wallet(partner, "debit", session, game=table(), transaction=spent("ref-2", "100.01"))["status"]
        == "INSUFFICIENT_FUNDS"
    )
    for reference in ("ref-2", "nothing"):
        cancel = one_wallet(partner, "cancel", session, game=table(), transaction=spent(reference))
        assert (cancel["status"], cancel["balance"]) == ("BET_DOES_NOT_EXIST", 100.0)
        credit = one_wallet(partner, "credit", session, game=table(), transaction=spent(reference))
        assert credit["status"] in ("BET_DOES_NOT_EXIST", "BET_ALREADY_SETTLED")
    assert cash() == 10000


def test_evolution_pays_promotions_of_every_kind_once(door: Door) -> None:
    partner = Partner(door, "evolution")
    session = partner.player()
    for number, (kind, source) in enumerate(
        (("JackpotWin", "jackpot"), ("FreeRoundPlayableSpent", "promo"), ("New", "promo"))
    ):
        paid = {"type": kind, "id": f"p-{number}", "amount": msgspec.Raw(b"1.00")}
        assert one_wallet(partner, "promo_payout", session, game=None, promoTransaction=paid)["status"] == "OK"
        assert one_wallet(partner, "promo_payout", session, promoTransaction=paid)["status"] == "BET_ALREADY_SETTLED"
        win = row("WIN", reference=f"p-{number}")
        assert (win.win_source, win.round, win.game) == (source, None, None)
    assert cash() == 10300


def test_evolution_wants_what_a_call_needs(door: Door) -> None:
    partner = Partner(door, "evolution")
    partner.player()
    for kind in ("bet", "win", "undo", "balance"):
        _, path, fields = said(partner, kind)
        path = path.partition("?")[0]
        for name in (
            "sid",
            "userId",
            "uuid",
            "currency",
            "transaction",
            *(("game",) if kind in ("bet", "win") else ()),
        ):
            if name in fields:
                for bad in ({**fields, name: None}, {each: fields[each] for each in fields if each != name}):
                    assert partner.call(path, bad)["status"] == "INVALID_PARAMETER", (kind, name)
    _, path, fields = said(partner, "bet")
    for game in ({"id": None, "type": "x"}, {"id": "g"}, {"id": "g", "type": 5, "details": []}, []):
        assert partner.call(path.partition("?")[0], {**fields, "game": game})["status"] == "INVALID_PARAMETER"
    assert cash() == 10000
    assert json.loads(partner.ask("bet", "ok").body, parse_float=Decimal)["balance"] == Decimal("90.00")
