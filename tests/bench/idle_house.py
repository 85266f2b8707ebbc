"""The first bet of an idle house: one connection, fifty bets a second, so that each finds nobody at work."""

from __future__ import annotations

import asyncio
import random

import msgspec

from tests.bench import game_load
from tests.bench.socket_load import Provider, percentile

APART_SECONDS = 0.02


def measure(port: int, seconds: int) -> dict[str, float]:
    """Percentiles in milliseconds from a bet's sending to its answer."""
    return asyncio.run(_measure(port, int(seconds / APART_SECONDS)))


async def _measure(port: int, bets: int) -> dict[str, float]:
    provider = Provider(port)
    await provider.open()
    run = f"i{random.getrandbits(32):x}"
    took = []
    for number in range(bets):
        await asyncio.sleep(APART_SECONDS)
        body = msgspec.json.encode(game_load.bet_body(run, number, random.randrange(game_load.WALLETS)))
        sent, answered, _ = await provider.bet(body)
        took.append(1000 * (answered - sent))
    return {"p50 ms": percentile(took, 50), "p99 ms": percentile(took, 99)}
