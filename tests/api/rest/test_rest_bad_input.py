"""Nonsense in every field, body, path and header of the REST door: the right 4xx, and nothing changed."""

from collections.abc import Iterator
from typing import Any

import pytest

from casino_pam.api.rest import throttling
from tests import bonus_scenario, rest_client, scenario
from tests import clean_books as the_books
from tests.api.rest.test_rest_authentication import EVERY, PROMISED, state
from tests.sample_offers import FIXED

NAMES = [None, 1, True, [], {}, "", " a", "a ", "a\n", "a\x1fb", "é", "٣", "a" * 129]
CURRENCIES = [None, 978, [], "", "eur", "EU", "E" * 33, "1EUR", " EUR", "EUR ", "EÜR", "EUR\n"]
AMOUNTS = [
    None,
    1,
    1.5,
    True,
    [],
    {},
    "",
    " 1",
    "1 ",
    "1_0",
    "+1",
    "01",
    "1.",
    ".5",
    "1,5",
    "1.005",
    "1e3",
    "1E+1000000",
    "NaN",
    "Infinity",
    "0x10",
    "٣",
    "1" * 5_000,
    "1000000000000.01",
]
UNSIGNED = [*AMOUNTS, "-1", "-0"]
SIGNED = [*AMOUNTS, "--1", "- 1"]
# Of a currency that is not named only the shape of an amount can be judged.
SHAPES = [value for value in UNSIGNED if value not in ("1.005", "1" * 5_000, "1000000000000.01")]
FLAGS = [None, 0, 1, "true", "", [], {}]
COUNTRIES = [None, 1, "", "mt", "M", "MLT", "M1", "ÅL", []]
INSTANTS = [
    0,
    True,
    "",
    "now",
    "2027-01-01",
    "2027-01-01T00:00:00",
    "2027-02-30T00:00:00Z",
    "2027-01-01T00:00:00+24:00",
    "2027-01-01T00:00:00 01:00",
]
REASONS = [None, 1, "", " ", "\u00a0", "a" * 501, "two\nlines", "tab\there", "\x7f", "\u2028"]
WALLETS = [None, "EUR", {}, [None], ["eur"], ["EUR", "EUR"], [["EUR"]], ["EUR"] * 101]
LOCKS = [None, [], True, {"bet": None}, {"bet": "true"}, {"withdraw": 1}]
LIMITS = [None, [], True, "1.00", *({"week": value} for value in (*UNSIGNED[1:], False))]
PLAYERS = [None, "alice", {}, [], ["alice"] * 1_001, [None], [1], [""], ["a "], ["é"]]
CODES = [None, 1, [], "", "ab", "a" * 33, "-abc", "ab c", "été", "ABC\n"]
UNDOABLE = [None, "", "BET", "deposit", 1]
WIN_SOURCES = [None, "", "GAME", "other", 1]

WALLET: dict[str, list[Any]] = {"player": NAMES, "currency": CURRENCIES, "reference": NAMES}
# Path -> required fields, optional fields, a body that is good.
BODIES: dict[str, tuple[dict[str, list[Any]], dict[str, list[Any]], dict[str, Any]]] = {
    "POST players": ({"player": NAMES}, {"country": COUNTRIES, "wallets": WALLETS}, {"player": "dora"}),
    "PATCH players/alice": (
        {},
        {"locks": LOCKS, "excluded_until": INSTANTS, "country": COUNTRIES},
        {"country": "MT"},
    ),
    "POST players/alice/wallets": ({"currency": CURRENCIES}, {}, {"currency": "JPY"}),
    "PUT players/alice/limits": (
        {"currency": CURRENCIES},
        {"deposit": LIMITS, "stake": LIMITS, "loss": LIMITS},
        {"currency": "EUR", "stake": {"day": "50.00"}},
    ),
    "PUT me/limits": (
        {"currency": CURRENCIES},
        {"deposit": LIMITS, "stake": LIMITS, "loss": LIMITS},
        {"currency": "EUR", "stake": {"day": "50.00"}},
    ),
    "PUT me/exclusion": (
        {"excluded_until": [None, *INSTANTS, "2020-01-01T00:00:00Z"]},
        {},
        {"excluded_until": "2199-01-01T00:00:00Z"},
    ),
    "PUT me/reality-check": ({"minutes": [None, "30", 1.5, -1, 0, 9, 121, 10**30, True, [], {}]}, {}, {"minutes": 30}),
    "POST deposits": ({**WALLET, "amount": UNSIGNED}, {"offer": NAMES, "captured": FLAGS}, {}),
    "POST deposits/check": ({**WALLET, "amount": UNSIGNED}, {"offer": NAMES, "captured": FLAGS}, {}),
    "POST withdrawals": ({**WALLET, "amount": UNSIGNED}, {}, {}),
    "POST adjustments": ({**WALLET, "amount": SIGNED, "reason": REASONS}, {}, {}),
    "POST bets": ({**WALLET, "amount": UNSIGNED, "round": NAMES, "game": NAMES}, {"end_round": FLAGS}, {}),
    "POST wins": (
        {**WALLET, "amount": UNSIGNED, "round": NAMES, "game": NAMES},
        {"end_round": FLAGS, "bet": NAMES, "source": WIN_SOURCES},
        {},
    ),
    "POST rollbacks": (
        {"player": NAMES, "reference": NAMES, "original": NAMES},
        {
            "original_kind": UNDOABLE,
            "currency": CURRENCIES,
            "round": NAMES,
            "game": NAMES,
            "amount": SHAPES,
        },
        {},
    ),
    "POST bonuses": ({**WALLET, "offer": NAMES}, {}, {}),
    "POST grant-lists": (
        {"reference": NAMES, "offer": NAMES, "currency": CURRENCIES, "players": PLAYERS},
        {"reason": REASONS},
        {},
    ),
    "POST me/promo-codes": ({"code": CODES, "currency": CURRENCIES}, {}, {"code": "HELLO", "currency": "EUR"}),
    f"POST bonuses/{PROMISED}/forfeit": ({"reference": NAMES}, {}, {}),
    "POST me/bonuses": ({"offer": NAMES, "currency": CURRENCIES}, {}, {}),
    # What may stand in an offer's fields is a table of its own (tests/bonus/test_bonus_terms.py).
    "POST offers": ({}, {}, {**FIXED, "code": "another"}),
    "PATCH offers/gift": ({}, {}, {"enabled": False}),
    "POST players/alice/sessions": (
        {"provider": NAMES, "currency": CURRENCIES},
        {"game": NAMES},
        {"provider": "acme", "currency": "EUR"},
    ),
    # Dialects, keys and profiles have tables of their own (test_rest_providers.py).
    "POST providers": ({"code": NAMES}, {"enabled": FLAGS, "merchant": NAMES}, {"code": "nova", "name": "Nova"}),
    "PATCH providers/acme": ({}, {"enabled": FLAGS, "merchant": NAMES}, {"name": "Acme"}),
    "POST providers/acme/secrets": ({}, {"secret": NAMES}, {}),
}
GOOD = {
    "player": "alice",
    "currency": "EUR",
    "reference": "r-1",
    "amount": "1.00",
    "reason": "a correction",
    "round": "round-1",
    "game": "slot-1",
    "original": "b-1",
    "offer": "gift",
    "players": ["alice"],
}
MISSING = object()
# Its body may be left out.
RELEASE = "POST withdrawals/held/release"
# These need no body, and read one that comes all the same.
BODILESS = [
    "POST players/alice/tokens",
    "POST withdrawals/held/settle",
    RELEASE,
    "POST me/socket-ticket",
    f"POST me/bonuses/{PROMISED}/forfeit",
]


@pytest.fixture(autouse=True)
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever enters so many codes is slowed down (test_promo_codes.py)."""
    monkeypatch.setattr(throttling, "CODES_A_MINUTE", 1_000)


@pytest.fixture(scope="module")
def unchanged(django_db_setup: None, django_db_blocker: Any) -> Iterator[rest_client.Caller]:
    """One house for all of this file: nothing in it may change anything."""
    with django_db_blocker.unblock():
        the_books.emptied()
        scenario.catalogue()
        scenario.alice("100.00")
        scenario.hold(reference="held")
        bonus_scenario.gift()
        bonus_scenario.promised(PROMISED, "alice")
        before = state()
        yield rest_client.key(provider="acme")
        assert state() == before


def send(unchanged: rest_client.Caller, call: str, body: Any, **headers: str) -> rest_client.Reply:
    method, path = call.split(" ")
    caller = rest_client.player("alice") if path.startswith("me/") else unchanged
    return caller.call(method, path, body, **headers)


def body_of(call: str) -> dict[str, Any]:
    required, _, own = BODIES[call]
    return own or {name: GOOD[name] for name in required}


def wrong_fields() -> Iterator[tuple[str, str, Any]]:
    for call, (required, optional, _) in BODIES.items():
        for field, values in required.items():
            yield from ((call, field, value) for value in (MISSING, *values))
        for field, values in optional.items():
            yield from ((call, field, value) for value in values)


@pytest.mark.parametrize("call", BODIES)
def test_refuses_every_bad_value_of_every_field(unchanged: rest_client.Caller, call: str) -> None:
    before = state()
    for field, value in [(field, value) for each, field, value in wrong_fields() if each == call]:
        body = {**body_of(call), field: value}
        if value is MISSING:
            del body[field]
        answer = send(unchanged, call, body)
        told = answer.body.get("field", "").partition(".")[0].partition("[")[0]
        assert (answer.status, answer["code"], told) == (400, "invalid_field", field), (field, value, answer)
    assert state() == before


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed"),
        (b" ", "malformed"),
        (b"null", "malformed"),
        (b"[]", "malformed"),
        (b'"player"', "malformed"),
        (b"{", "malformed"),
        (b"{'player': 'alice'}", "malformed"),
        (b'{"player": "alice"} {}', "malformed"),
        (b'{"player": "alice", "player": "bert"}', "malformed"),
        (b'{"player": "alice", "\\u0070layer": "bert"}', "malformed"),
        (b'{"amount": NaN}', "malformed"),
        (b'{"player": "\\u0000"}', "malformed"),
        (b'{"player": "\\ud800"}', "malformed"),
        (b'{"player": "\xff"}', "malformed"),
        (b'\xef\xbb\xbf{"player": "alice"}', "malformed"),
        ('{"player": "alice"}'.encode("utf-16"), "malformed"),
        (b'{"x": ' + b"[" * 33 + b"]" * 33 + b"}", "malformed"),
        (b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "malformed"),
    ],
)
@pytest.mark.parametrize("call", BODIES)
def test_refuses_what_is_no_json_object(unchanged: rest_client.Caller, call: str, raw: bytes, code: str) -> None:
    answer = send(unchanged, call, raw)
    assert (answer.status, answer["code"]) == (400, code), answer


@pytest.mark.parametrize("call", BODIES)
def test_refuses_a_body_above_its_limit(unchanged: rest_client.Caller, call: str) -> None:
    body = {**body_of(call), "padding": "x" * 65_536}
    answer = send(unchanged, call, body)
    assert (answer.status, answer["code"]) == (413, "too_large")


@pytest.mark.parametrize("call", BODIES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json, text/plain"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "identity"},
    ],
)
def test_refuses_another_type_than_json(unchanged: rest_client.Caller, call: str, headers: dict[str, str]) -> None:
    answer = send(unchanged, call, body_of(call), **headers)
    assert (answer.status, answer["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("call", BODILESS)
@pytest.mark.parametrize("raw", [b"[]", b"null", b"{", b'{"a": 1, "a": 2}'])
def test_reads_even_a_body_that_it_does_not_need(unchanged: rest_client.Caller, call: str, raw: bytes) -> None:
    answer = send(unchanged, call, raw)
    assert (answer.status, answer["code"]) == (400, "malformed")
    answer = send(unchanged, call, {}, **{"Content-Type": "text/plain"})
    assert (answer.status, answer["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "name", ["%00", "a%00b", "%FF", "%ED%A0%80", "%20", "%0A", "a%0Ab", "%1F", "x" * 129, "x" * 5_000, "%C3%A9", ".."]
)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "players/{}", None),
        ("PATCH", "players/{}", {"country": "MT"}),
        ("POST", "players/{}/wallets", {"currency": "EUR"}),
        ("POST", "players/{}/tokens", None),
        ("GET", "players/{}/limits", None),
        ("PUT", "players/{}/limits", {"currency": "EUR"}),
        ("GET", "players/{}/wallets/EUR", None),
        ("GET", "players/alice/wallets/{}", None),
        ("GET", "players/alice/wallets/{}?at=2026-01-01T00:00:00Z", None),
        ("GET", "players/{}/wallets/EUR/transactions", None),
        ("GET", "players/alice/wallets/{}/transactions", None),
        ("GET", "players/{}/wallets/EUR/transactions.csv", None),
        ("GET", "withdrawals/{}", None),
        ("POST", "withdrawals/{}/settle", None),
        ("POST", "withdrawals/{}/release", None),
        ("GET", "offers/{}", None),
        ("PATCH", "offers/{}", {"enabled": False}),
        ("GET", "bonuses/{}", None),
        ("POST", "bonuses/{}/forfeit", {"reference": "r-1"}),
        ("GET", "players/{}/bonuses", None),
        ("GET", "unheard-of/{}", None),
    ],
)
def test_finds_nothing_by_an_impossible_name(
    unchanged: rest_client.Caller, method: str, path: str, body: Any, name: str
) -> None:
    answer = unchanged.call(method, path.format(name), body)
    assert answer.status == 404, answer
    assert answer["code"].startswith("unknown_") or answer["code"] == "not_found"


@pytest.mark.parametrize("after", ["", "0", "x", "\0", "F" * 36, "00000000-0000-0000-0000-00000000000", ["", ""]])
def test_refuses_a_cursor_that_the_feed_never_gave(unchanged: rest_client.Caller, after: Any) -> None:
    answer = unchanged.get("feed", after=after)
    assert (answer.status, answer["code"], answer["field"]) == (400, "invalid_field", "after")


def test_refuses_a_query_without_end(unchanged: rest_client.Caller) -> None:
    answer = unchanged.get("feed?" + "&".join(f"a{number}=1" for number in range(1_001)))
    assert (answer.status, answer["code"]) == (400, "malformed")


@pytest.mark.parametrize(("method", "path", "_body"), EVERY)
def test_knows_its_methods(unchanged: rest_client.Caller, method: str, path: str, _body: Any) -> None:
    used = {each for each, where, _ in EVERY if where == path}
    used |= {"HEAD"} if "GET" in used else set()
    for other in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} - used):
        answer = unchanged.call(other, path)
        assert (answer.status, answer["code"]) == (405, "method_not_allowed"), (other, path)
        assert set(answer.headers["Allow"].split(", ")) == used


@pytest.mark.parametrize("path", ["", "unheard-of", "players/", "deposits/", "me/", "PLAYERS", "/api/v2/me"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_says_as_a_problem_that_there_is_no_such_path(unchanged: rest_client.Caller, method: str, path: str) -> None:
    for caller in (unchanged, rest_client.Caller()):
        answer = caller.call(method, path or "/api/v1/")
        assert (answer.status, answer["code"]) == (404, "not_found"), answer
        assert answer["request_id"] == answer.headers["X-Request-ID"] != ""


def test_keeps_djangos_own_pages_elsewhere() -> None:
    answer = rest_client.Caller().call("GET", "/unheard-of")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/schema/", "/api/unheard-of"])
def test_says_as_a_problem_that_the_host_is_not_ours(path: str) -> None:
    answer = rest_client.Caller().call("GET", path, Host="evil.example")
    assert (answer.status, answer["code"]) == (400, "malformed")
    assert "ALLOWED_HOSTS" in answer["detail"]


def test_tables_cover_every_call_with_a_body() -> None:
    asked = {f"{method} {path}": body for method, path, body in EVERY}
    assert {call for call, body in asked.items() if body is not None} == {*BODIES, RELEASE}
    without = {call for call, body in asked.items() if call.startswith("POST ") and body is None}
    assert without == {*BODILESS} - {RELEASE}
