"""What is done to an operator's way in, by somebody else and for a reason: log-ins ended, the second factor reset."""

from __future__ import annotations

from typing import Final

from django.contrib.auth.models import User

from casino_pam import operator_sessions
from casino_pam.backoffice.actions.action import ACCOUNT, Action, ActionRequest, ActionResult, Guard
from casino_pam.backoffice.actions.forms import ActionForm
from wallet import second_factor
from wallet.errors import Refused
from wallet.models import SecondFactor
from wallet.models.oversight import INDEPENDENT_AFTER_DAYS


def _end(submission: ActionRequest[User]) -> ActionResult:
    """Who could shut superusers out could keep them out."""
    operator = submission.on
    if operator.is_superuser and not User.objects.filter(username=submission.by, is_superuser=True).exists():
        raise Refused("forbidden", why="superuser")
    count = second_factor.end_sessions(operator)
    return ActionResult(message=f"Ended {count} log-in{'' if count == 1 else 's'} of {operator.get_username()}.")


def _reset(submission: ActionRequest[User]) -> ActionResult:
    operator = submission.on
    if operator.get_username() == submission.by:
        raise Refused("forbidden", why="own_second_factor")
    second_factor.reset(operator)
    return ActionResult(
        message=f"Reset the second factor of {operator.get_username()}, and ended every log-in: the next one needs the "
        "password alone, or sets another up."
    )


OPERATOR_ACTIONS: Final = (
    Action(
        name="end-log-ins",
        title="End the log-ins",
        subject=ACCOUNT,
        permission="wallet.end_operatorsession",
        form=ActionForm,
        effect=lambda operator: (
            "Every browser in which this operator is logged in asks for the log-in again, at once. Who is to stay out "
            "is switched off (Active) besides."
        ),
        hindrance=lambda operator: None if operator_sessions.live(operator).exists() else "Nobody is logged in.",
        run=_end,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
    Action(
        name="reset-second-factor",
        title="Reset the second factor",
        subject=ACCOUNT,
        permission="wallet.reset_secondfactor",
        form=ActionForm,
        effect=lambda operator: (
            "For somebody who lost both the authenticator app and the recovery codes: be sure that it is them who ask. "
            f"Every log-in of theirs ends. For {INDEPENDENT_AFTER_DAYS} days neither of you can approve what the other "
            "asks for."
        ),
        hindrance=lambda operator: (
            None if SecondFactor.objects.filter(pk=operator.pk).exists() else "There is no second factor."
        ),
        run=_reset,
        guard=Guard.TRANSACTION,
        takes=True,
    ),
)
