"""`make run` as people treat it: started twice, stopped, killed, its port taken, its servers shot."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from casino_pam.local.os_support import PROJECT, free_port, listening, processes_in
from casino_pam.local.servers import passing_servers
from tests.running_system import eventually
from tests.server.test_settings import OURS

SOURCES = ("casino_pam", "wallet", "bonus", "templates", "manage.py")
SECONDS = 300


def server_in(folder: Path) -> int:
    """The server that keeps its data there: the others at work there are its children. Numbers of processes wrap."""
    parents: dict[int, int] = {}
    for pid in processes_in(folder):
        with contextlib.suppress(OSError):
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    (server,) = (pid for pid, parent in parents.items() if parent not in parents)
    return server


class Checkout:
    """A copy of the sources with data of its own, and what runs from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder / "output"
        self.environment = {name: value for name, value in os.environ.items() if name not in OURS}
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        ignore = shutil.ignore_patterns("__pycache__")
        for name in SOURCES:
            if (PROJECT / name).is_dir():
                shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
            elif (PROJECT / name).exists():
                shutil.copy(PROJECT / name, folder / name)
        self.launched: subprocess.Popen[bytes] | None = None

    def launch(self, **environment: str) -> "subprocess.Popen[bytes]":
        """Start it without waiting."""
        with self.output.open("wb") as output:
            self.launched = subprocess.Popen(
                [sys.executable, "-m", "casino_pam.local.launch", str(self.port)],
                cwd=self.folder,
                env=self.environment | {"DEMO": "off"} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return self.launched

    def launch_and_wait(self, **environment: str) -> "subprocess.Popen[bytes]":
        """Start it and return when it told where to look."""
        process = self.launch(**environment)
        eventually(lambda: "Ctrl-C stops everything" in self.said() or process.poll() is not None, "the web")
        assert process.poll() is None, self.said()
        return process

    def said(self) -> str:
        return self.output.read_text()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def manage(self, *argv: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """manage.py as in another terminal."""
        return subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def operators(self) -> str:
        code = "from django.contrib.auth.models import User; print(*User.objects.values_list('username', flat=True))"
        return self.manage("shell", "--verbosity", "0", "-c", code).stdout

    def running(self) -> set[int]:
        """Processes of this checkout: what it started, and what works in its servers' data."""
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"PYTHONPATH={self.folder}\0".encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
        homes = [self.folder / ".data/postgresql/cluster", self.folder / ".data/valkey"]
        return found.union(*(processes_in(home) for home in homes))

    def all_gone(self) -> None:
        """Nothing runs any more, and the port is free."""
        eventually(lambda: not self.running(), "the end of every process")
        listening(self.port).close()


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    """In a folder with a space in its name."""
    with tempfile.TemporaryDirectory(prefix="casino pam ") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        checkout = Checkout(folder)
        yield checkout
        if checkout.launched:
            checkout.launched.kill()
            checkout.launched.wait()
        checkout.all_gone()


def test_keeps_its_data_and_leaves_no_process_however_it_ends(checkout: Checkout) -> None:
    process = checkout.launch_and_wait()
    servers_and_workers = checkout.running()
    assert len(servers_and_workers) > 5
    status, body = checkout.get("/readyz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    status, page = checkout.get("/admin/login/")
    assert status == 200
    (stylesheet, *_) = re.findall(r'href="(/static/[^"]+\.css)"', page.decode())
    assert checkout.get(stylesheet)[0] == 200
    made = checkout.manage(
        "createsuperuser", "--no-input", "--username=olga", "--email=", DJANGO_SUPERUSER_PASSWORD="long-enough-7"
    )
    assert made.returncode == 0, made.stderr

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert checkout.said().endswith("Casino PAM has stopped.\n")
        assert not (checkout.folder / ".data/env").exists()
        checkout.all_gone()
        # Not even as zombies, which a container without an init would keep.
        assert not [pid for pid in servers_and_workers if Path(f"/proc/{pid}").exists()]
        process = checkout.launch_and_wait()
        servers_and_workers = checkout.running()
        assert checkout.operators() == "olga\n"

    process.kill()
    process.wait()
    checkout.all_gone()
    checkout.launch_and_wait()
    assert checkout.operators() == "olga\n"


def test_postgresql_and_valkey_are_started_again_when_they_die(checkout: Checkout) -> None:
    checkout.launch_and_wait()
    environment = (checkout.folder / ".data/env").read_text()
    for folder, news in (("postgresql/cluster", "postgresql died"), ("valkey", "valkey died")):
        os.kill(server_in(checkout.folder / ".data" / folder), signal.SIGKILL)
        eventually(lambda news=news: news in checkout.said(), "the news")
        eventually(lambda: checkout.get("/readyz")[0] == 200, "everything to work again")
    assert (checkout.folder / ".data/env").read_text() == environment


def test_the_first_start_has_logins_to_try_and_manage_py_tells_them_again(checkout: Checkout) -> None:
    checkout.launch_and_wait(DEMO="on")
    demo = json.loads(checkout.manage("demo", "--json").stdout)
    operator = demo["operators"][0]
    assert f"{operator['username']} " in checkout.said()
    assert operator["password"] in checkout.said()
    assert demo["api_key"] in checkout.said()


def test_a_taken_port_is_one_line(checkout: Checkout) -> None:
    with listening(checkout.port) as taken:
        taken.listen()
        assert checkout.launch().wait(SECONDS) == 1
    port = checkout.port
    assert checkout.said() == (
        f"Casino PAM cannot run: Port {port} on 127.0.0.1 is taken: stop what listens there, then run this again.\n"
    )
    assert not (checkout.folder / ".data").exists()


def test_two_launches_of_one_checkout_do_not_share_data(checkout: Checkout) -> None:
    checkout.launch_and_wait()
    second = subprocess.run(
        [sys.executable, "-m", "casino_pam.local.launch", str(free_port())],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.startswith("Casino PAM cannot run: Another Casino PAM runs on the data in ")
    assert second.stderr.count("\n") == 1
    assert checkout.get("/readyz")[0] == 200


def test_servers_told_by_address_are_used_and_none_is_embedded(checkout: Checkout) -> None:
    with passing_servers() as servers:
        told = {name: servers.environment[name] for name in ("DATABASE_URL", "REDIS_URL")}
        process = checkout.launch_and_wait(**told)
        assert checkout.get("/readyz")[0] == 200
        assert not (checkout.folder / ".data/postgresql").exists()
        assert not (checkout.folder / ".data/valkey").exists()
        assert checkout.manage("migrate", "--check").returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert all(server.alive() for server in servers.running)


def test_nonsense_in_the_environment_is_one_line(checkout: Checkout) -> None:
    assert checkout.launch(WEB_WORKERS="none").wait(SECONDS) == 1
    assert checkout.said().splitlines() == [
        "Casino PAM cannot run: WEB_WORKERS is 'none'. Set it to a whole number from 1 to 64."
    ]


def test_a_command_without_a_database_says_what_to_do(checkout: Checkout) -> None:
    done = checkout.manage(
        "showmigrations",
        DATABASE_URL=f"postgres://x@127.0.0.1:{free_port()}/x",
        REDIS_URL="redis://127.0.0.1/0",
        SECRET_KEY="0123456789" * 6,
        ALLOWED_HOSTS="localhost",
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("PostgreSQL cannot be reached: is `make run` up")
    assert "Traceback" not in done.stderr
