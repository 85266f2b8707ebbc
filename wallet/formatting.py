"""How money, times and states look on every page: in text first, in colour besides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from wallet import money
from wallet.kinds import Kind, Status, unscoped
from wallet.models import Currency
from wallet.time import FOR_GOOD

NOTHING: Final = "–"  # noqa: RUF001

_STATUS_COLOURS: Final = {Status.POSTED: "green", Status.REFUSED: "red", Status.VOID: "orange"}
_KIND_COLOURS: Final = {
    Kind.DEPOSIT: "green",
    Kind.HOLD: "orange",
    Kind.SETTLE: "grey",
    Kind.RELEASE: "grey",
    Kind.BET: "blue",
    Kind.WIN: "violet",
    Kind.ROLLBACK: "orange",
    Kind.ADJUST: "red",
}


def number(minor: int, digits: int) -> str:
    """Minor units as people read them: 12,345.67."""
    return money.grouped(money.show(minor, digits))


def amount(minor: int, currency: Currency) -> SafeString:
    """An amount with exactly its currency's digits, and the currency's code."""
    return format_html(
        '<span class="money">{} <span class="unit">{}</span></span>', number(minor, currency.digits), currency.code
    )


def moved(minor: int, digits: int) -> str:
    """What a row moved, always with its sign; nothing where it moved nothing."""
    return NOTHING if minor == 0 else ("+" if minor > 0 else "") + number(minor, digits)


def delta(minor: int, currency: Currency) -> SafeString:
    """What a row moved, in colour besides."""
    css = "none" if minor == 0 else "in" if minor > 0 else "out"
    return format_html('<span class="money {}">{}</span>', css, moved(minor, currency.digits))


def plain(minor: int, currency: Currency) -> SafeString:
    """An amount in a column that names its currency once for all."""
    return format_html('<span class="money">{}</span>', number(minor, currency.digits))


def utc(instant: datetime | None) -> SafeString:
    """A time in UTC to the second; the exact microsecond on hover."""
    if instant is None:
        return format_html('<span class="none">{}</span>', NOTHING)
    return format_html('{} <span class="unit">UTC</span>', moment(instant))


def moment(instant: datetime) -> SafeString:
    """A time in a column that says once for all that it is UTC; on hover also local (wallet/static/wallet/admin.js)."""
    exact = instant.astimezone(UTC)
    return format_html(
        '<time class="utc" datetime="{}" title="{} UTC">{}</time>',
        exact.isoformat(),
        exact.strftime("%Y-%m-%d %H:%M:%S.%f"),
        exact.strftime("%Y-%m-%d %H:%M:%S"),
    )


def lasting(end: datetime) -> str:
    """How long something lasts that ends then; what nobody means to end lasts for good."""
    return "for good" if end == FOR_GOOD else f"until {end.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def badge(text: str, colour: str) -> SafeString:
    return format_html('<span class="badge badge-{}">{}</span>', colour, text)


def status(value: str) -> SafeString:
    return badge(value.lower(), _STATUS_COLOURS.get(value, "grey"))


def kind(value: str) -> SafeString:
    return badge(words(value.lower()), _KIND_COLOURS.get(value, "grey"))


def outcome(value: str) -> SafeString:
    """What became of an operator's action: done, repeated, waiting for approval, or the code of a refusal."""
    return badge(words(value), {"done": "green", "repeated": "grey", "waits": "orange"}.get(value, "red"))


def switch(value: bool, *, yes: str, no: str, good: bool = True) -> SafeString:
    """A yes or no in words; ``good`` is the value that needs nobody's attention."""
    return badge(yes if value else no, "green" if value == good else "red")


def reference(stored: str) -> str:
    """A reference as its source wrote it: one scoped to its player is stored behind the player's code."""
    return unscoped(stored)


def game(code: str, name: str | None) -> SafeString:
    """What people call a game, and its provider's code of it; the code alone where nobody has named it."""
    return format_html('{} <span class="unit">{}</span>', name, code) if name else format_html("{}", code)


def words(code: str) -> str:
    """A code such as insufficient_funds, for people."""
    return code.replace("_", " ")
