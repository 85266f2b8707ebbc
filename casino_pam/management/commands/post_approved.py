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
        "Post adjustments, completions and settlements that were approved while PostgreSQL or the server went away"
        " before they were posted. Run it every minute; each is posted once, however often and wherever it is run."
    )

    def handle(self, **options: Any) -> None:
        left = 0
        for approved in approvals.unposted():
            name = f"{approved.act} {approved} of {approved.wallet.player.code}, {approved.wallet.currency_id}"
            try:
                approvals.post(approved, partial(_record, approved))
            except Refused as refused:
                # A refusal settles it too; where nothing is known to have happened it waits for the next run.
                unsettled = approvals.unposted().filter(pk=approved.pk).exists()
                left += unsettled
                if not unsettled:
                    _record(approved, None, outcome=refused.code)
                self.stdout.write(f"Refused, {refused.code}: {name}.")
            else:
                self.stdout.write(f"Posted {name}.")
        if left:
            raise CommandError(f"Left for the next run: {left}.")


def _record(approved: Approval, _: object, outcome: str = audit.DONE) -> None:
    audit.named(
        None,
        ACTOR,
        f"post {approved.act}",
        player=approved.wallet.player.code,
        subject=f"{approved}, approved by {approved.approver}",
        reason=approved.decision_reason or "",
        outcome=outcome,
        reference=str(approved.pk),
    )
