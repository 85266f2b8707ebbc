"""Every command of ours says in a line what is wrong, with a code, and never prints a traceback."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.db import connection

from casino_pam.local import launch
from casino_pam.local.os_support import PROJECT, free_port
from manage import INTERRUPTED, NOBODY_READS
from tests import scenario
from wallet.models import ApiKey, ProviderRun

OURS: Final = sorted(
    name for name, app in get_commands().items() if str(app).split(".")[0] in ("wallet", "bonus", "casino_pam")
)
HEADER: Final = "reference,kind,player,currency,round,game,amount,time\n"
PLAY: Final = ["reconcile_provider", "--provider", "acme", "--date", "2026-09-21"]

DAYS: Final = (
    "",
    "9999-12-31",
    "0001-01-01",
    "1969-12-31",
    "2026-02-30",
    "2026-9-1",
    "20260921",
    "٢٠٢٦-٠٩-٢١",
    "today",
    "-1",
)
WHOLES: Final = ("", "-1", "99999999999", "9" * 5_000, "1.5", "1e3", "٣", "nan", "x")
NUMBERS: Final = ("", "-1", "nan", "inf", "1e999", "x")
NAMES: Final = ("", "x" * 200, "a\nb", "a\x1bb", "a\x7f", "\udcff", "\u2028")

# A command line with {} in the place of what is odd.
LINES: Final[dict[str, tuple[list[str], tuple[str, ...]]]] = {
    "api_key create": (["api_key", "create", "{}", "--scopes", "cashier"], NAMES),
    "api_key create --source": (
        ["api_key", "create", "shop", "--scopes", "cashier", "--source", "{}"],
        (*NAMES, "acme", "cashier:", "cashier:" + "x" * 50),
    ),
    "api_key create --provider": (
        ["api_key", "create", "shop", "--scopes", "play", "--provider", "{}"],
        (*NAMES, "nobody"),
    ),
    "api_key create --scopes": (["api_key", "create", "shop", "--scopes", "{}"], ("", "all", "CASHIER")),
    "api_key create --expires": (["api_key", "create", "shop", "--scopes", "cashier", "--expires", "{}"], DAYS),
    "reset_second_factor": (["reset_second_factor", "{}", "--reason", "lost"], (*NAMES, "nobody")),
    "reset_second_factor --reason": (["reset_second_factor", "sue", "--reason", "{}"], NAMES),
    "api_key revoke": (["api_key", "revoke", "{}"], (*NAMES, "nobody")),
    "grant_cashback --offer": (
        ["grant_cashback", "--offer", "{}", "--from", "2026-09-01", "--to", "2026-09-02"],
        (*NAMES, "nobody"),
    ),
    "grant_cashback --from": (["grant_cashback", "--offer", "x", "--from", "{}", "--to", "2026-09-02"], DAYS),
    "grant_cashback --to": (["grant_cashback", "--offer", "x", "--from", "2026-09-01", "--to", "{}"], DAYS),
    "grant_bulk --offer": (["grant_bulk", "--offer", "{}", "--file", "x", "--reason", "x"], (*NAMES, "nobody")),
    "grant_bulk --file": (
        ["grant_bulk", "--offer", "x", "--reason", "x", "--file", "{}"],
        ("", "/nowhere/x.csv", "/", "/dev/null", "x" * 5_000),
    ),
    "grant_bulk --reason": (["grant_bulk", "--offer", "x", "--file", "x", "--reason", "{}"], (*NAMES[2:], " ")),
    "grant_bulk --currency": (["grant_bulk", "--offer", "x", "--file", "x", "--currency", "{}"], NAMES),
    "grant_bulk --reference": (["grant_bulk", "--offer", "x", "--file", "x", "--reference", "{}"], NAMES),
    "open_rounds --older-than": (["open_rounds", "--older-than", "{}"], WHOLES),
    "open_rounds --within-days": (["open_rounds", "--within-days", "{}"], WHOLES),
    "open_rounds --provider": (["open_rounds", "--provider", "{}"], NAMES),
    "reconcile --wallet": (["reconcile", "--wallet", "{}"], (*NAMES, "nobody/EUR", "/", "0", "9" * 30)),
    "reconcile_provider --provider": (
        ["reconcile_provider", "--provider", "{}", "--date", "2026-09-21", "--file", "x"],
        (*NAMES, "nobody"),
    ),
    "reconcile_provider --date": (["reconcile_provider", "--provider", "acme", "--date", "{}", "--file", "x"], DAYS),
    "reconcile_provider --file": ([*PLAY, "--file", "{}"], ("", "/nowhere/x.csv", "/", "/dev/null", "x" * 5_000)),
    "refresh_reports --rebuild": (["refresh_reports", "--rebuild", "{}"], DAYS),
    "simulate --players": (["simulate", "--players", "{}"], (*WHOLES, "0")),
    "simulate --seconds": (["simulate", "--seconds", "{}"], NUMBERS),
    "simulate --rate": (["simulate", "--rate", "{}"], NUMBERS),
    "simulate --retries": (["simulate", "--retries", "{}"], (*NUMBERS, "1.1")),
    "simulate --duplicates": (["simulate", "--duplicates", "{}"], (*NUMBERS, "1.1")),
    "simulate --rollbacks": (["simulate", "--rollbacks", "{}"], (*NUMBERS, "1.1")),
    "simulate --reordered": (["simulate", "--reordered", "{}"], (*NUMBERS, "1.1")),
    "simulate --file": (["simulate", "--seconds", "0", "--file", "{}"], ("", "/", "/nowhere/x.csv", "x" * 5_000)),
    "simulate --url": (
        ["simulate", "--seconds", "0", "--url", "{}"],
        (*NAMES[1:], "x", "http://", "http://[", "http://127.0.0.1:99999", "https://127.0.0.1", "http://ü.example"),
    ),
    "demo": (["demo", "{}"], ("--load --json", "x")),
    "migrate": (["migrate", "{}"], ("nobody", "wallet 9999")),
    "expire_bonuses": (["expire_bonuses", "{}"], ("x",)),
    "post_approved": (["post_approved", "{}"], ("x",)),
    "endpoint": (["endpoint", "{}"], ("", "x")),
    "endpoint create": (["endpoint", "create", "{}", "--url", "https://crm.example/"], (*NAMES, "CRM", "a b")),
    "endpoint create --url": (
        ["endpoint", "create", "crm", "--url", "{}"],
        (*NAMES, "ftp://x/", "https://", "https://a:b@x/", "https://x/#y", "https://[", "https://" + "x" * 600),
    ),
    "endpoint create --events": (
        ["endpoint", "create", "crm", "--url", "https://crm.example/", "--events", "{}"],
        ("", "bonus", "BONUS.GRANTED"),
    ),
    "endpoint change": (["endpoint", "change", "{}", "--enable"], (*NAMES, "nobody")),
    "endpoint secret": (["endpoint", "secret", "{}"], (*NAMES, "nobody")),
    "endpoint replay": (
        ["endpoint", "replay", "{}", "--from", "2026-09-01", "--to", "2026-09-02"],
        (*NAMES, "nobody"),
    ),
    "endpoint replay --from": (["endpoint", "replay", "crm", "--from", "{}", "--to", "2999-01-01"], DAYS),
    "tidy_events": (["tidy_events", "{}"], ("x",)),
    "run_jobs": (["run_jobs", "{}"], ("x",)),
    "remind_approvals": (["remind_approvals", "{}"], ("x",)),
    "grant_cashback --last": (["grant_cashback", "--last", "{}"], ("", "year", "WEEK")),
    "certify": (["certify", "{}"], (*NAMES, "nobody", "acme")),
    "certify --key": (["certify", "acme", "--key", "{}"], ("/nowhere", "/", "/dev/null")),
    "provider": (["provider", "{}"], ("", "x")),
    "provider show": (["provider", "show", "{}"], (*NAMES, "nobody")),
    "provider create": (["provider", "create", "{}", "--name", "Nova"], (*NAMES, "Nova", "cashier", "acme")),
    "provider create --name": (["provider", "create", "nova", "--name", "{}"], ("", "x" * 200, "a\nb")),
    "provider create --currency": (
        ["provider", "create", "nova", "--name", "Nova", "--currency", "{}"],
        ("", "x", "=", "a=b", "a=EUR=x"),
    ),
    "provider create --public-key": (
        ["provider", "create", "nova", "--name", "Nova", "--public-key", "{}"],
        ("/nowhere", "/", "/dev/null"),
    ),
    "provider create --file-mapping": (
        ["provider", "create", "nova", "--name", "Nova", "--file-mapping", "{}"],
        ("/nowhere", "/", "/dev/null"),
    ),
    "provider create --set": (
        ["provider", "create", "nova", "--name", "Nova", "--set", "{}"],
        ("", "x", "late_win=maybe", "nothing=on", "win_requires_bet="),
    ),
    "provider change": (["provider", "change", "{}", "--enable"], (*NAMES, "nobody")),
    "provider secret": (["provider", "secret", "{}"], (*NAMES, "nobody")),
    "provider secret --secret": (["provider", "secret", "acme", "--secret", "{}"], ("", "x" * 200, "a\nb", " a")),
    "provider revoke": (["provider", "revoke", "{}"], (*NAMES, "nobody")),
    "encrypt_secrets": (["encrypt_secrets", "{}"], ("x",)),
    "backup": (["backup", "{}"], ("", "x")),
    "backup base": (["backup", "base", "{}", "--url", "postgres://u@127.0.0.1:1/x"], ("", "/dev/null", "x" * 5_000)),
    "backup base --url": (
        ["backup", "base", "/dev/null", "--url", "{}"],
        (*NAMES, "x", "postgres://", "postgres://[", "postgres://127.0.0.1:99999/x", "http://127.0.0.1/x"),
    ),
    "backup archive": (["backup", "archive", "{}", "--url", "postgres://u@127.0.0.1:1/x"], ("", "/dev/null", "\0")),
    "backup rehearse": (["backup", "rehearse", "{}"], ("", "/nowhere", "/dev/null", "x" * 5_000)),
    "backup rehearse --until": (["backup", "rehearse", "/nowhere", "--until", "{}"], (*DAYS, "2026-09-21T10:00:00")),
    "backup rehearse --file": (
        ["backup", "rehearse", "/nowhere", "--file", "{}"],
        (*NAMES, "acme", "acme:2026-09-21", "acme:2026-09-31:x.csv", ":2026-09-21:x.csv"),
    ),
    "import_games": (["import_games", "{}"], ("", "/", "/nowhere/x.csv", "/dev/null", "x" * 5_000)),
    "fill --rows": (["fill", "--rows", "{}"], (*WHOLES, "0")),
    "archive --write": (["archive", "--write", "{}"], ("", "/nowhere/x", "/", "x" * 5_000)),
    "archive --verify": (["archive", "--verify", "{}"], ("", "/nowhere/x", "/", "/dev/null", "x" * 5_000)),
    "archive --compare": (["archive", "--compare", "{}"], ("", "/nowhere/x", "/", "/dev/null", "x" * 5_000)),
    "cell": (["cell", "{}"], ("", "x")),
    "cell create": (["cell", "create", "{}", "--base-url", "https://a.example"], (*NAMES, "A", "a-b", "1a")),
    "cell create --base-url": (
        ["cell", "create", "north", "--base-url", "{}"],
        (
            *NAMES,
            "a.example",
            "ftp://a.example",
            "https://",
            "https://a.example/",
            "https://a.example?x",
            "https://a b",
        ),
    ),
    "cell report --since": (["cell", "report", "--since", "{}"], DAYS),
    "cell report --until": (["cell", "report", "--until", "{}"], DAYS),
    "cell report --url": (
        ["cell", "report", "--url", "{}"],
        (*NAMES, "mysql://a/b", "postgres://a.example", "postgres://u@127.0.0.1:1/x"),
    ),
    "limit_role --statement-seconds": (["limit_role", "--statement-seconds", "{}"], (*WHOLES, "0")),
    "set_up --operator": (["set_up", "--no-input", "--operator", "{}"], ("", "a b", "x" * 151, "a\nb")),
    "set_up --currency": (
        ["set_up", "--no-input", "--currency", "{}"],
        ("", "EUR", "eur=2", "EUR=19", "EUR=-1", "EUR=٢"),
    ),
    "set_up --provider": (["set_up", "--no-input", "--provider", "{}"], ("", "acme", "acme=x", "=door", "Nova=door")),
    "set_up --key": (["set_up", "--no-input", "--key", "{}"], NAMES),
    "set_up --country": (["set_up", "--no-input", "--country", "{}"], ("", "UK", "Malta", "mt")),
    "changepassword": (["changepassword", "{}"], ("nobody",)),
    "createsuperuser": (
        ["createsuperuser", "--no-input", "--email", "", "--username", "{}"],
        ("", "a b", "x" * 151, "a\nb"),
    ),
}


@pytest.fixture
def house(books: None) -> None:
    scenario.catalogue()


def test_every_command_is_in_the_table():
    assert {line[0] for line, _ in LINES.values()} == set(OURS)


@pytest.mark.parametrize("name", LINES)
def test_odd_arguments_are_refused_in_a_line_that_names_them(
    house: None, name: str, settings: Any, capsys: pytest.CaptureFixture[str]
):
    settings.DEMO = name.startswith(("simulate", "certify"))
    line, odd = LINES[name]
    for text in odd:
        argv = [text if part == "{}" else part for part in line]
        if " " in text and line[-1] == "{}" and name in ("demo", "migrate"):
            argv = [*line[:-1], *text.split()]
        command = load_command_class(get_commands()[argv[0]], argv[0])
        with pytest.raises(SystemExit) as refused:
            command.run_from_argv(["manage.py", *argv])
        assert refused.value.code not in (0, None), (name, text)
        said = capsys.readouterr().err
        assert said.strip(), (name, text)
        assert "Traceback" not in said
    assert not ApiKey.objects.exists()
    assert not ProviderRun.objects.exists()


@pytest.mark.parametrize("days", ["2000-01-01", "2999-12-31"])
def test_the_first_and_the_last_day_are_days(
    house: None, days: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "acme.csv"
    file.write_text(HEADER)
    call_command("reconcile_provider", "--provider", "acme", "--date", days, "--file", str(file))
    call_command("refresh_reports", "--rebuild", days)
    assert "they agree" in capsys.readouterr().out


def test_the_most_that_open_rounds_takes_is_taken(house: None, capsys: pytest.CaptureFixture[str]):
    call_command("open_rounds", "--older-than", "5260320", "--within-days", "3653")
    assert capsys.readouterr().out.startswith("0 open rounds")


def test_a_key_s_name_may_have_64_characters_and_accents(house: None, capsys: pytest.CaptureFixture[str]):
    call_command("api_key", "create", "é" * 64, "--scopes", "cashier")
    assert ApiKey.objects.get().name == "é" * 64


def test_a_file_whose_name_is_no_utf_8_is_compared(house: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / os.fsdecode(b"\xff\xfe.csv")
    path.write_text(HEADER)
    call_command(*PLAY, "--file", str(path))
    assert ProviderRun.objects.get().file == "??.csv"


# --- processes ------------------------------------------------------------------------------------


def environment(**more: str) -> dict[str, str]:
    own = connection.settings_dict
    url = f"postgres://{own['USER']}:{quote(own['PASSWORD'])}@{own['HOST']}:{own['PORT']}/{own['NAME']}"
    return {**os.environ, "DATABASE_URL": url, "PYTHONFAULTHANDLER": "1", **more}


@contextmanager
def manage(*argv: str, env: dict[str, str] | None = None, **more: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", *argv],
        cwd=PROJECT,
        env=env or environment(),
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


def test_ctrl_c_ends_a_command_in_a_line(house: None):
    with manage("shell", "--no-imports", "-c", "print('now', flush=True); import time; time.sleep(60)") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (INTERRUPTED, "Interrupted.\n")


def test_ctrl_c_ends_a_command_that_waits_for_postgresql(house: None):
    code = (
        "from django.db import connection; cursor = connection.cursor(); print('now', flush=True);"
        " cursor.execute('SELECT pg_sleep(60)')"
    )
    with manage("shell", "--no-imports", "-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (INTERRUPTED, "Interrupted.\n")


def test_nobody_reads_the_output_and_nothing_is_said_of_it(house: None):
    """`manage.py help | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with manage("open_rounds", stdout=writing) as process:
        os.close(writing)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (NOBODY_READS, "")


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_streams_that_the_shell_has_closed_swallow_what_they_are_given(house: None, closed: tuple[int, ...]):
    redirections = " ".join(f"{number}>&-" for number in closed)
    line = f'"{sys.executable}" manage.py open_rounds {redirections}'
    done = subprocess.run(
        ["sh", "-c", line], cwd=PROJECT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_a_line(house: None):
    with Path("/dev/full").open("w") as full, manage("open_rounds", stdout=full) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said == "manage.py open_rounds cannot go on: [Errno 28] No space left on device\n"


def test_a_database_without_tables_and_one_that_is_away_are_a_line_each(house: None):
    own = connection.settings_dict
    base = f"postgres://{own['USER']}:{quote(own['PASSWORD'])}@{own['HOST']}"
    for url, cure in (
        (f"{base}:{own['PORT']}/postgres", "run `manage.py migrate`"),
        (f"{base}:{free_port()}/casino", "PostgreSQL cannot be reached"),
    ):
        with manage("open_rounds", env=environment(DATABASE_URL=url)) as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 2, said
        assert cure in said.splitlines()[-1]
        assert "Traceback" not in said


def test_settings_that_are_nonsense_are_a_line(house: None):
    with manage("open_rounds", env=environment(SECRETS_KEY="x")) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert re.search(r"SECRETS_KEY can be guessed\. Set it to 32 random characters or more\.$", said.strip())
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "address", ["", "x", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "fd:x", "fd:99999999999", "fd:0"]
)
def test_the_web_process_says_where_it_cannot_serve(house: None, address: str):
    argv = [sys.executable, "-m", "casino_pam.server.web", address]
    done = subprocess.run(
        argv, cwd=PROJECT, env=environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Casino PAM cannot serve on")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("port", ["", "x", "0", "65536", "-1", "9" * 5_000, "٣"])
def test_a_port_that_is_none_keeps_the_house_from_starting(port: str, capsys: pytest.CaptureFixture[str]):
    assert launch.main([port]) == 1
    assert capsys.readouterr().err == f"Casino PAM cannot run: {port!r} is no port from 1 to 65535.\n"
