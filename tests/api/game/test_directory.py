"""What a process knows by heart, and how often it may ask for more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.db import DatabaseError, connection

from casino_pam.api.game.directory import Directory
from tests import scenario
from wallet.errors import Busy
from wallet.models import Provider


class Counting(Directory):
    """Counts its readings instead of making them."""

    def __init__(self, pause: float = 0) -> None:
        super().__init__(pause)
        self.readings = 0
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def _read(self) -> None:
        self.loop.call_soon_threadsafe(self.began.set)
        asyncio.run_coroutine_threadsafe(self.may_end.wait(), self.loop).result()
        self.readings += 1


async def settled(*asking: asyncio.Task[None]) -> None:
    """Let the tasks go as far as they come by themselves."""
    for _ in range(10 * len(asking)):
        await asyncio.sleep(0)


async def test_shares_one_reading_among_all_who_ask_before_it_begins() -> None:
    house = Counting()
    house.may_end.set()
    await asyncio.gather(*(house.look_again() for _ in range(1000)))
    assert house.readings == 1


async def test_reads_once_more_for_those_who_ask_while_it_reads() -> None:
    house = Counting()
    first = asyncio.create_task(house.look_again())
    await house.began.wait()
    # What changes from here on, the first reading may miss.
    later = [asyncio.create_task(house.look_again()) for _ in range(1000)]
    await settled(*later[:3])
    house.may_end.set()
    await asyncio.gather(first, *later)
    assert house.readings == 2


async def test_waits_out_the_pause_before_it_asks_the_database_again() -> None:
    house = Counting(pause=3600)
    house.may_end.set()
    await house.look_again()
    again = asyncio.create_task(house.look_again())
    await settled(again)
    assert not again.done()
    assert house.readings == 1
    again.cancel()


async def test_goes_on_for_the_others_when_one_stops_waiting() -> None:
    house = Counting()
    leaving, staying = (asyncio.create_task(house.look_again()) for _ in range(2))
    await house.began.wait()
    leaving.cancel()
    house.may_end.set()
    await staying
    assert house.readings == 1


async def test_says_unavailable_when_the_database_does_not_answer() -> None:
    class Away(Directory):
        def _read(self) -> None:
            raise DatabaseError

    house = Away()
    for _ in range(2):
        with pytest.raises(Busy) as busy:
            await house.look_again()
        assert busy.value.code == "unavailable"


def looked(times: int = 1, between: Callable[[], None] = lambda: None) -> Directory:
    """A house that has read the database so many times."""

    async def look() -> Directory:
        house = Directory(pause=0)
        await house.look_again()
        for _ in range(times - 1):
            await asyncio.to_thread(between)
            await house.look_again()
        return house

    return asyncio.run(look())


def test_knows_digits_and_live_secrets(books: None) -> None:
    scenario.catalogue()
    scenario.profile("zenith", reference_scope="player")
    house = looked()
    assert house.digits == {"EUR": 2, "JPY": 0, "KWD": 3, "BTC": 8}
    assert house.providers["acme"].secrets == (b"acme-secret",)
    assert not house.providers["acme"].per_player
    assert house.providers["zenith"].per_player


def test_reads_what_changed(books: None) -> None:
    scenario.catalogue()
    shown: list[str] = []

    def rotate() -> None:
        acme = Provider.objects.get(code="acme")
        shown.append(acme.rotate())
        acme.save()
        connection.close()

    house = looked(2, between=rotate)
    assert house.providers["acme"].secrets == (shown[0].encode(), b"acme-secret")
    assert house.providers["zenith"].secrets == (b"zenith-secret",)


def test_shuts_out_only_the_provider_whose_secret_cannot_be_decrypted(books: None) -> None:
    scenario.catalogue()
    foreign = Fernet(Fernet.generate_key()).encrypt(b"acme-secret")
    Provider.objects.filter(code="acme").update(secret_one=foreign)
    house = looked()
    assert house.providers["acme"].secrets == ()
    assert house.providers["zenith"].secrets == (b"zenith-secret",)
