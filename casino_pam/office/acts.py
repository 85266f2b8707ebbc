"""What an act of an operator is: whom it is about, who may do it, what it says, and the command behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.urls import reverse

from casino_pam import commands
from casino_pam.office import audit
from casino_pam.office.forms import ActForm
from casino_pam.office.subjects import State, Subject
from wallet.kinds import OPERATOR

T = TypeVar("T", bound=Model)


class Guard(Enum):
    """What lets a form act once, however often it is sent."""

    COMMAND = "its reference is the command's"
    TRANSACTION = "its row of the audit trail is written in the transaction of the change"
    TRAIL = "its row of the audit trail is looked for first; what is sent twice at once does the same twice"


@dataclass(frozen=True, kw_only=True)
class Asked(Generic[T]):
    """A form that was filled in rightly: ``given`` is what it says, ``by`` the operator's name."""

    on: T
    given: dict[str, Any]
    by: str
    before: State

    @property
    def reference(self) -> str:
        return str(self.given["reference"])

    @property
    def reason(self) -> str:
        return str(self.given["reason"])

    def carried(self) -> dict[str, Any]:
        """What every command of an operator carries."""
        return {
            "source": OPERATOR,
            "actor": self.by,
            "at": commands.now(),
            "deadline": commands.deadline(),
        }


@dataclass(frozen=True, kw_only=True)
class Done:
    """What came of an act: a sentence, and the ledger's row if there is one (its id)."""

    said: str
    row: str | None = None
    outcome: str = audit.DONE


def always(_: Any) -> None:
    """Nothing ever stands in the way of the act."""


@dataclass(frozen=True, kw_only=True)
class Act(Generic[T]):
    """``effect`` says in a sentence what will happen, ``hindrance`` why it cannot now, or None."""

    name: str
    title: str
    subject: Subject[T]
    permission: str
    form: type[ActForm]
    effect: Callable[[T], str]
    carry_out: Callable[[Asked[T]], Done]
    hindrance: Callable[[T], str | None] = always
    # It takes something away: its button says so in red.
    takes: bool = False
    guard: Guard = Guard.COMMAND

    def address(self, row: T) -> str:
        return reverse(f"office:{self.name}", args=[row.pk])
