"""The landing page and the player's page as they leave the server."""

import re

import pytest
from django.test import Client, override_settings

from casino_pam import demo, problems
from wallet.errors import STATUS, Refused

PAGES = ["/", "/play", "/problems/", "/problems/limit_reached"]


def get(path: str, **options: str) -> tuple[int, dict[str, str], str]:
    answer = Client().get(path, secure=True, **options)  # type: ignore[arg-type]
    return answer.status_code, dict(answer.headers), answer.content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_takes_everything_from_here_and_writes_nothing_inline(path: str) -> None:
    status, headers, html = get(path)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", html) == []
    assert re.findall(r"<style|<script>|\son[a-z]+=|\sstyle=", html) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_framed_by_nobody_and_tells_nobody_where_one_came_from(path: str) -> None:
    _, headers, _ = get(path)
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_names_its_language_and_has_one_main_part_and_one_heading(path: str) -> None:
    _, _, html = get(path)
    assert '<html lang="en">' in html
    assert html.count("<main") == 1
    assert 1 <= html.count("<h1") <= 2


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_only_read(path: str) -> None:
    assert Client().post(path, secure=True).status_code == 405
    assert Client().head(path, secure=True).status_code == 200


def test_the_landing_page_leads_to_every_door() -> None:
    _, _, html = get("/")
    assert [link for link in ("/play", "/admin/", "/api/docs/", "/readyz") if f'href="{link}"' not in html] == []
    assert "manage.py simulate" in html


def test_the_landing_page_opens_demo_players_on_a_demo_machine_alone() -> None:
    with override_settings(DEMO=False):
        assert 'href="/play#token=' not in get("/")[2]
    with override_settings(DEMO=True):
        html = get("/")[2]
    assert html.count('href="/play#token=') == len(demo.GUESTS)
    assert demo.secret("api key") not in html
    assert demo.secret("sue") not in html


def test_the_players_page_knows_nothing_of_a_token_in_the_query() -> None:
    _, _, html = get("/play?token=secret-text")
    assert "secret-text" not in html


@pytest.mark.parametrize("code", STATUS)
def test_what_a_problem_s_type_leads_to_says_what_to_do_next(code: str) -> None:
    address = problems.problem(Refused(code), "request")["type"]
    status, _, html = get(address)
    assert status == 200
    assert f"<code>{code}</code>" in html and f"<dd>{STATUS[code]}</dd>" in html
    assert "Send it again?" in html and "Roll it back?" in html
    assert f'href="{address}"' in get("/problems/")[2]


def test_there_is_no_page_of_a_problem_that_does_not_exist() -> None:
    assert get("/problems/nothing")[0] == 404
