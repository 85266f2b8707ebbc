"""The catalogue's own pages: games that providers send and nobody has listed, also as a file to be filled in and
imported; and what each country asks of the house."""

from __future__ import annotations

from typing import Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path

from casino_pam import spreadsheet
from casino_pam.backoffice import permissions
from wallet import games, jurisdictions
from wallet.admin.date_fields import today
from wallet.reports.sums import snapshot

VIEW: Final = "wallet.view_game"
# How long the page may read the sums.
SECONDS: Final = 3


@permissions.page(VIEW)
def unlisted_games(request: HttpRequest) -> HttpResponse:
    """The busiest first, each with a way to list it."""
    context = admin.site.each_context(request) | {
        "title": "Unlisted games",
        "unlisted": _unlisted(),
        "days": games.UNLISTED_DAYS,
        "most": games.MOST_UNLISTED,
    }
    return render(request, "backoffice/unlisted_games.html", context)


@permissions.page(VIEW)
def unlisted_games_file(request: HttpRequest) -> HttpResponseBase:
    """The same as ``manage.py import_games`` reads it, with empty names."""
    lines = [spreadsheet.line(games.COLUMNS)]
    lines += [spreadsheet.line((game.provider, game.code, "", "", "yes")) for game in _unlisted()]
    return spreadsheet.download("unlisted-games.csv", iter(lines))


@permissions.page("wallet.view_player")
def countries(request: HttpRequest) -> HttpResponse:
    """Every rule of a country that the house keeps, as docs/jurisdictions.md has them."""
    context = admin.site.each_context(request) | {
        "title": "Jurisdictions",
        "rules": [(jurisdictions.name(rule.country), rule) for rule in jurisdictions.RULES],
    }
    return render(request, "backoffice/jurisdictions.html", context)


def patterns() -> list[URLPattern]:
    return [
        path("games/unlisted/", unlisted_games, name="unlisted_games"),
        path("games/unlisted.csv", unlisted_games_file, name="unlisted_games_file"),
        path("jurisdictions/", countries, name="jurisdictions"),
    ]


def _unlisted() -> list[games.UnlistedGame]:
    with snapshot(SECONDS) as own:
        return games.unlisted(own, today())
