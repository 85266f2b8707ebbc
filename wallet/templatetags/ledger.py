"""How money, times and states look, for templates."""

from django import template

from wallet import shown

register = template.Library()

register.filter("amount", shown.amount)
register.filter("delta", shown.delta)
register.filter("plain_amount", shown.plain)
register.filter("utc", shown.utc)
register.filter("moment", shown.moment)
register.filter("kind_badge", shown.kind)
register.filter("status_badge", shown.status)
register.filter("outcome_badge", shown.outcome)
register.filter("reference", shown.reference)
register.filter("words", shown.words)
