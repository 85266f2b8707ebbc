"""A provider's page: its dialect and what that wants, and what whoever integrates it needs to see."""

from __future__ import annotations

import html
from threading import Event

import pytest
from django.conf import settings
from django.test import Client

from casino_pam import refused_signatures
from casino_pam.refused_signatures import RefusedSignature
from tests import operators, scenario
from tests.backoffice.test_admin_settings import PROVIDER, acme, save
from wallet import providers
from wallet.models import Provider


@pytest.fixture
def sue(books: None) -> Client:
    scenario.catalogue()
    return operators.sue()


def test_choosing_a_dialect_brings_its_profile_and_what_is_changed_beside_it_stays(sue: Client):
    url = f"/admin/wallet/provider/{acme().pk}/change/"
    version = acme().secrets_version
    form = PROVIDER | {"name": "Acme", "dialect": "hub88", "reference_scope": "global"}
    save(sue, url, form | {"late_win": "refuse"})
    changed = acme()
    assert (changed.dialect, changed.share_references, changed.win_requires_bet) == ("hub88", True, True)
    assert (changed.rollback_after_win, changed.late_win) == ("allow", "refuse")
    assert changed.secrets_version > version


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("public_key_one", "x", "not a public key"),
        ("currencies", '{"a": "EUR", "b": "EUR"}', "Two of their codes"),
        ("currencies", '{"a": "XXX"}', "XXX"),
        ("currencies", "[", "JSON"),
        ("file_mapping", '{"columns": {}}', "nothing says where"),
    ],
)
def test_what_a_dialect_wants_is_looked_at(sue: Client, field: str, value: str, told: str):
    response = sue.post(f"/admin/wallet/provider/{acme().pk}/change/", PROVIDER | {"name": "Acme", field: value})
    assert response.status_code == 200
    assert told in response.content.decode()
    assert getattr(acme(), field) in ("", {})


@pytest.mark.parametrize("dialect", Provider.Dialect.values)
def test_the_page_shows_whoever_integrates_it_where_to_call_and_how(sue: Client, dialect: str):
    providers.change("acme", {"dialect": dialect, "merchant": "m-77"})
    refused_signatures.keep("acme", RefusedSignature(1_790_000_000, "bet", "signature", "0198-request"))
    shown = html.unescape(sue.get(f"/admin/wallet/provider/{acme().pk}/change/").content.decode())
    assert providers.address(acme(), settings.BASE_URL) in shown
    assert "acme-secret" not in shown
    assert "0198-request" in shown
    example = {
        "door": "X-Signature: ",
        "beexar": "X-REQUEST-SIGN: ",
        "hub88": "X-Hub88-Signature",
        "swipegames": "GET ",
        "slotegrator": "X-Sign: ",
        "pragmatic": "&hash=",
        "evolution": "authToken",
    }
    assert example[dialect] in shown


def test_the_page_shows_no_example_where_there_is_no_secret(sue: Client):
    providers.revoke("acme", older_only=False)
    assert "What it must send" not in sue.get(f"/admin/wallet/provider/{acme().pk}/change/").content.decode()


def test_refused_signatures_are_few_and_the_newest_come_first(books: None):
    for number in range(refused_signatures.KEPT + 5):
        refused_signatures.keep("acme", RefusedSignature(number, "bet", "signature", f"r-{number}"))
    kept = refused_signatures.newest("acme")
    assert [each.at for each in kept] == list(range(refused_signatures.KEPT + 4, 4, -1))
    assert refused_signatures.newest("zenith") == []


def test_noting_one_keeps_nobody_waiting_and_forgets_what_is_too_much(books: None, monkeypatch: pytest.MonkeyPatch):
    begun, go_on, kept = Event(), Event(), []

    def slowly(provider: str, refused: RefusedSignature) -> None:
        begun.set()
        go_on.wait(30)
        kept.append(refused.request_id)

    monkeypatch.setattr(refused_signatures, "keep", slowly)
    for number in range(refused_signatures.WAITING + 10):
        refused_signatures.note("acme", call="bet", check="signature", request_id=f"r-{number}")
    assert begun.wait(30)
    assert kept == []
    go_on.set()
    refused_signatures._thread.submit(int).result(30)
    assert kept == [f"r-{number}" for number in range(refused_signatures.WAITING)]
