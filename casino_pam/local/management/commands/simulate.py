"""`manage.py simulate`: a fake provider plays over HTTP, then holds its journal against the ledger."""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from casino_pam import demo
from casino_pam.local import demo_data, dialect_play, simulator
from casino_pam.local.dialect_play import HABITS, DialectProvider, DialectRounds, DialectShares
from casino_pam.local.simulator import (
    CannotSit,
    Connection,
    FakeProvider,
    Journal,
    Rounds,
    Shares,
    Tally,
    Unanswered,
    differences,
    write,
)
from wallet.management.arguments import name, number, whole

Table = Rounds | DialectRounds

share = number(0, 1)
# Nobody waits longer for a simulation, and no machine of one's own plays faster.
A_WEEK: Final = 7 * 24 * 60 * 60
FASTEST: Final = 100_000


class Command(BaseCommand):
    help = "Play as the demo's game provider over HTTP; at the end compare what was answered with the ledger."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dialect",
            choices=["door", *HABITS],
            default="door",
            help="play as the demo's provider that speaks it, with the habits of its family",
        )
        parser.add_argument(
            "--url", type=name(500), default=settings.BASE_URL, help="where the casino is served; BASE_URL if left out"
        )
        parser.add_argument(
            "--players", type=whole(1, 10_000), default=8, help="how many play at once; the demo's come first"
        )
        parser.add_argument("--seconds", type=number(0, A_WEEK), default=60, help="how long to play")
        parser.add_argument(
            "--rate", type=number(0, FASTEST), default=10, help="rounds a second together; 0: as fast as it goes"
        )
        parser.add_argument("--retries", type=share, default=0.05, help="share of requests sent twice, one by one")
        parser.add_argument("--duplicates", type=share, default=0.0, help="share of requests sent twice at once")
        parser.add_argument("--rollbacks", type=share, default=0.05, help="share of rounds that are rolled back")
        parser.add_argument("--reordered", type=share, default=0.02, help="share of rounds delivered out of order")
        parser.add_argument("--seed", type=name(500), help="the same seed plays the same rounds")
        parser.add_argument("--file", type=Path, metavar="F.csv", help="write the provider's own account of the play")

    def handle(self, **options: Any) -> None:
        try:
            demo.must_be_allowed()
        except demo.NotADemo as error:
            raise CommandError(str(error)) from None
        run = f"sim-{int(time.time() * 1000):x}-"
        if options["dialect"] != "door":
            self.in_dialect(run, options)
            return
        if options["file"] is not None:
            _begin(options["file"])
        journal = Journal(demo.PROVIDER, run)
        names = ("retries", "duplicates", "rollbacks", "reordered")
        shares = Shares(**{name: options[name] for name in names})
        provider = FakeProvider(options["url"], demo.PROVIDER, demo.secret("provider"), journal, shares)
        try:
            asyncio.run(self.play(provider, options, options["seed"] or run))
        except (Unanswered, CannotSit) as error:
            raise CommandError(f"{options['url']} did not let us play: {error}") from None
        if options["file"] is not None:
            self.stdout.write(f"{write(journal, options['file']):,} lines in {options['file']}")
        self.account(journal)

    async def play(self, provider: FakeProvider, options: dict[str, Any], seed: str) -> None:
        taken = await simulator.taken(options["url"], options["players"], self.stdout.write)
        tables = [Rounds(provider, seat, f"{seed}/{seat.player}") for seat in taken]
        await self.until_played(tables, provider.tally, options)

    def in_dialect(self, run: str, options: dict[str, Any]) -> None:
        """The same in a dialect; ``--retries`` is the share of answers that are lost."""
        if options["file"] is not None or options["duplicates"]:
            raise CommandError("--file and --duplicates are of our own door's play only.")
        (code,) = (code for code, dialect in demo.PROVIDERS.items() if dialect == options["dialect"])
        shares = DialectShares(options["retries"], options["rollbacks"], options["reordered"])
        provider = DialectProvider(options["url"], demo_data.sender(code), run, shares)
        try:
            asyncio.run(self.play_in_dialect(provider, options, options["seed"] or run))
        except (Unanswered, CannotSit) as error:
            raise CommandError(f"{options['url']} did not let us play: {error}") from None
        self.told(
            dialect_play.counts(provider), list(dialect_play.differences(provider)), len(provider.rounds), "rounds"
        )

    async def play_in_dialect(self, provider: DialectProvider, options: dict[str, Any], seed: str) -> None:
        line = Connection(options["url"])
        tables = []
        for seat in await simulator.taken(options["url"], options["players"], self.stdout.write):
            session = await simulator.opened(line, seat.player, provider.sender.code, seat.currency, seat.games[0])
            tables.append(DialectRounds(provider, seat, session, f"{seed}/{seat.player}"))
        line.close()
        await self.until_played(tables, provider.tally, options)

    async def until_played(self, tables: Sequence[Table], tally: Tally, options: dict[str, Any]) -> None:
        until = time.monotonic() + options["seconds"]
        pause = len(tables) / options["rate"] if options["rate"] else 0.0
        playing = asyncio.gather(*(table.play(lambda: time.monotonic() < until, pause) for table in tables))
        while not playing.done():
            await asyncio.wait([playing], timeout=1)
            self.summary(tally)
        await playing

    def summary(self, tally: Tally) -> None:
        """One line a second: how much, how fast, how often again."""
        times = sorted(tally.milliseconds)
        tally.milliseconds = []
        if times:
            p50, p99 = times[len(times) // 2], times[min(len(times) - 1, len(times) * 99 // 100)]
            self.stdout.write(
                f"{tally.answers:>9,} answers  {len(times):>6,}/s  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms  "
                f"sent again {tally.again}  problems {tally.problems}"
            )

    def account(self, journal: Journal) -> None:
        """Journal against ledger. Raises CommandError when they disagree."""
        self.told(journal.counts(), list(differences(journal)), len(journal.entries), "lines")

    def told(self, counts: Mapping[str, int], found: list[str], all_of_them: int, what: str) -> None:
        self.stdout.write("")
        for outcome, count in sorted(counts.items()):
            self.stdout.write(f"  {count:>9,}  {outcome}")
        for line in found[:50]:
            self.stderr.write(line)
        if found:
            raise CommandError(f"{len(found)} of {all_of_them} {what} disagree with the ledger.")
        self.stdout.write(self.style.SUCCESS(f"Journal and ledger agree on all {all_of_them:,} {what}."))


def _begin(path: Path) -> None:
    """Leave an empty file, before anybody plays. Raises CommandError where it cannot be written."""
    try:
        path.write_bytes(b"")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.", returncode=2) from None
