"""`manage.py post_approved`: what a second person approved and, after a crash, was never posted."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from casino_pam.engine import approvals
from wallet import audit
from wallet.errors import Refused
from wallet.models import Approval
from wallet.models.oversight import COMMAND

ACTOR = COMMAND + "post_approved"


class Command(BaseCommand):
    help = (
        "Post adjustments and completions that were approved while PostgreSQL or the server went away before they were"
        " posted. Run it every minute; each is posted once, however often and in however many places it is run."
    )

    def handle(self, **options: Any) -> None:
        left = 0
        for approved in approvals.unposted():
            name = f"{approved.act} {approved} of {approved.wallet.player.code}, {approved.wallet.currency_id}"
            try:
                approvals.post(approved, partial(_record, approved))
            except Refused as refused:
                # A refusal that the ledger remembers settles it too; any other waits for the next run.
                left += approvals.unposted().filter(pk=approved.pk).exists()
                self.stdout.write(f"Refused, {refused.code}: {name}.")
            else:
                self.stdout.write(f"Posted {name}.")
        if left:
            raise CommandError(f"Left for the next run: {left}.")


def _record(approved: Approval, _: object) -> None:
    audit.named(
        None,
        ACTOR,
        f"post {approved.act}",
        player=approved.wallet.player.code,
        subject=f"{approved}, approved by {approved.approver}",
        reason=approved.decision_reason or "",
        reference=str(approved.pk),
    )
