"""How money, times and states look, for templates."""

from django import template

from wallet import formatting, money

register = template.Library()

register.filter("amount", formatting.amount)
register.filter("delta", formatting.delta)
register.filter("plain_amount", formatting.plain)
register.filter("game", lambda row: formatting.game(row.game or "", row.game_name))
register.filter("grouped", money.grouped)
register.filter("utc", formatting.utc)
register.filter("moment", formatting.moment)
register.filter("kind_badge", formatting.kind)
register.filter("status_badge", formatting.status)
register.filter("outcome_badge", formatting.outcome)
register.filter("reference", formatting.reference)
register.filter("words", formatting.words)
