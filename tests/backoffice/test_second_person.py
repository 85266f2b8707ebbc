"""Four eyes are two people's: whoever may act as a colleague cannot approve through that colleague's account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bonus.models import Bonus
from casino_pam.engine import approvals, commands
from tests import bonus_scenario, operators, scenario
from tests.backoffice.test_approval_pages import decide, page
from tests.scenario import eur
from tests.threads import threads
from wallet import second_person
from wallet.errors import Refused
from wallet.models import AccountChange, ApiKey, Approval, AuditEntry, Currency, Transaction

PASSWORD = "a horse that nobody knows"


@pytest.fixture(autouse=True)
def house(books: None) -> None:
    """EUR above 20.00 waits. Adam is a superuser who asks; Olga and Oscar are administrators of old."""
    scenario.catalogue()
    scenario.bob("100.00")
    Currency.objects.filter(code="EUR").update(approval_above=eur("20.00"))
    operators.of("administrator", "olga")
    User.objects.get(username="olga").groups.add(Group.objects.create(name="helpers"))
    operators.of("administrator", "oscar")
    User.objects.create_superuser("adam", password=PASSWORD)


def client_of(name: str) -> Client:
    return operators.logged_in(User.objects.get(username=name))


def asked(author: str = "adam") -> Approval:
    command = commands.Adjust(
        source="operator",
        player="bob",
        currency="EUR",
        reference=scenario.fresh(),
        amount=eur("30.00"),
        reason="paid in twice",
        actor=author,
        at=commands.now(),
    )
    waiting = approvals.adjust(command)
    assert isinstance(waiting, Approval)
    return waiting


def link_in(answer: Any) -> str:
    """The one-time link on the page that shows it."""
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    found: str = answer.context["link"]
    return found


def reset(by: Client, name: str) -> str:
    pk = User.objects.get(username=name).pk
    return link_in(by.post(reverse("admin:auth_user_password_change", args=[pk])))


def use(link: str, password: str = PASSWORD, client: Client | None = None) -> Any:
    """Open a one-time link and set a password."""
    client = client or Client()
    form = client.get(link, follow=True)
    return client.post(form.request["PATH_INFO"], {"new_password1": password, "new_password2": password})


def change(by: Client, name: str, **fields: Any) -> None:
    operator = User.objects.get(username=name)
    form = {
        "username": name,
        "is_active": "on",
        "is_staff": "on",
        "groups": [group.pk for group in operator.groups.all()],
        **fields,
    }
    form = {name: value for name, value in form.items() if value is not None}
    assert by.post(reverse("admin:auth_user_change", args=[operator.pk]), form).status_code == 302


# --- nobody sets another's password ---------------------------------------------------------------


def test_a_link_sets_a_password_once_and_logs_the_owner_in_with_it():
    link = reset(client_of("adam"), "olga")
    assert not User.objects.get(username="olga").has_usable_password()
    visitor = Client()
    answer = use(link, client=visitor)
    assert answer.headers["Location"] == "/admin/login/"
    form = {"username": "olga", "password": PASSWORD}
    assert visitor.post("/admin/login/", form).headers["Location"] == "/admin/"
    again = Client().get(link, follow=True)
    assert "worth nothing any more" in again.content.decode()
    assert use(link, "another horse of theirs").status_code == 200
    assert User.objects.get(username="olga").check_password(PASSWORD)
    acts = [(row.actor, row.act, row.subject) for row in AuditEntry.objects.order_by("id")]
    assert ("adam", "reset password", "olga") in acts
    assert ("olga", "set password by link", "olga") in acts


def test_a_reset_ends_the_log_ins_of_its_owner_and_every_older_link():
    olga = client_of("olga")
    adam = client_of("adam")
    assert olga.get("/admin/").status_code == 200
    first, second = reset(adam, "olga"), reset(adam, "olga")
    assert olga.get("/admin/").headers["Location"].startswith("/admin/login/")
    assert use(first).status_code == 200
    assert use(second).status_code == 302


def test_a_link_lapses_after_a_day():
    link = reset(client_of("adam"), "olga")
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=2), tick=True):
        assert use(link).status_code == 200
    assert not User.objects.get(username="olga").has_usable_password()


@pytest.mark.parametrize("who", ["adam", "oscar"])
def test_nobody_sets_another_s_password_by_any_form(who: str):
    before = User.objects.get(username="olga").password
    olga = User.objects.get(username="olga")
    client = client_of(who)
    new = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true", "password": PASSWORD}
    change(client, "olga", **new)
    assert User.objects.get(username="olga").password == before
    client.post(reverse("admin:auth_user_password_change", args=[olga.pk]), new)
    client.post("/admin/auth/user/add/", {"username": "otto", **new})
    for name in ("olga", "otto"):
        assert not User.objects.get(username=name).check_password(PASSWORD), name


def test_only_a_superuser_resets_and_nobody_resets_their_own():
    olga, adam = User.objects.get(username="olga"), User.objects.get(username="adam")
    for name in ("oscar", "olga"):
        assert client_of(name).post(reverse("admin:auth_user_password_change", args=[olga.pk])).status_code == 403
    own = client_of("adam").post(reverse("admin:auth_user_password_change", args=[adam.pk]))
    assert own.headers["Location"] == reverse("admin:password_change")
    assert client_of("adam").get(reverse("admin:auth_user_password_change", args=[9_999_999])).status_code == 404
    assert client_of("adam").put(reverse("admin:auth_user_password_change", args=[olga.pk])).status_code == 405
    assert User.objects.get(username="olga").check_password(operators.PASSWORD)


@pytest.mark.parametrize("path", ["MQ", "x", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "%00", "%FF"])
def test_a_link_that_is_not_whole_is_told_so(path: str):
    for query in ("", "?token=", "?token=a-b", "?token=%00", "?token=%FF", f"?token={'a' * 5000}"):
        assert Client().get(f"/new-password/{path}/{query}").status_code in (200, 400, 404)


# --- who may be no second person ------------------------------------------------------------------


def by_reset() -> None:
    use(reset(client_of("adam"), "olga"))


def by_making_the_account() -> None:
    User.objects.filter(username="olga").delete()
    link = link_in(client_of("adam").post("/admin/auth/user/add/", {"username": "olga"}))
    use(link)
    change(client_of("adam"), "olga", groups=[Group.objects.get(name="administrator").pk])


def by_roles() -> None:
    change(client_of("adam"), "olga", groups=[Group.objects.get(name=name).pk for name in ("administrator", "bonus")])


def by_permissions() -> None:
    change(client_of("adam"), "olga", user_permissions=[Permission.objects.get(codename="adjust_wallet").pk])


def by_superuser_status() -> None:
    change(client_of("adam"), "olga", is_superuser="on")


def by_staff_status() -> None:
    change(client_of("adam"), "olga", is_staff=None)
    change(client_of("adam"), "olga")


def by_activity() -> None:
    change(client_of("adam"), "olga", is_active=None)
    change(client_of("adam"), "olga")


def by_the_role_itself() -> None:
    role = Group.objects.get(name="helpers")
    form = {"name": role.name, "permissions": [Permission.objects.get(codename="adjust_wallet").pk]}
    assert client_of("adam").post(reverse("admin:auth_group_change", args=[role.pk]), form).status_code == 302


def by_a_puppet_s_hands() -> None:
    """Adam makes Otto, a superuser, who resets Olga."""
    use(link_in(client_of("adam").post("/admin/auth/user/add/", {"username": "otto"})))
    change(client_of("adam"), "otto", is_superuser="on")
    use(reset(client_of("otto"), "olga"))


def by_a_third_person_who_made_both() -> None:
    """Sue can be both of them."""
    sue = operators.sue()
    use(reset(sue, "olga"))
    use(reset(sue, "adam"))


@pytest.mark.parametrize(
    "change_olga",
    [
        by_reset,
        by_making_the_account,
        by_roles,
        by_permissions,
        by_superuser_status,
        by_staff_status,
        by_activity,
        by_the_role_itself,
        by_a_puppet_s_hands,
        by_a_third_person_who_made_both,
    ],
)
def test_who_changed_the_approver_is_not_approved_by_that_account_for_seven_days(change_olga: Callable[[], None]):
    row = asked()
    change_olga()
    later = asked()
    olga = client_of("olga")
    shown = olga.get(page(row)).content.decode()
    assert "You cannot approve this" in shown
    assert 'value="approve"' not in shown
    for waiting in (row, later):
        answer = decide(olga, waiting, "approve")
        assert answer.status_code == 403
        assert "may be one person" in answer.content.decode()
    assert AuditEntry.objects.filter(act="approve adjustment", actor="olga", outcome="forbidden").count() == 2
    assert not Transaction.objects.filter(kind="ADJUST").exists()
    assert decide(client_of("oscar"), row, "approve").status_code == 302
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=2), tick=True):
        assert decide(client_of("olga"), later, "approve").status_code == 302
    assert Transaction.objects.filter(kind="ADJUST").count() == 2


def test_a_colleague_s_requests_are_approved_as_ever_by_an_account_that_somebody_else_changed():
    by_reset()
    assert decide(client_of("olga"), asked("oscar"), "approve").status_code == 302


def test_one_s_own_password_and_log_ins_change_nothing():
    olga = client_of("olga")
    fields = {"old_password": operators.PASSWORD, "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert olga.post("/admin/password_change/", fields).status_code == 302
    olga.logout()
    assert olga.post("/admin/login/", {"username": "olga", "password": PASSWORD}).status_code == 302
    assert not AccountChange.objects.exists()
    assert decide(olga, asked(), "approve").status_code == 302


def test_who_may_act_as_the_author_cannot_approve():
    """The other way round: Adam resets Otto, asks in his name, and approves in his own."""
    operators.of("finance", "otto")
    use(reset(client_of("adam"), "otto"))
    assert decide(client_of("adam"), asked("otto"), "approve").status_code == 403


def test_who_gave_the_author_a_role_may_approve():
    """It lets nobody act as the author."""
    operators.of("finance", "otto")
    change(client_of("adam"), "otto", groups=[Group.objects.get(name="finance").pk, Group.objects.get(name="bonus").pk])
    assert decide(client_of("adam"), asked("otto"), "approve").status_code == 302


def test_who_made_a_key_never_approves_what_it_asks_for():
    key = {"name": "shop", "scopes": ["adjust"], "source": "cashier"}
    assert client_of("adam").post("/admin/wallet/apikey/add/", key).status_code == 200
    row = asked("key:shop")
    with time_machine.travel(timezone.now() + timedelta(days=400), tick=True):
        answer = decide(client_of("adam"), row, "approve")
        assert answer.status_code == 403
        assert "adam made key:shop" in answer.content.decode()
        assert decide(client_of("olga"), row, "approve").status_code == 302


def test_a_key_under_another_name_is_known_to_its_maker_all_the_same():
    client = client_of("adam")
    key = {"name": "shop", "scopes": ["adjust"], "source": "cashier"}
    client.post("/admin/wallet/apikey/add/", key)
    url = reverse("admin:wallet_apikey_change", args=[ApiKey.objects.get().pk])
    assert client.post(url, {**key, "name": "till", "enabled": "on"}).status_code == 302
    assert ApiKey.objects.get().name == "till"
    assert decide(client, asked("key:till"), "approve").status_code == 403


@pytest.mark.parametrize("command", ["changepassword", "createsuperuser"])
def test_an_account_whose_password_a_command_has_set_approves_nothing_for_seven_days(
    command: str, monkeypatch: pytest.MonkeyPatch
):
    if command == "changepassword":
        monkeypatch.setattr(
            "django.contrib.auth.management.commands.changepassword.getpass.getpass", lambda prompt: PASSWORD
        )
        call_command("changepassword", "olga")
        name, act = "olga", "change password"
    else:
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        call_command("createsuperuser", interactive=False, username="omar", email="")
        name, act = "omar", "make account"
    row = asked("oscar")
    answer = decide(client_of(name), row, "approve")
    assert answer.status_code == 403
    assert f"command:{command} changed {name}" in answer.content.decode()
    noted = AuditEntry.objects.get(act=act)
    assert (noted.actor, noted.subject, noted.address) == (f"command:{command}", name, "")
    assert decide(client_of("adam"), row, "approve").status_code == 302
    assert decide(client_of("adam"), asked(name), "approve").status_code == 302


def waiting_grant() -> Bonus:
    bonus_scenario.gift("50.00", multiplier=10)
    command = commands.Grant(
        source="operator",
        player="bob",
        currency="EUR",
        reference="g-1",
        offer="gift",
        reason="a birthday",
        actor="adam",
        at=commands.now(),
    )
    approvals.grant(command)
    return Bonus.objects.get()


def test_a_grant_has_the_same_two_people():
    bonus = waiting_grant()
    by_reset()
    olga = client_of("olga")
    assert "You cannot approve this" in olga.get(page(bonus)).content.decode()
    assert decide(olga, bonus, "approve").status_code == 403
    assert decide(client_of("oscar"), bonus, "approve").status_code == 302


def test_postgresql_refuses_the_approval_of_a_grant_as_well():
    bonus = waiting_grant()
    by_reset()
    rows = Bonus.objects.filter(pk=bonus.pk)
    with pytest.raises(IntegrityError, match="wallet_accountchange says why"), transaction.atomic():
        rows.update(status="queued", approver="olga")
    with transaction.atomic():
        rows.update(status="cancelled", approver="olga", ended_at=timezone.now())
        transaction.set_rollback(True)
    rows.update(status="queued", approver="oscar")


def test_rejecting_moves_nothing_and_is_anybody_s_but_the_author_s():
    by_reset()
    assert decide(client_of("olga"), asked(), "reject").status_code == 302


def test_postgresql_itself_refuses_such_an_approval():
    row = asked()
    by_reset()
    with pytest.raises(IntegrityError, match="wallet_accountchange says why"), transaction.atomic():
        Approval.objects.filter(pk=row.pk).update(state="approved", approver="olga", decided_at=timezone.now())
    Approval.objects.filter(pk=row.pk).update(state="approved", approver="oscar", decided_at=timezone.now())


def test_a_change_between_our_look_and_postgresql_s_is_a_refusal(monkeypatch: pytest.MonkeyPatch):
    row = asked()
    found = second_person.objection
    looks: list[str] = []

    def reset_meanwhile(author: str, approver: str) -> Refused | None:
        looks.append(approver)
        if len(looks) == 1:
            objection = found(author, approver)
            assert objection is None
            threads([by_reset])
            return objection
        return found(author, approver)

    monkeypatch.setattr(second_person, "objection", reset_meanwhile)
    with pytest.raises(Refused, match="forbidden"):
        approvals.approve(row, "olga")
    assert looks == ["olga", "olga"]
    assert Approval.objects.get().state == "pending"


# --- the threshold --------------------------------------------------------------------------------


def raise_threshold(by: str, amount: str) -> None:
    url = reverse("admin:wallet_currency_change", args=["EUR"])
    found = client_of(by).post(url, {"digits": "2", "enabled": "on", "approval_above": amount})
    assert found.status_code == 302, found.context["adminform"].form.errors


def test_who_raised_the_threshold_has_everything_they_ask_for_wait():
    raise_threshold("adam", "9000.00")
    assert Currency.objects.get(code="EUR").approval_above > eur("30.00")
    assert asked("adam").state == "pending"
    command = commands.Adjust(
        source="operator",
        player="bob",
        currency="EUR",
        reference="small",
        amount=1,
        reason="a cent",
        actor="adam",
        at=commands.now(),
    )
    assert isinstance(approvals.adjust(command), Approval)
    with pytest.raises(AssertionError):
        asked("oscar")
    with time_machine.travel(timezone.now() + timedelta(days=7, seconds=2), tick=True), pytest.raises(AssertionError):
        asked("adam")


def test_who_lowers_the_threshold_has_nothing_to_fear():
    raise_threshold("adam", "10.00")
    assert not AccountChange.objects.exists()
