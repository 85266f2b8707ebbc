"""What each role may open and do. A page of the admin that is missing from the table fails a test."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.urls import get_resolver, reverse

from bonus.campaign_tables import GrantList
from bonus.models import Bonus, Offer
from casino_pam.engine import commands
from tests import bonus_scenario, operators, scenario
from tests.backoffice.admin_scenario import furnish
from tests.clean_books import ROLES
from wallet import audit
from wallet.models import Approval, GameSession, Player, Transaction, Wallet

SUPERUSER: Final = frozenset({"superuser"})
ADMINISTRATOR: Final = SUPERUSER | {"administrator"}
AUDITOR: Final = ADMINISTRATOR | {"auditor"}
BOOKS: Final = AUDITOR | {"finance"}
EVERY_ROLE: Final = SUPERUSER | set(ROLES)
STAFF: Final = EVERY_ROLE | {"nobody"}
NOBODY: Final[frozenset[str]] = frozenset()

# Who may see rows, add one, change one. Nobody may ever delete one.
MODELS: Final = {
    "wallet_player": (EVERY_ROLE, NOBODY, ADMINISTRATOR),
    "wallet_wallet": (EVERY_ROLE, NOBODY, NOBODY),
    "wallet_transaction": (EVERY_ROLE, NOBODY, NOBODY),
    "wallet_gamesession": (AUDITOR | {"support"}, NOBODY, NOBODY),
    "wallet_approval": (BOOKS | {"bonus", "payments"}, NOBODY, NOBODY),
    "wallet_reconciliationrun": (BOOKS, NOBODY, NOBODY),
    "wallet_checkpoint": (BOOKS, NOBODY, NOBODY),
    "wallet_providerrun": (BOOKS, NOBODY, NOBODY),
    "wallet_auditentry": (AUDITOR, NOBODY, NOBODY),
    "wallet_provider": (BOOKS | {"bonus"}, ADMINISTRATOR, ADMINISTRATOR),
    "wallet_currency": (BOOKS, ADMINISTRATOR, ADMINISTRATOR),
    "wallet_game": (AUDITOR | {"bonus"}, ADMINISTRATOR, ADMINISTRATOR),
    "wallet_apikey": (AUDITOR, ADMINISTRATOR, ADMINISTRATOR),
    "wallet_endpoint": (AUDITOR, ADMINISTRATOR, ADMINISTRATOR),
    "bonus_bonus": (EVERY_ROLE, NOBODY, NOBODY),
    "bonus_offer": (EVERY_ROLE, ADMINISTRATOR | {"bonus"}, ADMINISTRATOR | {"bonus"}),
    "auth_user": (AUDITOR, ADMINISTRATOR, ADMINISTRATOR),
    "auth_group": (AUDITOR, SUPERUSER, SUPERUSER),
}
OTHERS: Final = {
    "admin:index": STAFF,
    "admin:search": STAFF,
    "admin:login": STAFF,
    "log_in_code": STAFF,
    "backoffice:account": STAFF,
    "backoffice:second_factor": STAFF,
    "backoffice:recovery_codes": STAFF,
    "backoffice:end-log-ins": ADMINISTRATOR,
    "backoffice:reset-second-factor": SUPERUSER,
    "admin:logout": STAFF,
    "admin:password_change": STAFF,
    "admin:password_change_done": STAFF,
    "admin:jsi18n": STAFF,
    "admin:view_on_site": STAFF,
    # Leads to the overview.
    "admin:app_list": STAFF,
    # No form of ours asks for it.
    "admin:autocomplete": NOBODY,
    "admin:wallet_provider_secrets": ADMINISTRATOR,
    "admin:wallet_endpoint_secret": ADMINISTRATOR,
    "admin:auth_user_password_change": SUPERUSER,
    "backoffice:lock": ADMINISTRATOR | {"support"},
    "backoffice:unlock": ADMINISTRATOR | {"support"},
    "backoffice:cool-off": ADMINISTRATOR | {"support"},
    "backoffice:exclude": ADMINISTRATOR | {"support"},
    "backoffice:lift": ADMINISTRATOR | {"support"},
    # Not whoever pays out: two people stand between a player and the money where it is demanded.
    "backoffice:verify": ADMINISTRATOR | {"support"},
    "backoffice:note": ADMINISTRATOR | {"support", "payments", "bonus", "finance"},
    "backoffice:tag": ADMINISTRATOR | {"support", "payments", "bonus", "finance"},
    "backoffice:untag": ADMINISTRATOR | {"support", "payments", "bonus", "finance"},
    "backoffice:end-session": ADMINISTRATOR | {"support"},
    "backoffice:limit": ADMINISTRATOR | {"support"},
    "backoffice:adjust": ADMINISTRATOR | {"finance"},
    "backoffice:grant": ADMINISTRATOR | {"bonus"},
    "backoffice:copy": ADMINISTRATOR | {"bonus"},
    "backoffice:grant_lists": EVERY_ROLE,
    "backoffice:grant_list": EVERY_ROLE,
    "backoffice:grant_list_file": EVERY_ROLE,
    # Sent alone, never opened.
    "admin:bonus_offer_example": ADMINISTRATOR | {"bonus"},
    "admin:bonus_offer_example_of": ADMINISTRATOR | {"bonus"},
    "backoffice:forfeit": ADMINISTRATOR | {"bonus"},
    "backoffice:extend": ADMINISTRATOR | {"bonus"},
    "backoffice:complete": ADMINISTRATOR | {"bonus"},
    "backoffice:settle": ADMINISTRATOR | {"payments"},
    "backoffice:release": ADMINISTRATOR | {"payments"},
    "backoffice:withdrawals": AUDITOR | {"payments"},
    # Sent alone, never opened.
    "backoffice:many_withdrawals": ADMINISTRATOR | {"payments"},
    "backoffice:roll-back": ADMINISTRATOR | {"finance"},
    "backoffice:round": EVERY_ROLE,
    "backoffice:jurisdictions": EVERY_ROLE,
    "backoffice:approvals": BOOKS | {"bonus", "payments"},
    "backoffice:approval": BOOKS | {"bonus", "payments"},
    "backoffice:jobs": BOOKS,
    "backoffice:events": AUDITOR,
    "backoffice:replay": ADMINISTRATOR,
    "backoffice:reports": BOOKS,
    "backoffice:report": BOOKS,
    "backoffice:report_file": BOOKS,
    "backoffice:dashboard": BOOKS,
    "backoffice:dashboard_state": BOOKS,
    "backoffice:provider_files": ADMINISTRATOR | {"finance"},
    # Sent alone, never opened.
    "backoffice:provider_file_lines": ADMINISTRATOR | {"finance"},
    "backoffice:provider_file": BOOKS,
    "backoffice:provider_file_csv": BOOKS,
    "backoffice:audit_trail": AUDITOR,
    "backoffice:players": EVERY_ROLE,
    "backoffice:bonuses": EVERY_ROLE,
    "backoffice:withdrawals_file": AUDITOR | {"payments"},
    "backoffice:statement_file": EVERY_ROLE,
    "backoffice:statement_print": EVERY_ROLE,
    "backoffice:unlisted_games": AUDITOR | {"bonus"},
    "backoffice:unlisted_games_file": AUDITOR | {"bonus"},
}
# Who may send what more may look at.
SENT: Final = {
    "backoffice:approval": ADMINISTRATOR | {"finance"},
    "backoffice:grant_lists": ADMINISTRATOR | {"bonus"},
    "backoffice:grant_list": ADMINISTRATOR | {"bonus"},
}


def table() -> dict[str, frozenset[str]]:
    """Every address by its name, and who may GET it."""
    found = dict(OTHERS)
    for model, (view, add, _) in MODELS.items():
        found |= dict.fromkeys((f"admin:{model}_{page}" for page in ("changelist", "change")), view)
        # It leads to the audit trail.
        found[f"admin:{model}_history"] = view & AUDITOR
        found |= {f"admin:{model}_add": add, f"admin:{model}_delete": NOBODY}
    return found


def names(patterns: Any = None, space: str = "", route: str = "") -> Iterator[str]:
    """The name of every address below /admin/."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = route + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from names(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else space, here)
        elif here.startswith("admin/") and pattern.name:
            yield space + pattern.name


def test_every_address_of_the_admin_is_in_the_table():
    assert set(names()) == set(table())


@pytest.fixture
def house(books: None) -> None:
    """A row in every table, a withdrawal that is open, and an operator to be changed."""
    furnish()
    scenario.hold(reference="w-9", amount="5.00")
    bonus_scenario.gift("5.00", multiplier=10)
    bonus_scenario.grant(who="alice", at=commands.now())
    GrantList.objects.create(
        id="01900000-0000-7000-8000-000000000002",
        offer=Offer.objects.get(),
        source="operator",
        reference="g-1",
        digest="",
        worth={},
        reason="the VIPs",
        actor="olga",
        state="done",
        created_at=scenario.moment(scenario.NOON),
    )
    User.objects.create_user("otto", is_staff=True)
    audit.named(None, "otto", "log in", roles=[])


def client_of(role: str) -> Client:
    if role in ROLES:
        return operators.of(role)
    return operators.sue() if role == "superuser" else operators.nobody()


def row(model: str) -> Any:
    app, name = model.split("_")
    if model == "auth_user":
        return User.objects.get(username="otto")
    registered = next(each for each in admin.site._registry if each._meta.label_lower == f"{app}.{name}")
    return registered._default_manager.first()


def arguments(name: str) -> list[Any]:
    """What the address needs beside its name."""
    space, _, short = name.partition(":")
    if space == "admin" and short.endswith(("_change", "_delete", "_history")) and short != "password_change":
        model = short.removesuffix("_password_change").rpartition("_")[0]
        return [row("auth_user" if short == "auth_user_password_change" else model).pk]
    if short == "auth_user_password_change":
        return [row("auth_user").pk]
    more: dict[str, list[Any]] = {
        "admin:view_on_site": [1, 1],
        "admin:app_list": ["wallet"],
        "admin:wallet_provider_secrets": [row("wallet_provider").pk, "rotate"],
        "admin:wallet_endpoint_secret": [row("wallet_endpoint").pk],
        "backoffice:replay": [row("wallet_endpoint").pk],
        "backoffice:report": ["revenue"],
        "backoffice:report_file": ["revenue"],
        "backoffice:provider_file": [row("wallet_providerrun").pk],
        "backoffice:provider_file_csv": [row("wallet_providerrun").pk],
        "backoffice:grant_list": [GrantList.objects.get().pk],
        "backoffice:grant_list_file": [GrantList.objects.get().pk],
        "admin:bonus_offer_example_of": [Offer.objects.get().pk],
        "backoffice:copy": [Offer.objects.get().pk],
        "backoffice:approval": [Approval.objects.get().pk],
        "backoffice:roll-back": [Transaction.objects.get(reference="b-1").pk],
    }
    if name in more or space != "backoffice":
        return more.get(name, [])
    of_player = ("lock", "unlock", "cool-off", "exclude", "lift", "verify", "note", "tag", "untag")
    of_wallet = ("adjust", "grant", "limit", "statement_file", "statement_print")
    subjects: dict[tuple[str, ...], Any] = {
        of_player: lambda: Player.objects.get(code="alice").pk,
        of_wallet: lambda: Wallet.objects.get(player__code="alice").pk,
        ("end-log-ins", "reset-second-factor"): lambda: row("auth_user").pk,
        ("end-session",): lambda: GameSession.objects.get().pk,
        ("settle", "release"): lambda: Transaction.objects.get(reference="w-9").pk,
        ("forfeit", "extend", "complete"): lambda: Bonus.objects.get().pk,
    }
    return next(([found()] for shorts, found in subjects.items() if short in shorts), [])


def address(name: str) -> str:
    return reverse(name, args=arguments(name))


@pytest.mark.parametrize("role", sorted(STAFF))
def test_each_role_opens_what_the_table_allows_and_nothing_else(house: None, role: str):
    client = client_of(role)
    opened = {name for name in table() if name != "admin:logout" and client.get(address(name)).status_code != 403}
    assert opened == {name for name, allowed in table().items() if role in allowed and name != "admin:logout"}


@pytest.mark.parametrize("role", sorted(STAFF))
def test_each_role_sends_what_the_table_allows_and_nothing_else(house: None, role: str):
    """Empty forms: whoever may send one is told what is missing in it."""
    client = client_of(role)
    before = money()
    for model, (_, add, change) in MODELS.items():
        for page, allowed in (("add", add), ("change", change), ("delete", NOBODY)):
            name = f"admin:{model}_{page}"
            assert (client.post(address(name)).status_code == 403) == (role not in allowed), name
    for name, allowed in (OTHERS | SENT).items():
        if name.startswith("backoffice:") or name in (
            "admin:wallet_provider_secrets",
            "admin:wallet_endpoint_secret",
            "admin:auth_user_password_change",
            "admin:bonus_offer_example",
            "admin:bonus_offer_example_of",
        ):
            assert (client.post(address(name)).status_code == 403) == (role not in allowed), name
    assert money() == before


MONEY: Final = ("wallet_wallet", "wallet_transaction", "wallet_approval", "wallet_walletlimits", "bonus_bonus")


def money() -> dict[str, list[Any]]:
    return rows_of(MONEY)


def everything() -> dict[str, list[Any]]:
    """The whole house, but for the trail of who tried."""
    ours = connection.introspection.table_names()
    return rows_of([name for name in ours if name.startswith(("wallet_", "bonus_")) and name != "wallet_auditentry"])


def rows_of(tables: Sequence[str]) -> dict[str, list[Any]]:
    found = {}
    with connection.cursor() as cursor:
        for name in tables:
            cursor.execute(f"SELECT * FROM {name} ORDER BY 1")
            found[name] = cursor.fetchall()
    return found


def test_no_bulk_action_or_edit_in_any_list_changes_anything_not_even_a_superuser_s(house: None):
    client = operators.sue()
    before, people = everything(), list(User.objects.values())
    for model in MODELS:
        chosen = {"_selected_action": str(row(model).pk), "select_across": "1", "index": "0", "post": "yes"}
        edits = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(row(model).pk), "_save": "Save"}
        columns = {f"form-0-{field.name}": "7" for field in type(row(model))._meta.fields}
        for action in ("delete_selected", "anything"):
            client.post(address(f"admin:{model}_changelist"), chosen | edits | columns | {"action": action})
    assert everything() == before
    assert list(User.objects.values()) == people


@pytest.mark.parametrize("role", sorted(STAFF))
def test_no_page_offers_a_link_or_button_that_the_role_may_not_use(house: None, role: str):
    client = client_of(role)
    seen = {"/admin/"}
    waiting = ["/admin/"]
    while waiting:
        answer = client.get(waiting.pop())
        assert answer.status_code not in (403, 500), answer.request["PATH_INFO"]
        if answer.streaming or "text/html" not in answer.headers["Content-Type"]:
            continue
        for link in re.findall(r'href="(/admin/[^"?#]*)', answer.content.decode()):
            if link not in seen and "logout" not in link:
                seen.add(link)
                waiting.append(link)
    assert len(seen) > (1 if role == "nobody" else 10)


def test_visitors_are_led_to_the_log_in(house: None):
    client = Client()
    for name in set(table()) - {"admin:login", "admin:logout", "admin:jsi18n"}:
        answer = client.get(address(name))
        assert (answer.status_code, answer.headers["Location"].startswith("/admin/login/")) == (302, True), name


# --- the roles themselves ------------------------------------------------------------------------


def permissions(role: str) -> set[str]:
    found = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{permission.content_type.app_label}.{permission.codename}" for permission in found}


def test_roles_are_made_by_migrations_and_outlive_emptied_tables(books: None):
    assert ("bonus", "0001_initial") in MigrationRecorder(connection).applied_migrations()
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)


def test_the_auditor_sees_everything_and_does_nothing(books: None):
    ours = Permission.objects.filter(content_type__app_label__in=("wallet", "bonus"), codename__startswith="view_")
    every_view = {f"{permission.content_type.app_label}.{permission.codename}" for permission in ours}
    assert permissions("auditor") == every_view | {"auth.view_user", "auth.view_group"}


def test_no_permission_is_made_twice_under_two_names(books: None):
    codenames = list(Permission.objects.values_list("content_type", "codename"))
    assert len(codenames) == len(set(codenames))


def test_the_administrator_may_all_that_any_other_role_may(books: None):
    assert set.union(*[permissions(role) for role in ROLES]) == permissions("administrator")


def test_only_superusers_make_roles_and_hand_them_out(house: None):
    client = operators.of("administrator", "adam")
    otto = User.objects.get(username="otto")
    finance = Group.objects.get(name="finance")
    form = {"username": "otto", "is_active": "on", "is_staff": "on", "is_superuser": "on", "groups": [finance.pk]}
    assert client.post(reverse("admin:auth_user_change", args=[otto.pk]), form).status_code == 302
    otto.refresh_from_db()
    assert (otto.is_superuser, list(otto.groups.all())) == (False, [])
    assert client.post(reverse("admin:auth_group_change", args=[finance.pk]), {"name": "mine"}).status_code == 403


def test_nobody_s_name_can_be_changed(house: None):
    """Under another name they could approve what they asked for under the first."""
    client = operators.sue()
    otto = User.objects.get(username="otto")
    form = {"username": "olga", "is_active": "on", "is_staff": "on"}
    assert client.post(reverse("admin:auth_user_change", args=[otto.pk]), form).status_code == 302
    otto.refresh_from_db()
    assert otto.username == "otto"
