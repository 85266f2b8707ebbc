"""Who plays: the demo's players first, then players made and funded through the REST API."""

from __future__ import annotations

import json
import time
from typing import Any

from casino_pam import demo
from casino_pam.simulator.connection import Connection
from casino_pam.simulator.table import Seat
from wallet import money

FUNDS = "5000.00"
ACCEPTED = (200, 201)


class CannotSit(Exception):
    """The casino did not let a player in; the message is its answer."""


async def taken(base_url: str, players: int) -> list[Seat]:
    """Funded seats for so many players. Raises CannotSit."""
    line = Connection(base_url)
    games = tuple(demo.GAMES)
    seats = []
    for guest in demo.GUESTS[:players]:
        digits = demo.CURRENCIES[guest.currency]
        seats.append(Seat(guest.code, guest.currency, digits, money.parse(guest.stake, digits), games))
        await _fund(line, guest.code, guest.currency, guest.deposit)
    for number in range(len(seats), players):
        code = f"sim-{number}"
        await _post(line, "players", {"player": code, "wallets": ["EUR"]}, known=409)
        await _fund(line, code, "EUR", FUNDS)
        seats.append(Seat(code, "EUR", 2, 100, games))
    line.close()
    return seats


async def _fund(line: Connection, player: str, currency: str, amount: str) -> None:
    reference = f"sim-{player}-{time.time_ns()}"
    await _post(
        line, "deposits", {"player": player, "currency": currency, "reference": reference, "amount": amount}, known=200
    )


async def _post(line: Connection, path: str, body: dict[str, Any], *, known: int) -> None:
    headers = {"Authorization": f"Api-Key {demo.secret('api key')}"}
    status, answer = await line.post(f"/api/v1/{path}", json.dumps(body).encode(), headers)
    if status not in (*ACCEPTED, known):
        raise CannotSit(f"{path}: {status} {answer}")
