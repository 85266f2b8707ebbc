"""The second factor: how it is set up, asked for, spent, lost and reset."""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import pytest
import time_machine
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.urls import reverse

from casino_pam.backoffice import log_in
from tests import operators
from tests.operators import PASSWORD
from wallet import second_factor, second_person
from wallet.models import AuditEntry, OperatorSession, SecondFactor
from wallet.second_factor import Code

# Half a minute of its own, in which everything happens that is not told another.
NOW: Final = 1_800_000_000
STEP: Final = NOW // second_factor.STEP_SECONDS
KEY: Final = b"twenty bytes of a key"[:20]
SET_UP: Final = "/admin/office/account/second-factor/"


@pytest.fixture(autouse=True)
def clock(books: None) -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def fay() -> User:
    """An operator of finance with a second factor, whose last code was that of half a minute ago."""
    operator = User.objects.create_user("fay", password=PASSWORD, is_staff=True)
    operator.groups.add(Group.objects.get(name="finance"))
    second_factor.set_up(operator, KEY, STEP - 1)
    return operator


def code(step: int = STEP) -> str:
    return second_factor.code_of(KEY, step)


def password_given(name: str = "fay", address: str = "10.0.0.1") -> Client:
    client = Client(REMOTE_ADDR=address)
    answer = client.post("/admin/login/?next=/admin/wallet/player/", {"username": name, "password": PASSWORD})
    assert answer.headers["Location"] == "/admin/login/code/?next=/admin/wallet/player/"
    return client


def send(client: Client, text: str) -> Any:
    return client.post("/admin/login/code/?next=/admin/wallet/player/", {"code": text})


def acts(*outcomes: str) -> list[str]:
    found = AuditEntry.objects.order_by("id")
    return [entry.act for entry in (found.filter(outcome__in=outcomes) if outcomes else found)]


# --- logging in -----------------------------------------------------------------------------------


def test_the_password_alone_opens_nothing(fay: User):
    client = password_given()
    for path in ("/admin/", "/admin/wallet/player/", "/admin/office/account/"):
        assert client.get(path).headers["Location"].startswith("/admin/login/"), path
    assert client.get("/admin/login/code/").status_code == 200
    assert (OperatorSession.objects.filter(operator=fay).count(), acts()) == (0, [])


def test_the_code_of_the_app_opens_the_page_that_was_asked_for(fay: User):
    client = password_given()
    assert send(client, f"{code()[:3]} {code()[3:]}").headers["Location"] == "/admin/wallet/player/"
    assert client.get("/admin/wallet/player/").status_code == 200
    assert acts("done") == ["log in"]


@pytest.mark.parametrize("text", ["", "000000", "x" * 64, "ünïcödé", "12345", "0" * 16])
def test_a_wrong_code_opens_nothing_and_is_told(fay: User, text: str):
    client = password_given()
    answer = send(client, text)
    assert (answer.status_code, 'role="alert"' in answer.content.decode()) == (200, True)
    assert client.get("/admin/").status_code == 302


def test_each_code_is_good_once(fay: User):
    assert send(password_given(), code()).status_code == 302
    assert send(password_given(), code()).status_code == 200
    # Nor is one of before, though its half-minute may still be tolerated.
    assert send(password_given(), code(STEP - 1)).status_code == 200
    assert send(password_given(), code(STEP + 1)).status_code == 302


def test_a_clock_may_be_half_a_minute_off(fay: User):
    assert second_factor.accept(fay, code(STEP - 2)) is Code.WRONG
    assert second_factor.accept(fay, code(STEP + 2)) is Code.WRONG
    assert second_factor.accept(fay, code(STEP)) is Code.OF_THE_APP
    assert second_factor.accept(fay, code(STEP + 1)) is Code.OF_THE_APP


def at_once(act: Callable[[], Any], hands: int = 8) -> list[Any]:
    results: list[Any] = []
    together = threading.Barrier(hands)

    def working() -> None:
        together.wait()
        try:
            results.append(act())
        finally:
            connection.close()

    threads = [threading.Thread(target=working) for _ in range(hands)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_code_sent_by_many_at_once_lets_one_in(fay: User, monkeypatch: pytest.MonkeyPatch):
    recovery = second_factor.renew_recovery(fay)[0]
    for text in (code(), recovery):
        found = at_once(lambda text=text: second_factor.accept(fay, text))
        assert sum(each is not Code.WRONG for each in found) == 1
    # With the guard off, which is the condition of the UPDATE, it lets all of them in.
    monkeypatch.setattr(second_factor, "_spend_step", lambda factor, step: True)
    SecondFactor.objects.update(wrong=0)
    assert at_once(lambda: second_factor.accept(fay, code())) == [Code.OF_THE_APP] * 8


def test_five_wrong_codes_lock_out_as_wrong_passwords_do(fay: User):
    client = password_given()
    assert [send(client, "000000").status_code for _ in range(5)] == [200, 200, 200, 200, 429]
    assert send(client, code()).status_code == 429
    assert (
        Client(REMOTE_ADDR="10.0.0.1").post("/admin/login/", {"username": "fay", "password": PASSWORD}).status_code
        == 429
    )
    assert sorted(acts("refused")) == ["lock out"] + ["log in"] * 5
    # Elsewhere it still gets in, and what was tried is kept nowhere.
    assert send(password_given(address="10.0.0.2"), code()).status_code == 302
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(post_data, '') FROM axes_accessattempt")
        assert "000000" not in cursor.fetchone()[0]


def test_the_right_password_between_wrong_codes_does_not_begin_the_count_anew(fay: User):
    answers = [send(password_given(), "000000").status_code for _ in range(5)]
    assert answers == [200, 200, 200, 200, 429]


def test_after_fifty_wrong_codes_from_anywhere_only_a_recovery_code_opens(fay: User):
    recovery = second_factor.renew_recovery(fay)[0]
    for _ in range(second_factor.MOST_WRONG):
        second_factor.accept(fay, "000000")
    assert second_factor.accept(fay, code()) is Code.WRONG
    assert second_factor.accept(fay, recovery) is Code.RECOVERY
    assert second_factor.accept(fay, code()) is Code.OF_THE_APP


def test_a_recovery_code_opens_once_and_the_trail_says_so(fay: User):
    codes = second_factor.renew_recovery(fay)
    assert (len(codes), len(set(codes))) == (10, 10)
    assert send(password_given(), codes[3].upper()).status_code == 302
    assert send(password_given(), codes[3]).status_code == 200
    assert acts("done") == ["log in", "use recovery code"]
    fay.second_factor.refresh_from_db()
    assert len(fay.second_factor.recovery) == 9


def test_neither_key_nor_recovery_codes_can_be_read_in_the_database(fay: User):
    codes = second_factor.renew_recovery(fay)
    with connection.cursor() as cursor:
        cursor.execute("SELECT s::text FROM wallet_secondfactor s")
        (stored,) = cursor.fetchone()
    assert not any(text.replace("-", "") in stored or text in stored for text in codes)
    assert KEY.decode() not in stored
    assert base64.b32encode(KEY).decode() not in stored


@pytest.mark.parametrize("change", ["time", "password", "active", "staff"])
def test_the_password_of_a_moment_ago_lapses(fay: User, clock: Any, change: str):
    client = password_given()
    if change == "time":
        clock.shift(log_in.CODE_SECONDS)
    elif change == "password":
        fay.set_password("another one that is long")
        fay.save()
    else:
        User.objects.update(**{f"is_{change}": False})
    later = second_factor.code_of(KEY, int(time.time()) // 30)
    assert send(client, later).headers["Location"] == "/admin/login/"
    assert client.get("/admin/").status_code == 302


def test_the_way_on_never_leads_to_another_site(fay: User):
    client = Client()
    client.post("/admin/login/?next=https://evil.example/", {"username": "fay", "password": PASSWORD})
    assert (
        client.post("/admin/login/code/?next=https://evil.example/", {"code": code()}).headers["Location"] == "/admin/"
    )


# --- setting it up --------------------------------------------------------------------------------


def begin(client: Client, **fields: str) -> tuple[bytes, str]:
    """The first step, with a key that is told as text and as a picture of ours."""
    page = client.post(SET_UP, {"step": "begin", **fields}).content.decode()
    spelt = re.search(r"<code>([A-Z2-7 ]{39})</code>", page)
    assert spelt is not None, page
    assert "<svg" in page
    assert "://" not in re.sub(r"http://www.w3.org/\S+", "", re.search(r"<svg.*?</svg>", page, re.DOTALL)[0])  # type: ignore[index]
    return base64.b32decode(spelt[1].replace(" ", "")), page


def confirm(client: Client, key: bytes, step: int = STEP) -> list[str]:
    page = client.post(SET_UP, {"step": "confirm", "code": second_factor.code_of(key, step)}).content.decode()
    found = re.search(r"<code>([a-z2-7\s-]+)</code>", page)
    assert found is not None, page
    return found[1].split()


def test_an_operator_sets_it_up_and_logs_in_with_it():
    operators.of("finance", "fay")
    client, other = Client(), Client()
    for each in (client, other):
        assert each.post("/admin/login/", {"username": "fay", "password": PASSWORD}).headers["Location"] == "/admin/"
    assert client.get(SET_UP).status_code == 200
    key, _ = begin(client)
    wrong = client.post(SET_UP, {"step": "confirm", "code": "000000"})
    assert "It is not the code of this key" in wrong.content.decode()
    assert not SecondFactor.objects.exists()
    codes = confirm(client, key)
    assert len(codes) == 10
    # This log-in goes on; the other, which knew the password alone, has ended.
    assert (client.get("/admin/").status_code, other.get("/admin/").status_code) == (200, 302)
    # A reload shows nothing again.
    assert client.post(SET_UP, {"step": "confirm", "code": second_factor.code_of(key, STEP)}).status_code == 302
    assert "10 recovery codes left" in client.get("/admin/office/account/").content.decode()
    assert send(password_given(), second_factor.code_of(key, STEP)).status_code == 200
    assert send(password_given(), codes[0]).status_code == 302
    assert [act for act in acts("done") if act != "log in"] == ["set up second factor", "use recovery code"]


def test_another_app_takes_a_code_of_the_one_before(fay: User, clock: Any):
    client = password_given()
    send(client, code())
    assert "Let your app read this" not in client.post(SET_UP, {"step": "begin", "code": "000000"}).content.decode()
    clock.shift(30)
    key, _ = begin(client, code=code(STEP + 1))
    codes = confirm(client, key, STEP + 1)
    assert second_factor.accept(fay, code(STEP + 2)) is Code.WRONG
    assert second_factor.accept(fay, second_factor.code_of(key, STEP + 2)) is Code.OF_THE_APP
    fresh = client.post("/admin/office/account/recovery-codes/", {"code": codes[0]}).content.decode()
    assert len(re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", fresh)) == 10
    assert second_factor.accept(fay, codes[1]) is Code.WRONG


def test_a_log_in_of_before_is_worth_nothing_once_there_is_a_second_factor():
    client = operators.of("finance", "fay")
    assert client.get("/admin/").status_code == 200
    second_factor.set_up(User.objects.get(username="fay"), KEY, STEP - 1)
    assert client.get("/admin/").headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(("role", "demanded"), [("finance", True), ("support", False), ("superuser", True)])
def test_the_setting_demands_it_of_everybody_or_of_roles(settings: Any, role: str, demanded: bool):
    settings.SECOND_FACTOR_FOR = ["superuser", "finance"]
    client = operators.sue() if role == "superuser" else operators.of(role)
    answer = client.get("/admin/wallet/player/")
    assert answer.headers.get("Location") == (SET_UP if demanded else None)
    settings.SECOND_FACTOR_FOR = ["everybody"]
    assert client.get("/admin/office/account/").headers["Location"] == SET_UP
    page = client.get(SET_UP).content.decode()
    assert "nothing else opens" in page
    key, _ = begin(client)
    confirm(client, key)
    assert client.get("/admin/wallet/player/").status_code == 200


# --- losing it ------------------------------------------------------------------------------------


def reset(client: Client, operator: User, reason: str = "she lost her telephone; I called her") -> Any:
    address = reverse("backoffice:reset-second-factor", args=[operator.pk])
    reference = re.search(r'name="reference" value="([^"]+)"', client.get(address).content.decode())
    return client.post(address, {"reference": reference[1] if reference else "", "reason": reason})


def test_a_superuser_resets_it_for_a_reason_and_is_no_second_person_then(fay: User):
    inside = password_given()
    send(inside, code())
    sue = operators.sue()
    assert reset(sue, fay, reason="").status_code == 400
    assert reset(sue, fay).status_code == 302
    assert not SecondFactor.objects.exists()
    assert inside.get("/admin/").status_code == 302
    entry = AuditEntry.objects.get(act="reset-second-factor")
    assert (entry.actor, entry.subject, entry.reason) == ("sue", "fay", "she lost her telephone; I called her")
    objection = second_person.objection("sue", "fay")
    assert objection is not None
    assert (objection.facts["what"], objection.facts["account"]) == ("second factor", "fay")
    assert (
        "There is no second factor"
        in sue.get(reverse("backoffice:reset-second-factor", args=[fay.pk])).content.decode()
    )


def test_nobody_resets_their_own():
    client = operators.sue()
    sue = User.objects.get(username="sue")
    key, _ = begin(client)
    confirm(client, key)
    answer = reset(client, sue)
    assert (answer.status_code, "Somebody else has to reset" in answer.content.decode()) == (403, True)
    assert SecondFactor.objects.filter(operator=sue).exists()


def test_a_command_is_the_way_out_of_the_last_superuser_and_stands_in_the_trail(fay: User, capsys: Any):
    with pytest.raises(CommandError, match="There is no operator called otto"):
        call_command("reset_second_factor", "otto", "--reason", "lost")
    call_command("reset_second_factor", "fay", "--reason", "the last one, telephone in the lake")
    assert "fay logs in with the password alone" in capsys.readouterr().out
    assert not SecondFactor.objects.exists()
    entry = AuditEntry.objects.get(act="reset second factor")
    assert (entry.actor, entry.subject, entry.reason) == (
        "command:reset_second_factor", "fay", "the last one, telephone in the lake",
    )  # fmt: skip
    assert second_person.objection("otto", "fay") is not None
    with pytest.raises(CommandError, match="fay has no second factor"):
        call_command("reset_second_factor", "fay", "--reason", "again")


def test_a_new_secrets_key_keeps_it(fay: User, settings: Any, capsys: Any):
    settings.SECRETS_KEY_FALLBACKS, settings.SECRETS_KEY = (
        [settings.SECRETS_KEY],
        "another key of many different letters",
    )
    assert second_factor.accept(fay, code()) is Code.OF_THE_APP
    call_command("encrypt_secrets")
    assert "Encrypted 1 secrets anew" in capsys.readouterr().out
    settings.SECRETS_KEY_FALLBACKS = []
    assert second_factor.accept(fay, code(STEP + 1)) is Code.OF_THE_APP
