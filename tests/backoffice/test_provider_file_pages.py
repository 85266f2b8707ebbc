"""The upload page: what differs, by how much, and what to do; and who may upload how much."""

from __future__ import annotations

import csv
import html
import http.client
import io
import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from casino_pam import guard
from casino_pam.backoffice import provider_files as page
from casino_pam.server.http_protocol import LARGEST_MESSAGE
from tests import game_client, operators
from tests.wallet import report_history, sample_provider_files
from tests.wallet.sample_provider_files import DAY, honest, line, written
from wallet.models import AuditEntry, Provider, ProviderRun
from wallet.provider_file.comparison import TO_DO

HOME = guard.PATH


@pytest.fixture
def finance(books: None) -> Client:
    """Fay may compare providers' files, and nothing else."""
    report_history.history()
    return operators.logged_in(fay())


def fay() -> User:
    operator = User.objects.create_user("fay", password=operators.PASSWORD, is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(codename__in=("reconcile_provider", "view_providerrun")))
    return operator


def sent(client: Client, file: bytes, **fields: str) -> Any:
    upload = SimpleUploadedFile(fields.pop("name", "acme.csv"), file, "text/csv")
    return client.post(HOME, {"provider": "acme", "day": str(DAY), "file": upload, **fields})


def body(answer: Any) -> str:
    return str(answer.content.decode())


def changed() -> bytes:
    """A file in which one amount is another, one line is ours alone, and one is theirs alone."""
    lines = honest()
    lines[0]["amount"] = "4.01"
    return written([*lines[:-1], line("=ghost", amount="7.50")])


def test_the_address_is_the_one_that_the_server_layer_knows() -> None:
    assert reverse("backoffice:provider_files") == guard.PATH


def test_a_file_that_agrees_is_said_to_agree(finance: Client) -> None:
    answer = sent(finance, written(honest()))
    run = ProviderRun.objects.get()
    assert answer.headers["Location"] == reverse("backoffice:provider_file", args=[run.pk])
    assert (run.actor, run.file) == ("fay", "acme.csv")
    shown = body(finance.get(answer.headers["Location"]))
    assert "Both sides agree" in shown
    assert "both agree" in body(finance.get(HOME))


def test_differences_are_shown_with_amounts_and_what_to_do(finance: Client) -> None:
    shown = body(finance.get(sent(finance, changed()).headers["Location"]))
    assert "3 differences" in shown
    for what in ("amount", "missing_here", "missing_there"):
        assert html.escape(TO_DO[what]) in shown
    for amount in ("4.01", "4.00", "7.50"):
        assert f'<span class="money">{amount}</span>' in shown
    assert "differs by" in shown
    assert shown.count("<td>theirs</td>") == shown.count("<td>ours</td>") == 2


def test_the_differences_come_as_a_file_without_formulas(finance: Client) -> None:
    sent(finance, changed())
    answer = finance.get(reverse("backoffice:provider_file_csv", args=[ProviderRun.objects.get().pk]))
    assert answer.streaming

    async def whole() -> str:
        # As a spreadsheet reads it: the mark at its beginning says that it is UTF-8.
        return b"".join([piece async for piece in answer]).decode("utf-8-sig")

    lines = list(csv.DictReader(io.StringIO(async_to_sync(whole)())))
    assert [each["what"] for each in lines] == ["amount", "missing_here", "missing_there"]
    assert lines[1]["reference"] == "'=ghost"
    assert (lines[0]["theirs"], lines[0]["ours"]) == ("4.01", "4.00")


def test_what_was_done_is_in_the_trail(finance: Client) -> None:
    sent(finance, changed())
    run = ProviderRun.objects.get()
    entry = AuditEntry.objects.get(act="reconcile provider")
    assert (entry.actor, entry.subject) == ("fay", f"acme {DAY} acme.csv")
    assert entry.after == {"run": run.pk, "lines": run.lines, "differences": 3}
    finance.get(reverse("backoffice:provider_file_csv", args=[run.pk]))
    assert AuditEntry.objects.filter(act="export provider differences").count() == 1


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"provider": "nobody"}, "Select a valid choice."),
    ({"provider": ""}, "This field is required."),
    ({"day": "30.3.2025"}, "This is no day."),
    ({"day": "2999-01-01"}, "This day has not come yet."),
    ({"day": "1999-01-01"}, "No house has books"),
]


@pytest.mark.parametrize(("fields", "said"), REFUSED)
def test_a_form_that_makes_no_sense_says_why(finance: Client, fields: dict[str, str], said: str) -> None:
    answer = sent(finance, written(honest()), **fields)
    assert answer.status_code == 400
    assert said in body(answer)
    assert not ProviderRun.objects.exists()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "The submitted file is empty."),
        (b"a,b\n1,2\n", "The first line must be exactly reference,kind,player,currency,round,game,amount,time"),
        (b"<script>alert(1)</script>\n", "&lt;script&gt;"),
        (b"PK\x03\x04\xff\0\n", "The first line must be exactly"),
    ],
)
def test_a_file_that_is_none_says_what_is_expected(finance: Client, file: bytes, said: str) -> None:
    answer = sent(finance, file)
    assert answer.status_code == 400
    assert said in body(answer)
    assert not ProviderRun.objects.exists()


def test_a_file_above_the_limit_is_refused_with_another_way(finance: Client, settings: Any) -> None:
    settings.PROVIDER_FILE_MB = 1
    answer = sent(finance, written(honest()) + b"x" * 1024 * 1024)
    assert answer.status_code == 400
    assert "The file is larger than 1 MiB. Run manage.py reconcile_provider" in body(answer)


def test_a_long_list_of_differences_is_cut_on_the_page(finance: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SHOWN", 2)
    shown = body(finance.get(sent(finance, changed()).headers["Location"]))
    assert "These are the first 2 of 3. The file has them all." in shown


def test_only_those_who_may_compare_open_the_pages(finance: Client) -> None:
    sent(finance, changed())
    run = ProviderRun.objects.get().pk
    nobody = operators.nobody()
    for address in (
        HOME,
        reverse("backoffice:provider_file", args=[run]),
        reverse("backoffice:provider_file_csv", args=[run]),
    ):
        assert finance.get(address).status_code == 200
        assert nobody.get(address).status_code == 403
        assert Client().get(address).headers["Location"].startswith("/admin/login/")
    assert sent(nobody, changed()).status_code == 403
    assert ProviderRun.objects.count() == 1
    assert finance.get(reverse("backoffice:provider_file", args=[run + 1])).status_code == 404


def test_the_admins_window_shows_the_run_afterwards(finance: Client) -> None:
    sent(finance, changed())
    run = ProviderRun.objects.get()
    window = body(operators.sue().get(reverse("admin:wallet_providerrun_change", args=[run.pk])))
    assert "3 differences" in window
    assert "missing here: 1, theirs 7.50, ours 0.00 EUR" in window
    assert reverse("backoffice:provider_file", args=[run.pk]) in window


# --- through the server ------------------------------------------------------------------------


def test_only_an_operators_large_body_is_read(books: None) -> None:
    """Ten megabytes: more than any other address takes, and a stranger's are not read at all."""
    report_history.history()
    client = operators.logged_in(fay())
    lines = written(honest()) + sample_provider_files.filler(LARGEST_MESSAGE + 2**20)
    with game_client.served(workers=1) as server:
        cookie = client.cookies["sessionid"].value
        status, location = uploaded(server.port, lines, f"sessionid={cookie}")
        assert (status, location) == (302, reverse("backoffice:provider_file", args=[ProviderRun.objects.get().pk]))
        assert ProviderRun.objects.get().lines > 50_000
        for stranger in ("", "sessionid=nobody"):
            assert uploaded(server.port, lines, stranger)[0] == 403
    assert ProviderRun.objects.count() == 1


def uploaded(port: int, file: bytes, cookie: str) -> tuple[int, str | None]:
    """Status and Location of a multipart upload, as a browser would send it."""
    token, mark = "t" * 32, "----mark"
    fields = {"csrfmiddlewaretoken": token, "provider": "acme", "day": str(DAY)}
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
    )
    data = ("".join(parts) + head).encode() + file + f"\r\n--{mark}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Host": "localhost", "Content-Type": f"multipart/form-data; boundary={mark}"}
    connection.request("POST", HOME, data, headers | {"Cookie": f"csrftoken={token}; {cookie}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Location")


# --- reports of a provider's own ---------------------------------------------------------------------

REPORT = b"id|what|who|sum|when\nr-1|D|alice|150|1790000000\nr-2|?|alice|1|1790000000\n"
MAPPED = {
    "columns": {"reference": "id", "kind": "what", "player": "who", "amount": "sum", "time": "when"},
    "constants": {"currency": "EUR"},
    "kinds": {"D": "bet"},
    "delimiter": "|",
    "unit": "minor",
    "time_format": "unix",
}


def seen_in(shown: str) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)
    assert found
    return found[1]


def head(client: Client, file: bytes, **fields: str) -> Any:
    upload = SimpleUploadedFile("acme.csv", file, "text/csv")
    return client.post(reverse("backoffice:provider_file_lines"), {"provider": "acme", "head": upload, **fields})


def test_the_first_lines_are_shown_as_they_will_be_read(finance: Client) -> None:
    Provider.objects.filter(code="acme").update(file_mapping=MAPPED)
    shown = body(head(finance, REPORT))
    for told in ("r-1", "bet", "1.50", "kind &#x27;?&#x27; is none of D"):
        assert told in shown
    assert "is not there" in html.unescape(body(head(finance, b"a|b\n")))
    assert not ProviderRun.objects.exists()


def test_the_first_lines_of_our_own_file_are_shown_too(finance: Client) -> None:
    shown = body(head(finance, written(honest())))
    assert honest()[0]["reference"] in shown


def test_nothing_is_compared_by_a_mapping_before_its_first_lines_were_shown(finance: Client) -> None:
    Provider.objects.filter(code="acme").update(file_mapping=MAPPED)
    answer = sent(finance, REPORT)
    assert (answer.status_code, ProviderRun.objects.count()) == (200, 0)
    assert "choose the file again" in body(answer)
    seen = seen_in(body(answer))
    assert seen == seen_in(body(head(finance, REPORT)))
    assert sent(finance, REPORT + b"\n", seen=seen).status_code == 200
    assert ProviderRun.objects.count() == 0
    assert sent(finance, REPORT, seen=seen).status_code == 302
    assert ProviderRun.objects.get().lines == 2


def test_a_mapping_that_was_changed_meanwhile_is_looked_at_again(finance: Client) -> None:
    Provider.objects.filter(code="acme").update(file_mapping=MAPPED)
    seen = seen_in(body(head(finance, REPORT)))
    Provider.objects.filter(code="acme").update(file_mapping=MAPPED | {"unit": "main"})
    assert sent(finance, REPORT, seen=seen).status_code == 200
    assert not ProviderRun.objects.exists()


def test_the_first_lines_are_sent_and_nothing_else(finance: Client) -> None:
    assert finance.get(reverse("backoffice:provider_file_lines")).status_code == 405
    assert body(head(finance, REPORT, provider="nobody")).strip() == ""
