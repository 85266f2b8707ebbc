"""HAProxy before cells, as docker/haproxy-cells.cfg has it: who is asked, and for which path."""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from casino_pam.local.cluster import Tools, wait_until
from casino_pam.local.os_support import PROJECT, free_port, passing_place

HOST = "all.example"


class Echo(BaseHTTPRequestHandler):
    """Says which server it is, and what it was asked."""

    def do_GET(self) -> None:
        forwarded = ",".join(self.headers.get_all("X-Forwarded-For", []))
        body = f"{self.server.server_port} {self.path} {forwarded}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def router() -> Iterator[tuple[int, dict[int, str]]]:
    """The port of HAProxy, and the names of the cells behind it by their ports."""
    with ExitStack() as stack:
        web = {name: ThreadingHTTPServer(("127.0.0.1", 0), Echo) for name in ("north", "south")}
        for server in web.values():
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        port = free_port()
        told = {"ROUTER": port, **{f"{name.upper()}_ONE": server.server_port for name, server in web.items()}}
        environment = {name: f"127.0.0.1:{at}" for name, at in told.items()}
        environment |= {"CELLS": str(PROJECT / "docker" / "cells.map"), "CHECKED_HOST": "127.0.0.1"}
        argv = [str(Tools(passing_place()).haproxy), "-db", "-f", str(PROJECT / "docker" / "haproxy-cells.cfg")]
        process = subprocess.Popen(argv, env=os.environ | environment, stdout=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_until(lambda: _asked(port, "north.example", "/")[0] == 200, "HAProxy does not serve")
        yield port, {server.server_port: name for name, server in web.items()}


def _asked(port: int, host: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host, "X-Forwarded-For": "1.2.3.4"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "path", "cell", "seen"),
    [
        ("north.example", "/admin/", "north", "/admin/"),
        ("South.Example:8443", "/play?a=1", "south", "/play?a=1"),
        ("south.example", "/north/api/v1/me", "south", "/north/api/v1/me"),
        (HOST, "/north/api/v1/players/a%2Fb?x=/south/", "north", "/api/v1/players/a%2Fb?x=/south/"),
        (HOST, "/south/api/game/v1/bet", "south", "/api/game/v1/bet"),
    ],
)
def test_a_request_goes_to_the_cell_of_its_host_or_of_its_path(
    router: tuple[int, dict[int, str]], host: str, path: str, cell: str, seen: str
) -> None:
    port, cells = router
    status, text = _asked(port, host, path)
    server, asked, forwarded = text.split()
    assert (status, cells[int(server)], asked, forwarded) == (200, cell, seen, "127.0.0.1")


@pytest.mark.parametrize(
    "path", ["/", "/admin/", "/north/admin/", "/east/api/v1/me", "/api/v1/me", "//north/api/v1/me"]
)
def test_who_names_no_cell_reaches_none(router: tuple[int, dict[int, str]], path: str) -> None:
    assert _asked(router[0], HOST, path)[0] == 421
