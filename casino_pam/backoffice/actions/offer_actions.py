"""What is done to an offer beside editing it: a copy, as the draft of the next campaign."""

from __future__ import annotations

from typing import Any, Final

from bonus.models import Offer
from bonus.offers import create_offer, offer_to_json
from casino_pam.backoffice.actions.action import OFFER, Action, ActionRequest, ActionResult, Guard, own_page
from casino_pam.backoffice.actions.forms import CopyForm


def _copy(submission: ActionRequest[Offer]) -> ActionResult:
    """The same terms under another code, closed; a promo code belongs to one campaign and is left out."""
    differs: dict[str, Any] = {"code": submission.given["code"], "enabled": False, "promo_code": None}
    made = create_offer(offer_to_json(submission.on) | differs)
    message = f"Copied {submission.on.code} as {made.code}. It is closed: edit it, then open it."
    return ActionResult(message=message, page=own_page(made))


OFFER_ACTIONS: Final = (
    Action(
        name="copy",
        title="Copy",
        subject=OFFER,
        permission="bonus.add_offer",
        form=CopyForm,
        effect=lambda offer: (
            "A new offer with the same terms is made, under a code of its own. It is closed, so that it can be edited"
            " before anybody is granted it; a promo code is not copied."
        ),
        run=_copy,
        guard=Guard.TRANSACTION,
    ),
)
