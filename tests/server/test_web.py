"""The web workers as real processes: whom they believe, how they end, how they are replaced."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from casino_pam.local.os_support import PROJECT, free_port, listening, processes_in
from casino_pam.server.web import SILENCE_SECONDS
from tests.running_system import eventually
from tests.server.test_settings import OURS

SECONDS = 300
METRICS_TOKEN = "0123456789-abcdefghijklmnopqrstuvwxyz"


class Web:
    """`python -m casino_pam.server.web` on a port of its own, in a folder of its own by which its workers are found."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder / "log"
        told = {"PYTHONPATH": str(PROJECT), "STATIC_ROOT": str(folder), "METRICS_TOKEN": METRICS_TOKEN}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "casino_pam.server.web", f"127.0.0.1:{self.port}"],
                cwd=folder,
                env=os.environ | told | environment,
                stderr=log,
            )

    def ask(self, path: str, **headers: str) -> int:
        """The status; 0 where nobody answers."""
        return self._get(path, headers)[0]

    def metrics(self) -> str:
        """What Prometheus reads; empty where nobody answers."""
        return self._get("/metrics", {"Authorization": f"Bearer {METRICS_TOKEN}"})[1].decode()

    def _get(self, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def workers(self) -> set[int]:
        """The processes that load Django: all but the parent, and multiprocessing's tracker, its first child."""
        return set(sorted(set(processes_in(self.folder)) - {self.process.pid})[1:])

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def web(folder: Path, **environment: str) -> Iterator[Web]:
    """Up while the block runs, then stopped in good order."""
    served = Web(folder.resolve(), **environment)
    try:
        eventually(lambda: served.ask("/healthz") == 200 or served.process.poll() is not None, "an answer")
        yield served
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(SECONDS) == 0
    finally:
        served.process.kill()
        served.process.wait()
    listening(served.port).close()


@pytest.mark.parametrize(("trusted", "believed"), [("", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.7")])
def test_believes_forwarded_headers_of_a_trusted_proxy_alone(tmp_path: Path, trusted: str, believed: str) -> None:
    with web(tmp_path, TRUSTED_PROXIES=trusted, PLAIN_HTTP="off", WEB_WORKERS="1") as served:
        headers = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
        status = served.ask("/nowhere", **headers)
        # Over plain http production redirects; https, if we believe it, finds nothing at this address.
        assert status == (404 if trusted else 301)
        eventually(lambda: served.logged()[-1].get("request") == "GET /nowhere", "the log")
        assert served.logged()[-1]["ip"] == believed


def test_a_killed_worker_is_replaced_and_the_rest_serve_on(tmp_path: Path) -> None:
    with web(tmp_path, WEB_WORKERS="2") as served:
        eventually(lambda: len(served.workers()) == 2, "both workers")
        victim = max(served.workers())
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(served.workers() - {victim}) == 2, "a new worker")
        assert served.ask("/healthz") == 200


def deaths(served: Web) -> dict[str, float]:
    """What /metrics says of dead workers, by cause; empty while nobody answers."""
    lines = served.metrics().splitlines()
    found = [line.split() for line in lines if line.startswith("casino_pam_worker_deaths_total{")]
    return {name.split('"')[1]: float(value) for name, value in found}


@pytest.mark.parametrize(
    ("fatal", "cause", "ending"),
    [
        (signal.SIGKILL, "signal", {"signal": "SIGKILL"}),
        (signal.SIGSEGV, "signal", {"signal": "SIGSEGV"}),
        (signal.SIGSTOP, "silence", {"signal": "SIGKILL"}),
    ],
)
def test_a_worker_that_dies_or_freezes_is_replaced_logged_and_counted(
    tmp_path: Path, fatal: signal.Signals, cause: str, ending: dict[str, str]
) -> None:
    with web(tmp_path, WEB_WORKERS="2") as served:
        eventually(lambda: len(served.workers()) == 2, "both workers")
        eventually(lambda: deaths(served) == {"signal": 0, "exit": 0, "silence": 0}, "metrics that count nobody")
        victim = max(served.workers())
        os.kill(victim, fatal)
        eventually(lambda: len(served.workers() - {victim}) == 2, "a new worker")
        eventually(lambda: deaths(served).get(cause), "the count")
        assert deaths(served) == {"signal": 0, "exit": 0, "silence": 0} | {cause: 1}
        (line,) = (line for line in served.logged() if line["event"] == "worker_died")
        told = {"pid": victim, "cause": cause, "level": "error", "logger": "casino_pam.server.web"} | ending
        assert line.items() >= told.items()
        assert not {"signal", "exit_code"} & line.keys() - ending.keys()


def test_a_worker_that_leaves_without_a_word_is_told_by_its_exit_code(tmp_path: Path) -> None:
    # Any module that a worker loads may end it so; this one waits until it is asked to.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *_: os._exit(7))\n"
    )
    path = f"{tmp_path}{os.pathsep}{PROJECT}"
    with web(tmp_path, WEB_WORKERS="2", PYTHONPATH=path) as served:
        eventually(lambda: len(served.workers()) == 2, "both workers")
        victim = max(served.workers())
        os.kill(victim, signal.SIGUSR1)
        eventually(lambda: deaths(served).get("exit") == 1, "the count")
        (line,) = (line for line in served.logged() if line["event"] == "worker_died")
        assert (line["pid"], line["cause"], line["exit_code"]) == (victim, "exit", 7)


def test_a_worker_that_takes_its_time_to_load_is_not_taken_for_a_frozen_one(tmp_path: Path) -> None:
    slow = f"import sys, time\nif '--multiprocessing-fork' in sys.orig_argv:\n    time.sleep({SILENCE_SECONDS + 2})\n"
    (tmp_path / "sitecustomize.py").write_text(slow)
    with web(tmp_path, WEB_WORKERS="1", PYTHONPATH=f"{tmp_path}{os.pathsep}{PROJECT}") as served:
        assert "worker_died" not in {line["event"] for line in served.logged()}


def test_a_frozen_worker_does_not_keep_the_house_from_stopping(tmp_path: Path) -> None:
    with web(tmp_path, WEB_WORKERS="2") as served:
        eventually(lambda: len(served.workers()) == 2, "both workers")
        os.kill(max(served.workers()), signal.SIGSTOP)
    eventually(lambda: not processes_in(tmp_path.resolve()), "the end of the workers")


def test_no_worker_outlives_a_stop(tmp_path: Path) -> None:
    with web(tmp_path, WEB_WORKERS="2") as served:
        eventually(lambda: len(served.workers()) == 2, "both workers")
    eventually(lambda: not processes_in(tmp_path.resolve()), "the end of the workers")


def start_and_fail(address: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "casino_pam.server.web", address],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_taken_port_is_one_line() -> None:
    with listening(free_port()) as taken:
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = start_and_fail(address, dict(os.environ))
    assert done.returncode == 1
    assert done.stderr == f"Casino PAM cannot serve on {address}: [Errno 98] Address already in use\n"


def test_refuses_to_serve_with_settings_that_nobody_told() -> None:
    told = {name: value for name, value in os.environ.items() if name not in OURS}
    code = "import environ, sys; environ.Env.read_env = lambda *path: None; from casino_pam.server.web import main; "
    done = subprocess.run(
        [sys.executable, "-c", code + "sys.exit(main(['127.0.0.1:0']))"],
        cwd=PROJECT,
        env=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Casino PAM cannot serve on 127.0.0.1:0: DATABASE_URL is not set.")
