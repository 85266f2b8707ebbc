"""What stands in the way of an act: said in words, kept in the trail, and nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, OperationalError
from django.db.models import Model
from django.test import Client

from bonus.models import Bonus, Offer
from bonus.offers import create_offer
from casino_pam.engine import approvals, posting
from tests import bonus_scenario, operators, scenario
from tests.backoffice import action_scenario
from tests.backoffice.action_scenario import DAY, balances, excluded, gifts, locks, player, row, wallet
from tests.sample_offers import CASHBACK
from tests.scenario import eur
from wallet import audit
from wallet.errors import Busy
from wallet.models import Approval, AuditEntry, Currency, Player, Transaction


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    action_scenario.furnish()


def refused(client: Client, act: str, it: Model, **fields: Any) -> str:
    """The refusal in words; nothing has changed, and the trail knows."""
    standing, rows = balances(), Transaction.objects.filter(status="POSTED").count()
    answer = action_scenario.acted(client, act, it, **fields)
    assert 400 <= answer.status_code < 500
    assert (balances(), Transaction.objects.filter(status="POSTED").count()) == (standing, rows)
    said = action_scenario.told(answer)
    entry = AuditEntry.objects.filter(act=act).latest("id")
    assert entry.outcome not in ("done", "waits")
    assert entry.after == {"said": said}
    # It would be refused for ever under the reference it was sent with.
    assert answer.context["form"].data["reference"] != entry.reference
    assert entry.reference
    return said


def test_no_more_is_taken_than_there_is():
    said = refused(operators.sue(), "adjust", wallet(), amount="-75.01")
    assert said == "There is not that much money: the wallet has 75.00 EUR of cash and 30.00 of bonus money."


@pytest.mark.parametrize("amount", ["", "0", "1.001", "1e3", "+1", "one", "1,00", "9" * 40])
def test_a_malformed_amount_is_told_to_its_field(amount):
    answer = action_scenario.acted(operators.sue(), "adjust", wallet(), amount=amount)
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["amount"])
    assert balances() == (7500, 3000, 2000)


@pytest.mark.parametrize("reason", ["", " ", "\u00a0\u2003", "\t", "\x07"])
@pytest.mark.parametrize(("act", "fields"), [("adjust", {"amount": "1.00"}), ("forfeit", {}), ("exclude", DAY)])
def test_a_blank_reason_is_no_reason(act, fields, reason):
    subjects = {"adjust": wallet, "forfeit": bonus_scenario.the, "exclude": player}
    answer = action_scenario.acted(operators.sue(), act, subjects[act](), **fields, reason=reason)
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["reason"])
    assert (balances(), gifts(), excluded()) == ((7500, 3000, 2000), ["active"], False)


def test_a_withdrawal_ends_one_way_only():
    client = operators.sue()
    held = row("h-1", "HOLD")()
    form = action_scenario.opened(client, "release", held)
    action_scenario.acted(client, "settle", held)
    answer = action_scenario.sent(client, "release", held, {**form, "why": "other", "reason": "because"})
    assert (answer.status_code, action_scenario.told(answer)) == (
        409,
        "The withdrawal was paid meanwhile; it can no longer be released.",
    )
    page = client.get(action_scenario.address("release", held))
    assert "The withdrawal was paid before." in page.content.decode()


def test_settling_what_a_colleague_has_settled_says_so_and_moves_nothing():
    held = row("h-1", "HOLD")()
    second = action_scenario.olga("wallet.settle_withdrawal", name="otto")
    form = action_scenario.opened(second, "settle", held)
    action_scenario.acted(action_scenario.olga("wallet.settle_withdrawal"), "settle", held)
    action_scenario.sent(second, "settle", held, form)
    entries = AuditEntry.objects.filter(act="settle").order_by("id")
    assert [(entry.actor, entry.outcome) for entry in entries] == [("olga", "done"), ("otto", "repeated")]
    assert Transaction.objects.filter(kind="SETTLE").get().actor == "olga"


def test_a_bet_that_was_paid_is_rolled_back_after_its_wins():
    scenario.profile(rollback_after_win="refuse")
    client = operators.sue()
    assert "Roll its wins back first" in refused(client, "roll-back", row("b-1", "BET")())
    action_scenario.acted(client, "roll-back", row("w-1", "WIN")())
    action_scenario.acted(client, "roll-back", row("b-1", "BET")())
    assert balances() == (8000, 3000, 2000)


def test_a_rollback_by_hand_stands_in_the_provider_s_name():
    action_scenario.acted(action_scenario.olga("wallet.rollback_bet"), "roll-back", row("b-1", "BET")())
    undone = Transaction.objects.get(kind="ROLLBACK")
    assert (undone.source, undone.actor, undone.reason) == ("acme", "olga", "because")
    assert undone.reference.startswith("operator-")
    assert scenario.bet("bob", reference="b-1").code == "rolled_back"
    assert scenario.rollback("b-1", "bob").code == "already_rolled_back"


def test_a_rollback_by_hand_of_a_reference_scoped_to_its_player():
    scenario.profile(reference_scope="player")
    scenario.bet("bob", "1.00", reference="bob\x1fmine", round="round-2")
    action_scenario.acted(operators.sue(), "roll-back", Transaction.objects.get(reference="bob\x1fmine"))
    undone = Transaction.objects.get(kind="ROLLBACK")
    assert undone.reference.startswith("bob\x1foperator-")
    assert (undone.original, balances()) == ("bob\x1fmine", (7500, 3000, 2000))


def test_a_win_the_player_has_spent_is_not_taken_back():
    scenario.bet("bob", "75.00", round="round-2")
    scenario.bet("bob", "28.00", round="round-3")
    said = refused(operators.sue(), "roll-back", row("w-1", "WIN")())
    assert said == "There is not that much money: the wallet has 0.00 EUR of cash and 2.00 of bonus money."


def test_an_offer_the_player_may_not_have_is_refused_with_its_reason():
    client = operators.sue()
    bonus_scenario.grant()
    assert refused(client, "grant", wallet(), offer="gift") == (
        "The player has had this offer as often as it may be had."
    )
    Player.objects.update(deposit_locked=True)
    assert "deposits are locked" in refused(client, "grant", wallet(), offer="gift")


def test_an_offer_of_another_currency_cannot_be_chosen():
    bonus_scenario.gift("5.00", code="off", enabled=False)
    answer = action_scenario.acted(operators.sue(), "grant", wallet(), offer="off")
    assert list(answer.context["form"].errors) == ["offer"]


def test_a_cashback_needs_the_loss_and_nothing_else_takes_one():
    create_offer(CASHBACK)
    client = operators.sue()
    assert list(action_scenario.acted(client, "grant", wallet(), offer="cashback").context["form"].errors) == ["loss"]
    assert list(action_scenario.acted(client, "grant", wallet(), offer="gift", loss="5").context["form"].errors) == [
        "loss"
    ]
    assert action_scenario.acted(client, "grant", wallet(), offer="cashback", loss="100.00").status_code == 302
    assert bonus_scenario.the("cashback").amount == eur("10.00")


def test_an_ended_bonus_is_left_as_it_ended():
    client = operators.sue()
    bonus = bonus_scenario.the()
    forms = {act: action_scenario.opened(client, act, bonus) for act in ("forfeit", "extend", "complete")}
    bonus_scenario.forfeit(bonus.id)
    for act, form in forms.items():
        answer = action_scenario.sent(client, act, bonus, {**form, "reason": "because", **DAY})
        assert (answer.status_code, action_scenario.told(answer)) == (
            409,
            "The bonus has ended meanwhile: it is forfeited.",
        )
        assert "The bonus is forfeited" in client.get(action_scenario.address(act, bonus)).content.decode()


def test_a_bonus_that_waits_is_cancelled_and_cannot_be_completed():
    bonus_scenario.grant()
    client, bonus = operators.sue(), bonus_scenario.the()
    assert "only an active one has money" in client.get(action_scenario.address("complete", bonus)).content.decode()
    action_scenario.acted(client, "forfeit", bonus)
    assert gifts() == ["active", "cancelled"]


def test_an_exclusion_is_made_longer_and_never_shorter():
    client = operators.sue()
    action_scenario.acted(client, "exclude", player(), **DAY)
    said = refused(client, "cool-off", player(), days="1")
    assert said == "The player is already excluded for longer, until 2099-01-01 12:00:00 UTC."
    action_scenario.acted(client, "exclude", player(), until_0="2100-01-01", until_1="12:00:00")
    assert player().excluded_until.year == 2100


@pytest.mark.parametrize("day", ["2020-01-01", "9999-01-01", "soon"])
def test_an_exclusion_ends_in_a_future_people_can_mean(day):
    answer = action_scenario.acted(operators.sue(), "exclude", player(), until_0=day, until_1="12:00:00")
    assert (answer.status_code, excluded()) == (400, False)


def test_an_exclusion_cancels_the_bonuses_that_wait():
    bonus_scenario.grant()
    action_scenario.acted(operators.sue(), "cool-off", player(), days="1")
    assert gifts() == ["active", "cancelled"]


def test_a_lock_set_by_a_colleague_meanwhile_stays():
    client = operators.sue()
    form = action_scenario.opened(client, "lock", player())
    Player.objects.update(withdraw_locked=True)
    action_scenario.sent(client, "lock", player(), {**form, "reason": "because", "locks": ["bet"]})
    assert locks() == (True, False, True)


def test_a_form_whose_reference_was_spent_on_another_row_is_refused():
    scenario.alice()
    client = operators.sue()
    form = {**action_scenario.opened(client, "lock", player()), "reason": "because", "locks": ["bet"]}
    action_scenario.sent(client, "lock", player(), form)
    answer = action_scenario.sent(client, "lock", Player.objects.get(code="alice"), form)
    assert (answer.status_code, Player.objects.get(code="alice").bet_locked) == (409, False)
    money = {**action_scenario.opened(client, "adjust", wallet()), "reason": "because", "amount": "1.00"}
    action_scenario.sent(client, "adjust", wallet(), money)
    assert action_scenario.sent(client, "adjust", wallet(), {**money, "amount": "2.00"}).status_code == 409
    assert balances() == (7600, 3000, 2000)


def test_what_the_books_could_not_take_keeps_its_reference(monkeypatch):
    client = operators.sue()
    form = {**action_scenario.opened(client, "settle", row("h-1", "HOLD")())}

    def lost(command: Any, *_: Any) -> Any:
        raise Busy("unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("casino_pam.engine.posting.execute", lost)
        answer = action_scenario.sent(client, "settle", row("h-1", "HOLD")(), form)
    assert (answer.status_code, answer.context["form"].data["reference"]) == (503, form["reference"])
    assert "acts once" in action_scenario.told(answer)
    assert action_scenario.sent(client, "settle", row("h-1", "HOLD")(), form).status_code == 302
    assert AuditEntry.objects.filter(act="settle", reference=form["reference"]).count() == 2


# The first writes its row of the trail itself, beside what it does; for the others the page does.
BY_PAGE = {
    "lock": (player, {"locks": ["bet"]}),
    "copy": (lambda: Offer.objects.get(code="gift"), {"code": "gift-again"}),
}


@pytest.mark.parametrize("act", BY_PAGE)
def test_an_act_is_undone_when_its_row_of_the_trail_cannot_be_written(monkeypatch, act):
    subject, fields = BY_PAGE[act]
    client = operators.sue()
    form = {**action_scenario.opened(client, act, subject()), "reason": "because", **fields}

    def fails(*_: Any, **__: Any) -> None:
        raise DatabaseError("no room")

    monkeypatch.setattr(audit, "named", fails)
    with pytest.raises(DatabaseError):
        action_scenario.sent(client, act, subject(), form)
    assert (locks(), Offer.objects.filter(code="gift-again").exists()) == ((False, False, False), False)


# Each of these is one command of the engine, whose transaction the row of the trail is written in.
BY_COMMAND = {
    "adjust": (wallet, {"amount": "-5.00"}),
    "grant": (wallet, {"offer": "gift"}),
    "settle": (row("h-1", "HOLD"), {}),
    "release": (row("h-1", "HOLD"), {"why": "other"}),
    "roll-back": (row("b-1", "BET"), {}),
    "forfeit": (bonus_scenario.the, {}),
    "extend": (bonus_scenario.the, DAY),
    "complete": (bonus_scenario.the, {}),
}


@pytest.mark.parametrize("act", BY_COMMAND)
def test_a_command_is_not_posted_when_its_row_of_the_trail_cannot_be_written(monkeypatch, act):
    subject, fields = BY_COMMAND[act]
    client = operators.sue()
    form = {**action_scenario.opened(client, act, subject()), "reason": "because", **fields}
    before = balances(), Transaction.objects.count(), list(Bonus.objects.order_by("id").values())

    def fails(*_: Any) -> None:
        raise OperationalError("no room")

    with monkeypatch.context() as full:
        full.setattr(audit, "_insert", fails)
        full.setattr(posting, "PATIENCE_SECONDS", 0.1)
        with pytest.raises(OperationalError):
            # Nor can the refusal be noted.
            action_scenario.sent(client, act, subject(), form)
    assert (balances(), Transaction.objects.count(), list(Bonus.objects.order_by("id").values())) == before
    assert action_scenario.sent(client, act, subject(), form).status_code == 302
    assert AuditEntry.objects.get(act=act).outcome == "done"


# --- two people ----------------------------------------------------------------------------------


@pytest.fixture
def strict() -> None:
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"))


def test_a_large_adjustment_waits_for_a_second_operator(strict):
    client = operators.sue()
    form = {**action_scenario.opened(client, "adjust", wallet()), "reason": "a goodwill", "amount": "20.01"}
    first, second = (action_scenario.sent(client, "adjust", wallet(), form) for _ in range(2))
    assert action_scenario.told(first) == action_scenario.told(second)
    assert "is pending: a second operator decides" in action_scenario.told(first)
    approval = Approval.objects.get()
    assert (approval.author, approval.amount, approval.reason, balances()) == (
        "sue",
        eur("20.01"),
        "a goodwill",
        (7500, 3000, 2000),
    )
    assert [entry.outcome for entry in AuditEntry.objects.filter(act="adjust")] == ["waits"]


def test_an_adjustment_turned_down_stays_down_when_its_form_is_sent_again(strict):
    client = operators.sue()
    form = {**action_scenario.opened(client, "adjust", wallet()), "reason": "a goodwill", "amount": "20.01"}
    action_scenario.sent(client, "adjust", wallet(), form)
    approvals.reject(Approval.objects.get(), "otto", "no")
    answer = action_scenario.sent(client, "adjust", wallet(), form)
    assert action_scenario.told(answer) == "The adjustment of 20.01 EUR was rejected by otto; nothing was posted."
    assert balances() == (7500, 3000, 2000)


def test_a_large_completion_waits_for_a_second_operator(strict):
    answer = action_scenario.acted(operators.sue(), "complete", bonus_scenario.the())
    assert "is pending: a second operator decides" in action_scenario.told(answer)
    assert (Approval.objects.get().bonus, gifts()) == (bonus_scenario.the().pk, ["active"])


def test_a_large_grant_waits_for_a_second_operator(strict):
    answer = action_scenario.acted(operators.sue(), "grant", wallet(), offer="gift")
    assert "is pending" in action_scenario.told(answer)
    assert gifts() == ["active", "pending"]
