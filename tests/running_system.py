"""A whole house of a test's own, to be broken: PostgreSQL, Valkey and web workers that nobody else uses."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import redis
from websockets.sync.client import ClientConnection

from casino_pam.live.restrictions import GROUP
from casino_pam.local.os_support import PROJECT, free_port
from casino_pam.local.servers import Servers
from tests import game_client, scenario
from tests.prepared_servers import prepared_servers
from tests.socket_client import dial

START_SECONDS = 60
# Whoever waits so long for another process waits in vain.
HANGS_SECONDS = 300

_SEED = """
import django
django.setup()
from tests import scenario
from wallet.models import ApiKey
from wallet.models.provider import SCOPES
scenario.catalogue()
for code in {players!r}:
    scenario.player(code, "500.00")
key = ApiKey(name="shop", scopes=list(SCOPES))
print(key.renew())
key.save()
"""


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait for another process to do what it must."""
    until = time.monotonic() + HANGS_SECONDS
    while not condition():
        assert time.monotonic() < until, f"in vain for {what}"
        time.sleep(0.05)


class WebGroup:
    """Web workers that listen at a port of their own and log into a file of their own."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; underscores in names of headers are dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer.of(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def listens(self) -> bool:
        try:
            return self.ask("GET", "/healthz").status == 200
        except OSError:
            return False

    def alarms(self) -> list[str]:
        """The lines of the log that would wake somebody up."""
        return [line for line in self._log.read_text().splitlines() if re.search('"level": "(error|critical)"', line)]


class Answer(NamedTuple):
    """The names of the headers are in small letters."""

    status: int
    headers: dict[str, str]
    text: str

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Answer:
        found: dict[str, str] = {}
        for name, value in headers:
            found[name.lower()] = ", ".join(filter(None, (found.get(name.lower()), value)))
        return cls(status, found, body.decode())

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class RunningSystem:
    """Two web workers on their own servers, and the players they were given, each with 500.00."""

    def __init__(self, servers: Servers, players: tuple[str, ...], environment: dict[str, str]) -> None:
        self.postgresql, self.valkey = servers.running
        self.port = free_port()
        # What the names of a cell begin with in Redis.
        self.prefix = f"{environment['CELL']}:" if "CELL" in environment else ""
        self._environment = {
            **os.environ,
            **servers.environment,
            "WEB_WORKERS": "2",
            "DATABASE_POOL_SIZE": "4",
            "DJANGO_SETTINGS_MODULE": "casino_pam.settings",
            **environment,
        }
        self.key = self._python("-c", _SEED.format(players=players)).strip()
        self._web: subprocess.Popen[bytes]
        self.open()

    def open(self) -> None:
        """Start the web workers; they always listen at the same port."""
        argv = [sys.executable, "-m", "casino_pam.server.web", f"127.0.0.1:{self.port}"]
        self._web = subprocess.Popen(argv, cwd=PROJECT, env=self._environment)
        eventually(lambda: self._web.poll() is not None or self._answers(), "an answer")
        assert self._web.poll() is None, "the web workers ended"

    def close(self) -> None:
        """Stop the web workers as a deployment does."""
        self._web.terminate()
        self._web.wait(START_SECONDS)

    @contextmanager
    def group(self, **environment: str) -> Iterator[WebGroup]:
        """Another group of web workers of this house, as on another machine."""
        port = free_port()
        log = Path(tempfile.mkdtemp(prefix="casino-pam-group-")) / "web.log"
        with log.open("wb") as file:
            web = subprocess.Popen(
                [sys.executable, "-m", "casino_pam.server.web", f"127.0.0.1:{port}"],
                cwd=PROJECT,
                env=self._environment | environment,
                stdout=file,
                stderr=file,
            )
            try:
                opened = WebGroup(port, log)
                eventually(lambda: web.poll() is not None or opened.listens(), "another group")
                assert web.poll() is None, log.read_text()
                yield opened
            finally:
                web.terminate()
                web.wait(START_SECONDS)
                shutil.rmtree(log.parent)

    def manage(self, *argv: str, **environment: str) -> subprocess.Popen[str]:
        """`manage.py` on this house's database, while the house serves."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *argv],
            cwd=PROJECT,
            env=self._environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def bet(self, player: str, amount: str = "1.00") -> int:
        """The status of a bet through the game door, on a new connection."""
        asked = {"player": player, "currency": "EUR", "round": "r-1", "game": "g-1", "amount": amount}
        client = game_client.Client(self.port)
        try:
            return client.post("bet", {**asked, "reference": scenario.fresh()}).status
        finally:
            client.connection.close()

    def token(self, player: str) -> str:
        found: str = self._rest("POST", f"players/{player}/tokens", f"Api-Key {self.key}")["token"]
        return found

    def cash(self, player: str) -> str:
        """What the database says."""
        found: str = self._rest("GET", f"players/{player}/wallets/EUR", f"Api-Key {self.key}")["cash"]
        return found

    def ticket(self, player: str) -> str:
        """A ticket, bought as the player's page does it."""
        found: str = self._rest("POST", "me/socket-ticket", f"Bearer {self.token(player)}")["ticket"]
        return found

    def dial(self, player: str) -> ClientConnection:
        return dial(self.port, self.ticket(player))

    def lock(self, player: str, locked: bool) -> int:
        """The status of a change of the bet lock through the REST door."""
        change = json.dumps({"locks": {"bet": locked}})
        return self._once("PATCH", f"players/{player}", f"Api-Key {self.key}", change)[0]

    def listeners(self) -> int:
        """How many web workers hear of restrictions."""
        with redis.Redis.from_url(self.valkey.url) as client:
            ((_, count),) = client.pubsub_numsub(f"{self.prefix}asgi__group__{GROUP}")
        return int(count)

    def python(self, code: str, **environment: str) -> str:
        """What a program of Django's prints that runs in this house."""
        return self._python("-c", f"import django\ndjango.setup()\n{code}", **environment).strip()

    def _rest(self, method: str, path: str, authorization: str) -> dict[str, Any]:
        """The answer; a 503, as after a restart of PostgreSQL, means: send the same again."""
        until = time.monotonic() + START_SECONDS
        while True:
            status, body = self._once(method, path, authorization)
            if status != 503 or time.monotonic() > until:
                assert status in (200, 201), body
                return body
            time.sleep(0.1)

    def _once(self, method: str, path: str, authorization: str, body: str | None = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"Authorization": authorization, **({"Content-Type": "application/json"} if body else {})}
            connection.request(method, f"/api/v1/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            game_client.Client(self.port).dial().close()
        except OSError:
            return False
        return True

    def _python(self, *argv: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=PROJECT,
            env=self._environment | environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout


@contextmanager
def running(*players: str, **environment: str) -> Iterator[RunningSystem]:
    """A house that runs until the end of the block."""
    with prepared_servers() as servers:
        house = RunningSystem(servers, players, environment)
        try:
            yield house
        finally:
            house.close()
