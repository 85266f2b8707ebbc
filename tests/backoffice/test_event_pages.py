"""The pages of events: endpoints made with a secret shown once, how they stand, what failed, and again by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from casino_pam import delivery
from tests import operators, scenario
from tests.event_receiver import UntilIdle, endpoint, receiver
from wallet.models import AuditEntry, Delivery, Endpoint


@pytest.fixture(autouse=True)
def house(books: None, settings: Any) -> None:
    settings.PLAIN_HTTP = True
    scenario.catalogue()
    scenario.alice("100.00")


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def test_an_endpoint_s_secret_is_shown_once_and_signs_from_then_on():
    client = operators.of("administrator")
    form = {"code": "crm", "url": "http://127.0.0.1:1/events", "kinds": ["bonus.granted"], "enabled": "on"}
    made = client.post(reverse("admin:wallet_endpoint_add"), form).content.decode()
    kept = Endpoint.objects.get()
    first = kept.signing_secret()
    assert first is not None and first.decode() in made
    address = reverse("admin:wallet_endpoint_secret", args=[kept.pk])
    assert first.decode() not in text(client, address)
    renewed = client.post(address).content.decode()
    second = Endpoint.objects.get().signing_secret()
    assert second is not None and second != first and second.decode() in renewed
    assert second.decode() not in text(client, reverse("admin:wallet_endpoint_change", args=[kept.pk]))
    acts = list(AuditEntry.objects.order_by("id").values_list("act", flat=True))
    assert acts[-2:] == ["add endpoint", "make a new secret"]
    assert b"secret" not in str(AuditEntry.objects.get(act="add endpoint").after).encode()


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://x/"}, {"url": "https://a:b@x/"}, {"code": "CRM"}, {"kinds": ["bonus.lost"]}, {"code": ""}]
)
def test_a_wrong_endpoint_is_a_form_error(wrong: dict[str, Any]):
    form = {"code": "crm", "url": "http://127.0.0.1:1/events", "enabled": "on", **wrong}
    answer = operators.of("administrator").post(reverse("admin:wallet_endpoint_add"), form)
    assert answer.status_code == 200
    assert not Endpoint.objects.exists()


def test_the_page_shows_how_each_endpoint_stands_and_what_failed_last():
    client = operators.of("auditor")
    address = reverse("backoffice:events")
    assert "No back end is told of events" in text(client, address)
    with receiver(lambda event: (400 if event["type"] == "withdrawal.held" else 200, {})) as crm:
        endpoint(crm.port)
        endpoint(1, "down")
        scenario.hold("alice", "1.00", reference="w")
        for code in ("crm", "down"):
            delivery.deliver(code, UntilIdle())
    scenario.settle("w")
    Delivery.objects.filter(endpoint__code="down").update(state="failed", ended_at=Now(), answer="never reached")
    shown = text(client, address)
    for part in (
        "crm",
        "down",
        "400 Bad Request",
        "not reached",
        "given up",
        "never reached",
        "withdrawal.held",
        "alice",
    ):
        assert part in shown, part
    assert "/replay/" not in shown
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    assert len(captured) <= 20


def test_a_span_is_sent_again_once_however_often_the_form_is_sent():
    client = operators.of("administrator", "adam")
    with receiver() as crm:
        kept = endpoint(crm.port)
        scenario.hold("alice", "1.00", reference="w")
        delivery.deliver("crm", UntilIdle())
        address = reverse("backoffice:replay", args=[kept.pk])
        shown = text(client, address)
        reference = shown.partition('name="reference" value="')[2].partition('"')[0]
        now = timezone.now()
        span = {"since": now - timedelta(hours=1), "until": now + timedelta(seconds=1)}
        form = {
            f"{name}_{n}": part for name, at in span.items() for n, part in enumerate(f"{at:%Y-%m-%d %H:%M:%S}".split())
        }
        form |= {"reason": "the CRM lost its disk", "reference": reference, "player": ""}
        assert client.post(address, {**form, "reason": ""}).status_code == 400
        assert client.post(address, {**form, "until_0": "2001-01-01"}).status_code == 400
        for _ in range(2):
            assert client.post(address, form).status_code == 302
            delivery.deliver("crm", UntilIdle())
    assert len(crm.requests) == 2
    entry = AuditEntry.objects.get(act="replay events")
    assert (entry.actor, entry.reason, entry.subject, entry.after["events"]) == (
        "adam",
        "the CRM lost its disk",
        "crm",
        1,
    )


def test_the_command_makes_changes_lists_and_replays(capsys: pytest.CaptureFixture[str]):
    def run(*line: str) -> str:
        call_command("endpoint", *line)
        return capsys.readouterr().out.strip()

    first = run("create", "crm", "--url", "http://127.0.0.1:1/a", "--events", "withdrawal.held")
    kept = Endpoint.objects.get()
    assert kept.signing_secret() == first.encode()
    assert run("list") == "crm  enabled  http://127.0.0.1:1/a  withdrawal.held"
    assert run("change", "crm", "--url", "http://127.0.0.1:1/b", "--disable") == "Changed url, enabled."
    assert run("change", "crm", "--disable") == "Changed nothing."
    assert run("secret", "crm") != first
    assert run("change", "crm", "--enable") == "Changed enabled."
    scenario.hold("alice", "1.00", reference="w")
    Delivery.objects.update(state="failed", ended_at=Now())
    day = f"{timezone.now():%Y-%m-%d}"
    assert (
        run("replay", "crm", "--from", day, "--to", "2999-01-01", "--player", "bob") == "0 events will be sent again."
    )
    assert run("replay", "crm", "--from", day, "--to", "2999-01-01") == "1 events will be sent again."
    for wrong in (["create", "crm", "--url", "http://127.0.0.1:1/"], ["create", "CRM", "--url", "http://127.0.0.1:1/"]):
        with pytest.raises(CommandError):
            call_command("endpoint", *wrong)
    with pytest.raises(CommandError):
        call_command("endpoint", "replay", "crm", "--from", day, "--to", day)
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command:endpoint"}
