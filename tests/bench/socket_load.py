"""Two thousand players watch, two hundred bets a second are made: how soon each shows, and whether all ends well.

Every socket is counted: one whose version goes back, or whose last frame is not what the database
holds a second after the last bet, stops the benchmark.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from tests.bench import game_load, processor_time

SOCKETS = 2_000
BETS_PER_SECOND = 200
# Connections are opened a few at a time, as players come.
TOGETHER = 50
CONNECTIONS = 8


class Watcher:
    """One player's socket: the newest version it was told, and when."""

    def __init__(self, player: int) -> None:
        self.player = player
        self.version = -1
        self.told_at: dict[int, float] = {}

    async def watch(self, socket: ClientConnection) -> None:
        async for text in socket:
            frame = json.loads(text)
            if frame["version"] < self.version:
                raise RuntimeError(f"p{self.player} was shown {frame['version']} after {self.version}")
            self.version = frame["version"]
            self.told_at.setdefault(self.version, time.perf_counter())


class Provider:
    """A keep-alive connection that bets."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.free = asyncio.Lock()

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def bet(self, body: bytes) -> tuple[float, float, int]:
        """When it was sent, when it was answered, and the wallet's version."""
        request = game_load.raw_request("/api/game/v1/bet", body).replace("|", "\r\n").encode()
        async with self.free:
            sent = time.perf_counter()
            self.writer.write(request)
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            answer: dict[str, Any] = json.loads(await self.reader.readexactly(length))
            return sent, time.perf_counter(), answer["version"]


def measure(port: int, seconds: int) -> dict[str, float]:
    """Percentiles in milliseconds from a bet's answer, and from its sending, to the frame that shows it."""
    return asyncio.run(_measure(port, seconds))


async def _measure(port: int, seconds: int) -> dict[str, float]:
    watchers = [Watcher(player) for player in range(SOCKETS)]
    sockets = await _open(port, watchers)
    watching = [asyncio.create_task(each.watch(socket)) for each, socket in zip(watchers, sockets, strict=True)]
    while any(each.version < 0 for each in watchers):
        await asyncio.sleep(0.05)
    made = await _play(port, seconds)
    await asyncio.sleep(1)
    for task in watching:
        if task.done():
            task.result()
    _check(watchers)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, *(socket.close() for socket in sockets), return_exceptions=True)
    shown = [(watchers[player].told_at, times) for player, times in made]
    after_answer = [max(0.0, told[version] - at) for told, (_, at, version) in shown if version in told]
    after_sending = [told[version] - at for told, (at, _, version) in shown if version in told]
    return {
        "frames seen": len(after_answer),
        "bet answered to frame p50 ms": 1000 * percentile(after_answer, 50),
        "bet answered to frame p99 ms": 1000 * percentile(after_answer, 99),
        "bet sent to frame p99 ms": 1000 * percentile(after_sending, 99),
    }


def percentile(values: list[float], hundredths: int) -> float:
    return sorted(values)[len(values) * hundredths // 100]


def memory(port: int, sockets: int) -> dict[str, float]:
    """MiB that the web processes hold with so many players watching, shared pages shared out, and how many do watch."""
    return asyncio.run(_memory(port, sockets))


async def _memory(port: int, sockets: int) -> dict[str, float]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    alone = _mebibytes()
    watchers = [Watcher(player) for player in range(sockets)]
    opened = await _open(port, watchers)
    watching = [asyncio.create_task(each.watch(socket)) for each, socket in zip(watchers, opened, strict=True)]
    while any(each.version < 0 for each in watchers):
        await asyncio.sleep(0.05)
    with_all = _mebibytes()
    left = sum(task.done() for task in watching)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, *(socket.close() for socket in opened), return_exceptions=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"watching": sockets - left, "MiB": with_all, "MiB without any": alone}


def _mebibytes() -> float:
    """Of the web command and its workers: a page that several share counts for each with its share."""
    found = 0
    for pid in processor_time.web_processes():
        found += int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0])
    return found / 1024


async def _open(port: int, watchers: list[Watcher]) -> list[ClientConnection]:
    from casino_pam import tokens
    from casino_pam.tokens import PlayerToken

    found: list[ClientConnection] = []
    ends_at = int(time.time()) + 3600
    for first in range(0, len(watchers), TOGETHER):
        some = watchers[first : first + TOGETHER]
        bought = [tokens.issue_ticket(PlayerToken(f"p{each.player}", ends_at), time.time())[0] for each in some]
        urls = [f"ws://127.0.0.1:{port}/ws/player/?ticket={ticket}" for ticket in bought]
        found += await asyncio.gather(*(connect(url, open_timeout=60, compression=None) for url in urls))
    return found


async def _play(port: int, seconds: int) -> list[tuple[int, tuple[float, float, int]]]:
    providers = [Provider(port) for _ in range(CONNECTIONS)]
    for provider in providers:
        await provider.open()
    run = f"s{random.getrandbits(32):x}"
    began = time.perf_counter()
    bets: list[tuple[int, asyncio.Task[tuple[float, float, int]]]] = []
    for number in range(seconds * BETS_PER_SECOND):
        await asyncio.sleep(max(0.0, began + number / BETS_PER_SECOND - time.perf_counter()))
        player = random.randrange(SOCKETS)
        body = msgspec.json.encode(game_load.bet_body(run, number, player))
        bets.append((player, asyncio.create_task(providers[number % CONNECTIONS].bet(body))))
    return [(player, await bet) for player, bet in bets]


def _check(watchers: list[Watcher]) -> None:
    """Every socket shows what the database holds."""
    from wallet.models import Wallet

    versions = dict(Wallet.objects.filter(currency="EUR").values_list("player__code", "version"))
    wrong = [each.player for each in watchers if versions[f"p{each.player}"] != each.version]
    if wrong:
        raise RuntimeError(f"{len(wrong)} of {len(watchers)} sockets do not show the last bet a second after it")
