"""`manage.py grant_bulk`: an offer granted to every player of a file, each once."""

from __future__ import annotations

from argparse import ArgumentTypeError
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bonus.campaign_tables import GrantList
from bonus.models import Offer
from casino_pam import spreadsheet
from casino_pam.engine import bulk_grants
from casino_pam.engine.bulk_grants import Asked, Line, Unfit
from wallet import audit
from wallet.errors import Refused
from wallet.kinds import OPERATOR
from wallet.management.arguments import name
from wallet.models.oversight import COMMAND

ACTOR = COMMAND + "grant_bulk"
# How often it says how far it has come.
SECONDS = 2.0


def reason(text: str) -> str:
    """Why: one line that is not blank."""
    if not audit.is_reason(text):
        raise ArgumentTypeError(f"{text[:80]!r} is no reason of 1 to {audit.LONGEST_REASON} printable characters")
    return text


class Command(BaseCommand):
    help = (
        "Grant an offer to the players of a file: one a line, or player,currency. The file is looked at whole first;"
        " every fault is named, and with one of them nothing is granted. Run again with the same file after an"
        " interruption, it goes on, and grants nobody twice. A list above the threshold waits for an operator."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--offer", type=name(64), help="the code of the offer")
        parser.add_argument("--file", type=Path, help="the players, as CSV in UTF-8")
        parser.add_argument("--currency", type=name(32), help="of lines that name none")
        parser.add_argument("--reason", type=reason, help="kept for ever with the grants")
        parser.add_argument(
            "--reference", type=name(128), help="what names the list; the same file under another one is a new list"
        )
        parser.add_argument("--answers", type=Path, help="write one answer a line into this file, as CSV")
        parser.add_argument(
            "--unfinished", action="store_true", help="instead: go on with every list that was begun and not finished"
        )

    def handle(self, *, unfinished: bool, offer: str | None, file: Path | None, **options: Any) -> None:
        if unfinished:
            self.finish()
            return
        if not (offer and file and options["reason"]):
            raise CommandError("Name --offer, --file and --reason, or --unfinished.")
        made = self.make(offer, file, **options)
        if made.state == GrantList.State.WAITING:
            self.stdout.write(f"List {made.pk} waits for a second operator; nobody was granted anything yet.")
        elif made.state == GrantList.State.REJECTED:
            raise CommandError(f"List {made.pk} was rejected by {made.approver}; nobody was granted anything.")
        else:
            made = self.carry_out(made)
        if options["answers"]:
            with options["answers"].open("w", encoding="utf-8", newline="") as answers:
                answers.write(spreadsheet.BOM + spreadsheet.line(bulk_grants.COLUMNS))
                answers.writelines(map(spreadsheet.line, bulk_grants.result(made)))

    def finish(self) -> None:
        left = 0
        for each in bulk_grants.unfinished():
            try:
                self.carry_out(each)
            except CommandError:
                left += 1
        if left:
            raise CommandError(f"Left for the next run: {left}.")
        self.stdout.write("No list is left unfinished.")

    def make(
        self, code: str, file: Path, *, currency: str | None, reason: str, reference: str | None, **_: Any
    ) -> GrantList:
        offer = Offer.objects.filter(code=code).first()
        if offer is None:
            raise CommandError(f"There is no offer {code!r}.")
        try:
            lines, unread = bulk_grants.read_lines(file.read_text(encoding="utf-8"), offer, currency)
            # The same file is the same list, unless it is given another name.
            given = Asked(offer, lines, OPERATOR, reference or "", ACTOR, reason, unread=unread)
            asked = given._replace(reference=reference or f"file:{code}:{given.digest}")
            return bulk_grants.make(asked, partial(_record, lines))
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{file} cannot be read: {error}") from None
        except Unfit as unfit:
            for fault in unfit.faults:
                self.stdout.write(fault.text if fault.line is None else f"line {fault.line}: {fault.text}")
            raise CommandError(f"{len(unfit.faults)} faults; nobody was granted anything.") from None
        except Refused as refused:
            raise CommandError(f"Refused, {refused.code}: {refused.facts}") from None

    def carry_out(self, running: GrantList) -> GrantList:
        before = -1
        while running.state == GrantList.State.RUNNING:
            running = bulk_grants.carry_out(running, SECONDS)
            progress = bulk_grants.progress(running)
            self.stdout.write(f"{progress.answered} of {progress.lines}")
            if progress.answered == before:
                raise CommandError("Some were not decided in time; run it again.")
            before = progress.answered
        for answer, count in bulk_grants.progress(running).answers.items():
            self.stdout.write(f"{running.offer.code}, {answer}: {count}.")
        return running


def _record(lines: list[Line], made: GrantList) -> None:
    waits = made.state == GrantList.State.WAITING
    audit.named(
        None,
        ACTOR,
        "grant to many",
        subject=f"{made.offer.code} to {len(lines)} players",
        reason=made.reason,
        after={"list": str(made.pk), "worth": made.worth},
        outcome=audit.WAITS if waits else audit.DONE,
        reference=made.reference,
    )
