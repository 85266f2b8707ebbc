"""Load on the game door from a compiled client: wrk, sending requests that were signed beforehand.

A signature holds for 300 s, so each measurement signs its own requests just before. Every request
is another bet; a client that runs out of them would send repeats, so more are signed than can be
served, and the run is refused if that was not so.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from casino_pam.api.game.signing import sign
from tests.bench.bench_system import SECRET, WALLETS
from tests.bench.processor_time import Cost, Meter

_LUA = """
local requests, n = {}, 0
for line in io.lines("%s") do requests[#requests + 1] = line:gsub("|", "\\r\\n") end
function request() n = n + 1 return requests[(n - 1) %% #requests + 1] end
function response(status) if status ~= 200 then bad = (bad or 0) + 1 end end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %%d, "us": %%d, "non200": %%d, "errors": %%d, "p50": %%d, "p99": %%d}\\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def available() -> bool:
    return shutil.which("wrk") is not None


def bet_body(run: str, number: int, player: int) -> dict[str, Any]:
    return {
        "player": f"p{player}",
        "currency": "EUR",
        "reference": f"{run}-{number}-{random.getrandbits(40)}",
        "round": f"{run}-{number}",
        "game": f"slot-{number % 50}",
        "amount": "1.00",
    }


def raw_request(path: str, body: bytes) -> str:
    """A signed HTTP/1.1 request on one line, `|` standing for CR LF."""
    timestamp = int(time.time())
    headers = sign("bench", SECRET, path, timestamp, body)
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", body.decode()]
    return "|".join(lines)


class Load:
    """What one run of wrk measured, and what one request of it cost."""

    def __init__(self, found: dict[str, int], cost: Cost) -> None:
        self.cost = cost
        self.per_second = found["requests"] * 1_000_000 / found["us"]
        self.p50_ms = found["p50"] / 1000
        self.p99_ms = found["p99"] / 1000
        self.refused = found["non200"]
        self.errors = found["errors"]

    def clean(self) -> Load:
        if self.refused or self.errors:
            raise RuntimeError(f"{self.refused} answers were not 200, {self.errors} connections failed")
        return self


def drive(
    port: int, *, connections: int, seconds: int, hot: bool = False, wagering: bool = True, enough: int = 20_000
) -> Load:
    """Signed bets over HTTP for ``seconds``: on random wallets, or on those that wager nothing, or all on one."""
    run = f"w{random.getrandbits(32):x}"
    path = "/api/game/v1/bet"
    lines = [
        raw_request(path, msgspec.json.encode(bet_body(run, n, _player(hot, wagering))))
        for n in range(enough * seconds)
    ]
    load = wrk(port, lines, connections=connections, seconds=seconds)
    if load.per_second * seconds > len(lines):
        raise RuntimeError("the load ran out of requests and sent repeats: sign more")
    return load


def _player(hot: bool, wagering: bool) -> int:
    """p1 wagers nothing; house.promise() gives a bonus to every third."""
    if hot:
        return 1
    return random.randrange(WALLETS) if wagering else random.randrange(WALLETS // 3) * 3 + 1


def wrk(port: int, lines: list[str], *, connections: int, seconds: int, path: str = "/") -> Load:
    with tempfile.TemporaryDirectory() as folder:
        requests = Path(folder) / "requests"
        requests.write_text("\n".join(lines) + "\n")
        script = Path(folder) / "load.lua"
        script.write_text(_LUA % requests)
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
        meter = Meter()
        done = subprocess.run([*argv, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True)
    found = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    told = json.loads(found[0])
    return Load(told, meter.cost(told["requests"]))


def bulk(port: int, *, seconds: int) -> Load:
    """`bulk` with 1,000 independent bets a request, two requests at a time."""
    run = f"k{random.getrandbits(32):x}"
    path = "/api/game/v1/bulk"
    lines = []
    for request in range(30 * seconds):
        first = request * 1000
        operations = [{"op": "bet", **bet_body(run, first + n, random.randrange(WALLETS))} for n in range(1000)]
        lines.append(raw_request(path, msgspec.json.encode({"operations": operations})))
    return wrk(port, lines, connections=2, seconds=seconds).clean()


def drive_plain(port: int, *, connections: int, seconds: int, hot: bool) -> Load:
    """The same bets, unsigned, on the straightforward endpoint."""
    run = f"d{random.getrandbits(32):x}"
    lines = []
    for n in range(3000 * seconds):
        body = msgspec.json.encode(bet_body(run, n, 0 if hot else random.randrange(WALLETS))).decode()
        head = ["POST /bet HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
        lines.append("|".join([*head, f"Content-Length: {len(body)}", "", body]))
    return wrk(port, lines, connections=connections, seconds=seconds)
