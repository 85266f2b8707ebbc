"""What the list of players is narrowed by: who they are, what holds them and what they have, along an index each.

No filter reads the ledger. That of a balance reads the wallets of its currency, which bets would otherwise have to keep
an index of.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from wallet import jurisdictions, money
from wallet.kinds import VERIFICATIONS
from wallet.models import Currency, Player, Wallet


def distinct(table: str, column: str) -> list[str]:
    """The values that a column has, by one look into its index for each, where DISTINCT would read the whole of it."""
    with connection.cursor() as cursor:
        cursor.execute(f"""
WITH RECURSIVE known(value) AS (
    (SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT t.{column} FROM {table} t WHERE t.{column} > known.value ORDER BY t.{column} LIMIT 1)
    FROM known WHERE known.value IS NOT NULL
)
SELECT value FROM known WHERE value IS NOT NULL""")
        return [value for (value,) in cursor.fetchall()]


class CountryFilter(admin.SimpleListFilter):
    title = "country"
    parameter_name = "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        found = distinct("wallet_player", "country")
        return [("none", "none"), *((code, _called(code)) for code in found)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Player]) -> QuerySet[Player]:
        if self.value() == "none":
            return queryset.filter(country__isnull=True)
        return queryset.filter(country=self.value()) if self.value() else queryset


def _called(code: str) -> str:
    """The code and its country; players of before may have codes that are no country's."""
    try:
        return f"{code}, {jurisdictions.name(jurisdictions.country(code))}"
    except jurisdictions.InvalidCountry:
        return code


class ExclusionFilter(admin.SimpleListFilter):
    title = "exclusion"
    parameter_name = "excluded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "excluded now"), ("before", "was excluded before")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Player]) -> QuerySet[Player]:
        if self.value() == "now":
            return queryset.filter(excluded_until__gt=timezone.now())
        return queryset.filter(excluded_until__lte=timezone.now()) if self.value() == "before" else queryset


class MoneyFilter(admin.SimpleListFilter):
    title = "money"
    parameter_name = "money"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("held", "held for a withdrawal"), ("some", "cash or bonus money"), ("none", "no money at all")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Player]) -> QuerySet[Player]:
        if self.value() == "held":
            return queryset.filter(pk__in=Wallet.objects.filter(held__gt=0).values("player"))
        if self.value() not in ("some", "none"):
            return queryset
        has_some = Exists(Wallet.objects.filter(player=OuterRef("pk"), cash__gt=-F("bonus")))
        return queryset.filter(has_some if self.value() == "some" else ~has_some)


class VerificationFilter(admin.SimpleListFilter):
    title = "verification"
    parameter_name = "verification"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, status) for status in VERIFICATIONS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Player]) -> QuerySet[Player]:
        return queryset.filter(verification=self.value()) if self.value() else queryset


class TagFilter(admin.SimpleListFilter):
    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in distinct("wallet_playertag", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Player]) -> QuerySet[Player]:
        return queryset.filter(tags__name=self.value()) if self.value() else queryset


_SHAPE: Final = "an amount and its currency, such as 100.00 EUR"


class BalanceFilter(admin.SimpleListFilter):
    """At least so much cash and bonus money in a currency, as the box above the list names it (``100.00 EUR``)."""

    title = "balance"
    parameter_name = "balance"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        text = request.GET.get(self.parameter_name, "").strip()
        if not text:
            return []
        return [(text, f"at least {text}" if _amount(text) else f"{text[:40]} is not {_SHAPE}")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Player]) -> QuerySet[Player]:
        if not self.value():
            return queryset
        found = _amount(self.value() or "")
        if found is None:
            return queryset.none()
        minor, currency = found
        return queryset.filter(wallets__currency=currency, wallets__cash__gte=minor - F("wallets__bonus"))


def _amount(text: str) -> tuple[int, str] | None:
    """Minor units and the code of their currency; None for anything else."""
    amount, _, code = text.strip().partition(" ")
    currency = Currency.objects.filter(code=code.strip().upper()).first() if code.isascii() else None
    if currency is None:
        return None
    try:
        return money.parse(amount, currency.digits), currency.code
    except money.InvalidAmount:
        return None


FILTERS: Final = (CountryFilter, ExclusionFilter, VerificationFilter, TagFilter, MoneyFilter, BalanceFilter)
