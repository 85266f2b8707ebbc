"""Progress in templates: kept in minor units x basis points, shown in the currency."""

from django import template
from django.utils.safestring import SafeString

from bonus.rules import BASIS_POINTS
from wallet import formatting
from wallet.models import Currency

register = template.Library()


@register.filter
def counted(contribution: int, currency: Currency) -> SafeString:
    """What a row counted, exactly: no minor unit is small enough for 5 % of a cent."""
    if contribution % BASIS_POINTS == 0:
        return formatting.delta(contribution // BASIS_POINTS, currency)
    exact = Currency(code=currency.code, digits=currency.digits + 4)
    return formatting.delta(contribution, exact)


@register.filter
def wagered(progress: int, currency: Currency) -> SafeString:
    """Progress as the player is told it, rounded down."""
    return formatting.plain(progress // BASIS_POINTS, currency)
