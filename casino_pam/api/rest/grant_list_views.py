"""An offer granted to many players with one request, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.fields import CharField, IntegerField
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ListField

from bonus import campaign_tables
from bonus.models import Offer
from casino_pam import spreadsheet
from casino_pam.api.fields import Body
from casino_pam.api.rest.bonus_views import NOT_GRANTED
from casino_pam.api.rest.rest_view import RestView, created
from casino_pam.api.rest.schema import documented
from casino_pam.api.rest.serializer_fields import (
    CurrencyField,
    InstantField,
    KnownCurrencySerializer,
    NameField,
    ReasonField,
    StrictField,
    StrictSerializer,
    WordField,
)
from casino_pam.engine import bulk_grants
from casino_pam.engine.bulk_grants import Asked, Line, Unfit
from wallet import money
from wallet.errors import InvalidField, Refused

# A body is 64 KiB at most; longer lists are sent in several, each under a reference of its own.
MOST_PLAYERS: Final = 1_000
# How long one request carries a list out; sent again, it goes on.
PART_SECONDS: Final = 1.0


class PlayersField(StrictField, ListField):
    """Players, each named once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=NameField(), min_length=1, max_length=MOST_PLAYERS, **options)

    def read(self, body: Body, name: str) -> list[str]:
        players = body.get(name)
        if type(players) is not list or not 1 <= len(players) <= MOST_PLAYERS:
            raise InvalidField(name, f"must be an array of 1 to {MOST_PLAYERS} players")
        for place, player in enumerate(players):
            if type(player) is not str or not money.is_reference(player):
                raise InvalidField(
                    f"{name}[{place}]", "must be 1 to 128 printable ASCII characters without a space at either end"
                )
        return players


class GrantListAsked(KnownCurrencySerializer):
    currency = CurrencyField()
    reference = NameField(help_text="Spent once, for ever; a repeat goes on with the list and shows how it stands.")
    offer = NameField()
    players = PlayersField()
    reason = ReasonField(required=False, help_text="For the auditor, on one line.")


class ListAndProgress(NamedTuple):
    """A list, and how far it has come."""

    list: campaign_tables.GrantList
    progress: bulk_grants.Progress


class GrantList(StrictSerializer):
    reference = CharField(source="list.reference")
    offer = CharField(source="list.offer.code")
    status = WordField(*campaign_tables.GrantList.State.values, source="list.state")
    lines = IntegerField(source="progress.lines", min_value=1)
    answered = IntegerField(
        source="progress.answered", min_value=0, help_text="Lines that were granted or refused; others are to come."
    )
    granted = IntegerField(source="progress.granted", min_value=0)
    created_at = InstantField(source="list.created_at")
    finished_at = InstantField(source="list.finished_at", allow_null=True)


def _body(of: campaign_tables.GrantList) -> dict[str, Any]:
    return GrantList(ListAndProgress(of, bulk_grants.progress(of))).data


_SENT: Final = {"reference": "vip-november", "offer": "gift", "currency": "EUR", "players": ["alice", "bob"]}
_EXAMPLE: Final = {
    "reference": "vip-november",
    "offer": "gift",
    "status": "done",
    "lines": 2,
    "answered": 2,
    "granted": 2,
    "created_at": "2026-11-22T10:30:00.000000Z",
    "finished_at": "2026-11-22T10:30:01.000000Z",
}


class GrantLists(RestView):
    """Grant an offer to many players: all of them fit, or nothing happens."""

    scope = "bonuses"

    @documented(
        "Grant a bonus to many players",
        asks=GrantListAsked,
        sends=_SENT,
        answers={200: GrantList, 201: GrantList},
        refusals=("unknown_currency", *NOT_GRANTED, "reference_reused"),
    )
    def post(self, request: Request) -> Response:
        body = self.validated(GrantListAsked)
        offer = Offer.objects.filter(code=body["offer"]).first()
        if offer is None:
            raise Refused("unknown_offer", offer=body["offer"])
        new: list[campaign_tables.GrantList] = []
        asked = Asked(
            offer=offer,
            lines=[Line(number, player, body["currency"]) for number, player in enumerate(body["players"], 1)],
            source=self.key.source,
            reference=body["reference"],
            actor=self.actor,
            reason=body.get("reason", ""),
            by_hand=False,
        )

        def record(made: campaign_tables.GrantList) -> None:
            new.append(made)
            subject = f"{made.offer.code} to {len(asked.lines)} players"
            self.record("grant to many", subject=subject, after={"list": str(made.pk)}, reason=made.reason)

        try:
            made = bulk_grants.make(asked, record)
        except Unfit as unfit:
            raise _unfit(unfit) from None
        answer = _body(bulk_grants.carry_out(made, PART_SECONDS))
        return created(answer) if new else Response(answer)


def _unfit(unfit: Unfit) -> Refused:
    """Every fault of a list, each tied to the player that it is about, as the first is."""
    problems = [
        {"field": "players" if fault.line is None else f"players[{fault.line - 1}]", "message": fault.text}
        for fault in unfit.faults
    ]
    first = problems[0]
    return Refused(
        "invalid_field", field=first["field"], detail=f"{first['field']}: {first['message']}", problems=problems
    )


class GrantListProgress(RestView):
    """How a list stands."""

    scope = "bonuses"

    @documented("Read a grant list", answers=GrantList, gets=_EXAMPLE, refusals=("not_found",))
    def get(self, request: Request, grant_list: str) -> Response:
        return Response(_body(_grant_list(self.key.source, grant_list)))


class GrantListAnswers(RestView):
    """One answer a line: granted, with the bonus, or why not."""

    scope = "bonuses"

    @documented(
        "The answers of a grant list as a file",
        answers={(200, "text/csv"): OpenApiTypes.STR},
        refusals=("not_found",),
    )
    def get(self, request: Request, grant_list: str) -> StreamingHttpResponse:
        return spreadsheet.download("answers.csv", _pieces(_grant_list(self.key.source, grant_list)))


def _grant_list(source: str, reference: str) -> campaign_tables.GrantList:
    found = bulk_grants.lists().filter(source=source, reference=reference).first()
    if found is None:
        raise Refused("not_found")
    return found


def _pieces(of: campaign_tables.GrantList) -> Iterator[str]:
    yield spreadsheet.line(bulk_grants.COLUMNS)
    for row in bulk_grants.result(of):
        yield spreadsheet.line(row)
