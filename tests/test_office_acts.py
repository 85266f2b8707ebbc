"""Every act of the back office: once, twice under one reference, at once, refused, and not allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from bonus.models import Bonus
from casino_pam import approvals
from casino_pam.office import acting
from tests import bonuses, cast, office, operators
from tests.at_once import threads
from tests.cast import eur
from wallet.models import Approval, AuditEntry, Player, Transaction, Wallet, WalletLimits

# The gift of the house ends so many days after it was granted.
SPEND_DAYS = 3_000
ENDS = cast.NOON + SPEND_DAYS * cast.DAY
DAY = {"until_0": "2099-01-01", "until_1": "12:00:00"}


class Case(NamedTuple):
    """An act in the house below: on what, with which fields, and what it changes, once."""

    act: str
    row: Callable[[], Model]
    fields: dict[str, Any]
    effect: Callable[[], Any]
    before: Any
    after: Any


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


def balances() -> tuple[int, int, int]:
    return cast.balances("bob")


def limited() -> int | None:
    return WalletLimits.objects.values_list("stake_day", flat=True).first()


def gifts() -> list[str]:
    return list(Bonus.objects.filter(offer__code="gift").order_by("id").values_list("status", flat=True))


def expires() -> str:
    return f"{bonuses.the().expires_at:%Y-%m-%d}"


# Bob: 100.00 deposited, a bet of 10.00 (b-1) and a win of 5.00 (w-1), 20.00 held (h-1), a gift of 30.00 active.
CASES = [
    Case("lock", player, {"locks": ["bet", "withdraw"]}, locks, (False, True, False), (True, True, True)),
    Case("unlock", player, {"locks": ["deposit"]}, locks, (False, True, False), (False, False, False)),
    Case("cool-off", player, {"days": "7"}, excluded, False, True),
    Case("exclude", player, DAY, excluded, False, True),
    Case("lift", player, {}, excluded, True, False),
    Case("limit", wallet, {"stake_day": "50.00"}, limited, None, 5000),
    Case("adjust", wallet, {"amount": "-2.50"}, balances, (7500, 3000, 2000), (7250, 3000, 2000)),
    Case("grant", wallet, {"offer": "gift"}, gifts, ["active"], ["active", "queued"]),
    Case("settle", row("h-1", "HOLD"), {}, balances, (7500, 3000, 2000), (7500, 3000, 0)),
    Case("release", row("h-1", "HOLD"), {}, balances, (7500, 3000, 2000), (9500, 3000, 0)),
    Case("roll-back", row("b-1", "BET"), {}, balances, (7500, 3000, 2000), (8500, 3000, 2000)),
    Case("forfeit", bonuses.the, {}, balances, (7500, 3000, 2000), (7500, 0, 2000)),
    Case("extend", bonuses.the, DAY, expires, f"{cast.moment(ENDS):%Y-%m-%d}", "2099-01-01"),
    Case("complete", bonuses.the, {}, balances, (7500, 3000, 2000), (10500, 0, 2000)),
]
every = pytest.mark.parametrize("case", CASES, ids=[case.act for case in CASES])


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    cast.house()
    cast.bob("100.00")
    cast.profile(rollback_after_win="allow")
    cast.bet("bob", reference="b-1")
    cast.win("bob", "5.00", reference="w-1")
    cast.hold("bob", "20.00", reference="h-1")
    bonuses.gift("30.00", per_player=2, spend_days=SPEND_DAYS)
    bonuses.grant()


def prepared(case: Case) -> None:
    """What the act needs to find."""
    if case.act == "lift":
        Player.objects.update(excluded_until=cast.moment(ENDS))
    if case.act in ("lock", "unlock"):
        Player.objects.update(deposit_locked=True)


def permission(case: Case) -> str:
    return next(act.permission for act in acting.ACTS if act.name == case.act)


def operator(case: Case) -> Client:
    return office.olga(permission(case))


def trail(case: Case) -> list[tuple[str, str, str, str]]:
    entries = AuditEntry.objects.filter(act=case.act).order_by("id")
    return [(entry.actor, entry.player or "", entry.reason, entry.outcome) for entry in entries]


def test_every_act_has_a_case():
    assert {case.act for case in CASES} == {act.name for act in acting.ACTS}


@every
def test_an_act_is_explained_first_and_done_once(case: Case) -> None:
    prepared(case)
    client = operator(case)
    assert case.effect() == case.before
    page = client.get(office.address(case.act, case.row()))
    assert escape(page.context["effect"]) in page.content.decode()
    assert case.effect() == case.before
    answer = office.acted(client, case.act, case.row(), **case.fields)
    assert (answer.status_code, answer.headers["Location"]) == (
        302,
        reverse("admin:wallet_player_change", args=[player().pk]),
    )
    assert office.told(answer)
    assert case.effect() == case.after
    assert trail(case) == [("olga", "bob", "because", "done")]
    entry = AuditEntry.objects.get(act=case.act)
    assert entry.before != entry.after
    assert entry.reference


@every
def test_the_same_form_sent_twice_acts_once_and_says_the_same(case: Case) -> None:
    prepared(case)
    client = operator(case)
    form = {**office.opened(client, case.act, case.row()), "reason": "because", **case.fields}
    first, second = (office.sent(client, case.act, case.row(), form) for _ in range(2))
    assert (first.status_code, second.status_code) == (302, 302)
    assert office.told(first) == office.told(second)
    assert case.effect() == case.after
    assert trail(case) == [("olga", "bob", "because", "done")]


@every
def test_two_copies_of_a_form_at_once_act_once(case: Case) -> None:
    prepared(case)
    client = operator(case)
    form = {**office.opened(client, case.act, case.row()), "reason": "because", **case.fields}
    session = client.cookies

    def act() -> int:
        twin = Client()
        twin.cookies = session
        status: int = office.sent(twin, case.act, case.row(), form).status_code
        return status

    assert threads([act] * 4) == [302] * 4
    assert case.effect() == case.after
    assert trail(case) == [("olga", "bob", "because", "done")]


@every
def test_who_lacks_the_one_permission_is_refused_and_that_is_audited(case: Case) -> None:
    prepared(case)
    others = {act.permission for act in acting.ACTS} - {permission(case)}
    client = office.olga(*others)
    address = office.address(case.act, case.row())
    assert client.get(address).status_code == 403
    assert client.post(address, {"reason": "because", **case.fields}).status_code == 403
    assert case.effect() == case.before
    refused = AuditEntry.objects.filter(actor="olga", outcome="refused")
    assert [entry.subject for entry in refused.order_by("id")] == [f"GET {address}", f"POST {address}"]


@every
def test_a_post_without_its_csrf_token_is_refused(case: Case) -> None:
    prepared(case)
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("sue"), backend="django.contrib.auth.backends.ModelBackend")
    form = {**office.opened(client, case.act, case.row()), "reason": "because", **case.fields}
    assert office.sent(client, case.act, case.row(), form).status_code == 403
    assert case.effect() == case.before


@every
def test_a_form_without_its_reference_or_its_reason_acts_on_nothing(case: Case) -> None:
    prepared(case)
    client = operator(case)
    without = office.sent(client, case.act, case.row(), {"reason": "because", **case.fields})
    crooked = office.sent(client, case.act, case.row(), {"reference": "x", "reason": "because", **case.fields})
    assert (without.status_code, crooked.status_code) == (400, 400)
    two_lines = office.acted(client, case.act, case.row(), **{**case.fields, "reason": "one\u2028two"})
    assert two_lines.status_code == 400
    if case.act not in ("settle", "grant"):
        assert office.acted(client, case.act, case.row(), **{**case.fields, "reason": " "}).status_code == 400
    assert case.effect() == case.before
    assert trail(case) == []


@every
def test_a_stranger_is_led_to_the_log_in(case: Case) -> None:
    address = office.address(case.act, case.row())
    assert "/admin/login/" in Client().post(address, case.fields).headers["Location"]


def test_what_is_not_there_is_not_found():
    client = operators.sue()
    for act in acting.ACTS:
        key = "0" if act.subject.key == "int" else "01900000-0000-7000-8000-000000000001"
        assert client.get(f"/admin/office/{act.subject.name}/{key}/{act.name}/").status_code == 404
        assert client.get(f"/admin/office/{act.subject.name}/x/{act.name}/").status_code == 404


# --- what stands in the way ----------------------------------------------------------------------


def refused(client: Client, act: str, it: Model, **fields: Any) -> str:
    """The refusal in words; nothing has changed, and the trail knows."""
    standing, rows = balances(), Transaction.objects.filter(status="POSTED").count()
    answer = office.acted(client, act, it, **fields)
    assert 400 <= answer.status_code < 500
    assert (balances(), Transaction.objects.filter(status="POSTED").count()) == (standing, rows)
    said = office.told(answer)
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
    answer = office.acted(operators.sue(), "adjust", wallet(), amount=amount)
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["amount"])
    assert balances() == (7500, 3000, 2000)


def test_a_withdrawal_ends_one_way_only():
    client = operators.sue()
    held = row("h-1", "HOLD")()
    form = office.opened(client, "release", held)
    office.acted(client, "settle", held)
    answer = office.sent(client, "release", held, {**form, "reason": "because"})
    assert (answer.status_code, office.told(answer)) == (
        409,
        "The withdrawal was paid meanwhile; it can no longer be released.",
    )
    page = client.get(office.address("release", held))
    assert "The withdrawal was paid before." in page.content.decode()


def test_settling_what_a_colleague_has_settled_says_so_and_moves_nothing():
    held = row("h-1", "HOLD")()
    second = office.olga("wallet.settle_withdrawal", name="otto")
    form = office.opened(second, "settle", held)
    office.acted(office.olga("wallet.settle_withdrawal"), "settle", held)
    office.sent(second, "settle", held, form)
    entries = AuditEntry.objects.filter(act="settle").order_by("id")
    assert [(entry.actor, entry.outcome) for entry in entries] == [("olga", "done"), ("otto", "repeated")]
    assert Transaction.objects.filter(kind="SETTLE").get().actor == "olga"


def test_a_bet_that_was_paid_is_rolled_back_after_its_wins():
    cast.profile(rollback_after_win="refuse")
    client = operators.sue()
    assert "Roll its wins back first" in refused(client, "roll-back", row("b-1", "BET")())
    office.acted(client, "roll-back", row("w-1", "WIN")())
    office.acted(client, "roll-back", row("b-1", "BET")())
    assert balances() == (8000, 3000, 2000)


def test_a_rollback_by_hand_stands_in_the_provider_s_name():
    office.acted(office.olga("wallet.rollback_bet"), "roll-back", row("b-1", "BET")())
    undone = Transaction.objects.get(kind="ROLLBACK")
    assert (undone.source, undone.actor, undone.reason) == ("acme", "olga", "because")
    assert undone.reference.startswith("operator-")
    assert cast.bet("bob", reference="b-1").code == "rolled_back"
    assert cast.rollback("b-1", "bob").code == "already_rolled_back"


def test_a_rollback_by_hand_of_a_reference_scoped_to_its_player():
    cast.profile(reference_scope="player")
    cast.bet("bob", "1.00", reference="bob\x1fmine", round="round-2")
    office.acted(operators.sue(), "roll-back", Transaction.objects.get(reference="bob\x1fmine"))
    undone = Transaction.objects.get(kind="ROLLBACK")
    assert undone.reference.startswith("bob\x1foperator-")
    assert (undone.original, balances()) == ("bob\x1fmine", (7500, 3000, 2000))


def test_a_win_the_player_has_spent_is_not_taken_back():
    cast.bet("bob", "75.00", round="round-2")
    cast.bet("bob", "28.00", round="round-3")
    said = refused(operators.sue(), "roll-back", row("w-1", "WIN")())
    assert said == "There is not that much money: the wallet has 0.00 EUR of cash and 2.00 of bonus money."


def test_an_offer_the_player_may_not_have_is_refused_with_its_reason():
    client = operators.sue()
    bonuses.grant()
    assert refused(client, "grant", wallet(), offer="gift") == (
        "The player has had this offer as often as it may be had."
    )
    Player.objects.update(deposit_locked=True)
    assert "deposits are locked" in refused(client, "grant", wallet(), offer="gift")


def test_an_offer_of_another_currency_cannot_be_chosen():
    bonuses.gift("5.00", code="off", enabled=False)
    answer = office.acted(operators.sue(), "grant", wallet(), offer="off")
    assert list(answer.context["form"].errors) == ["offer"]


def test_a_cashback_needs_the_loss_and_nothing_else_takes_one():
    from bonus.offers import create_offer
    from tests.offers import CASHBACK

    create_offer(CASHBACK)
    client = operators.sue()
    assert list(office.acted(client, "grant", wallet(), offer="cashback").context["form"].errors) == ["loss"]
    assert list(office.acted(client, "grant", wallet(), offer="gift", loss="5").context["form"].errors) == ["loss"]
    assert office.acted(client, "grant", wallet(), offer="cashback", loss="100.00").status_code == 302
    assert bonuses.the("cashback").amount == eur("10.00")


def test_an_ended_bonus_is_left_as_it_ended():
    client = operators.sue()
    bonus = bonuses.the()
    forms = {act: office.opened(client, act, bonus) for act in ("forfeit", "extend", "complete")}
    bonuses.forfeit(bonus.id)
    for act, form in forms.items():
        answer = office.sent(client, act, bonus, {**form, "reason": "because", **DAY})
        assert (answer.status_code, office.told(answer)) == (409, "The bonus has ended meanwhile: it is forfeited.")
        assert "The bonus is forfeited" in client.get(office.address(act, bonus)).content.decode()


def test_a_bonus_that_waits_is_cancelled_and_cannot_be_completed():
    bonuses.grant()
    client, bonus = operators.sue(), bonuses.the()
    assert "only an active one has money" in client.get(office.address("complete", bonus)).content.decode()
    office.acted(client, "forfeit", bonus)
    assert gifts() == ["active", "cancelled"]


def test_an_exclusion_is_made_longer_and_never_shorter():
    client = operators.sue()
    office.acted(client, "exclude", player(), **DAY)
    said = refused(client, "cool-off", player(), days="1")
    assert said == "The player is already excluded for longer, until 2099-01-01 12:00:00 UTC."
    office.acted(client, "exclude", player(), until_0="2100-01-01", until_1="12:00:00")
    assert player().excluded_until.year == 2100


@pytest.mark.parametrize("day", ["2020-01-01", "9999-01-01", "soon"])
def test_an_exclusion_ends_in_a_future_people_can_mean(day):
    answer = office.acted(operators.sue(), "exclude", player(), until_0=day, until_1="12:00:00")
    assert (answer.status_code, excluded()) == (400, False)


def test_an_exclusion_cancels_the_bonuses_that_wait():
    bonuses.grant()
    office.acted(operators.sue(), "cool-off", player(), days="1")
    assert gifts() == ["active", "cancelled"]


def test_a_lock_set_by_a_colleague_meanwhile_stays():
    client = operators.sue()
    form = office.opened(client, "lock", player())
    Player.objects.update(withdraw_locked=True)
    office.sent(client, "lock", player(), {**form, "reason": "because", "locks": ["bet"]})
    assert locks() == (True, False, True)


def test_a_form_whose_reference_was_spent_on_another_row_is_refused():
    cast.alice()
    client = operators.sue()
    form = {**office.opened(client, "lock", player()), "reason": "because", "locks": ["bet"]}
    office.sent(client, "lock", player(), form)
    answer = office.sent(client, "lock", Player.objects.get(code="alice"), form)
    assert (answer.status_code, Player.objects.get(code="alice").bet_locked) == (409, False)
    money = {**office.opened(client, "adjust", wallet()), "reason": "because", "amount": "1.00"}
    office.sent(client, "adjust", wallet(), money)
    assert office.sent(client, "adjust", wallet(), {**money, "amount": "2.00"}).status_code == 409
    assert balances() == (7600, 3000, 2000)


def test_what_the_books_could_not_take_keeps_its_reference(monkeypatch):
    from wallet.errors import Busy

    client = operators.sue()
    form = {**office.opened(client, "settle", row("h-1", "HOLD")())}

    def lost(command: Any) -> Any:
        raise Busy("unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("casino_pam.teller.carry_out", lost)
        answer = office.sent(client, "settle", row("h-1", "HOLD")(), form)
    assert (answer.status_code, answer.context["form"].data["reference"]) == (503, form["reference"])
    assert "acts once" in office.told(answer)
    assert office.sent(client, "settle", row("h-1", "HOLD")(), form).status_code == 302
    assert AuditEntry.objects.filter(act="settle", reference=form["reference"]).count() == 2


# --- two people ----------------------------------------------------------------------------------


@pytest.fixture
def strict() -> None:
    wallet().currency.__class__.objects.filter(code="EUR").update(approval_above=eur("20.00"))


def test_a_large_adjustment_waits_for_a_second_operator(strict):
    client = operators.sue()
    form = {**office.opened(client, "adjust", wallet()), "reason": "a goodwill", "amount": "20.01"}
    first, second = (office.sent(client, "adjust", wallet(), form) for _ in range(2))
    assert office.told(first) == office.told(second)
    assert "is pending: a second operator decides" in office.told(first)
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
    form = {**office.opened(client, "adjust", wallet()), "reason": "a goodwill", "amount": "20.01"}
    office.sent(client, "adjust", wallet(), form)
    approvals.reject(Approval.objects.get(), "otto", "no")
    answer = office.sent(client, "adjust", wallet(), form)
    assert office.told(answer) == "The adjustment of 20.01 EUR was rejected by otto; nothing was posted."
    assert balances() == (7500, 3000, 2000)


def test_a_large_completion_waits_for_a_second_operator(strict):
    answer = office.acted(operators.sue(), "complete", bonuses.the())
    assert "is pending: a second operator decides" in office.told(answer)
    assert (Approval.objects.get().bonus, gifts()) == (bonuses.the().pk, ["active"])


def test_a_large_grant_waits_for_a_second_operator(strict):
    answer = office.acted(operators.sue(), "grant", wallet(), offer="gift")
    assert "is pending" in office.told(answer)
    assert gifts() == ["active", "pending"]
