"""The OpenAPI document: whole, true to what is answered, and shown without another host."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, settings
from jsonschema import Draft7Validator
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from casino_pam import tokens
from casino_pam.api.rest.schema import document
from tests import clean_books as the_books
from tests import rest_client, scenario
from tests.api.rest.test_rest_authentication import BACK_END, EVERY
from tests.game_client import Client, served

DOCUMENT: dict[str, Any] = json.loads(document())
PATHS: dict[str, Any] = DOCUMENT["paths"]


def operation(method: str, path: str) -> dict[str, Any]:
    """The part of the document that describes a call."""
    wanted = "/api/v1/" + path
    fitting = [each for each in PATHS if re.fullmatch(re.sub(r"{\w+}", "[^/]+", each), wanted)]
    # A literal path goes before one with a name in it.
    return PATHS[min(fitting, key=lambda each: each.count("{"))][method.lower()]


def test_is_valid_and_generated_without_a_warning() -> None:
    validate_schema(DOCUMENT)
    call_command("spectacular", "--file", "/dev/null", "--fail-on-warn", "--validate")


@pytest.mark.parametrize(("method", "path", "body"), EVERY)
def test_describes_every_call(method: str, path: str, body: Any) -> None:
    described = operation(method, path)
    assert described["summary"]
    assert ("requestBody" in described) == (body is not None)
    assert set(described["responses"]) >= {"401", "403", "429", "500", "503"}


def test_names_the_credentials_of_every_call() -> None:
    scopes = {(method, path): "apiKey" for method, path, _, _ in BACK_END}
    for method, path, _ in EVERY:
        wanted = scopes.get((method, path), "playerToken")
        assert operation(method, path)["security"] == [{wanted: []}]
    assert set(DOCUMENT["components"]["securitySchemes"]) >= {"apiKey", "playerToken", "gameSignature"}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its references followed, as plain JSON Schema."""
    text = json.dumps(schema).replace("#/components/schemas/", "#/$defs/")
    defs = json.loads(json.dumps(DOCUMENT["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/"))
    return {**json.loads(text), "$defs": defs}


def examples() -> Iterator[tuple[str, dict[str, Any], Any]]:
    for path, methods in PATHS.items():
        if not path.startswith("/api/v1/"):
            continue
        for method, described in methods.items():
            for part in (described.get("requestBody", {}), *described["responses"].values()):
                for content in part.get("content", {}).values():
                    for example in content.get("examples", {}).values():
                        yield f"{method} {path}", content["schema"], example["value"]


def without_nulls(value: Any, absent: set[str]) -> Any:
    """The value without its nulls at any depth, whose names are added to ``absent``."""
    if not isinstance(value, dict):
        return value
    absent.update(name for name, each in value.items() if each is None)
    return {name: without_nulls(each, absent) for name, each in value.items() if each is not None}


def test_says_which_bodies_have_no_room_for_other_fields() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert closed >= {"NewPlayer", "PatchedPlayerChanges", "SomeLocks", "LimitsAsked", "LimitsOfSubjectAsked"}
    assert closed >= {"Offer", "PatchedOfferChanges", "Amounts", "Weights", "Excluded"}
    assert closed.isdisjoint({"DepositAsked", "GrantAsked", "NewWallet", "Limits", "Player"})


def test_shows_examples_of_the_shapes_it_describes() -> None:
    found = list(examples())
    assert len({call for call, _, _ in found}) > 15
    for call, schema, value in found:
        shape = resolved(schema)
        known = set(shape["$defs"][schema["$ref"].rpartition("/")[2]]["properties"])
        assert set(value) <= known, call
        # `nullable` is OpenAPI's word; what is null in an example is left out.
        absent: set[str] = set()
        given = without_nulls(value, absent)
        errors = [error.message for error in Draft7Validator(shape).iter_errors(given)]
        assert [each for each in errors if not any(f"'{name}' is a required" in each for name in absent)] == [], call


def test_covers_the_game_door() -> None:
    assert "/api/game/v1/bet" in PATHS


def test_shows_its_page_without_another_host(books: None) -> None:
    page = rest_client.Caller().call("GET", "/api/docs/?lang=%22%3Cscript%3E&version=%0A")
    assert page.status == 200
    sources = re.findall(r'(?:src|href)="([^"#]+)"', page.body)
    assert len(sources) == 5
    assert all(source.startswith("/static/") for source in sources)
    assert re.findall(r"https?://", page.body) == []
    assert '"/api/schema/"' in page.body
    assert "connect-src 'self'" in page.headers["Content-Security-Policy"]
    assert "script%3E" not in page.body


@pytest.mark.parametrize("path", ["/api/docs/", "/api/schema/"])
def test_refuses_other_methods(books: None, path: str) -> None:
    assert rest_client.Caller().call("POST", path, {}).status == 405


# --- what it says against what is answered ---------------------------------------------------

FUZZED = schemathesis.openapi.from_dict(DOCUMENT).include(path_regex="^/api/v1/")


@pytest.fixture(scope="module")
def server(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Client, dict[str, str]]]:
    """A real worker, and what to say there where a key and where a player's token is asked for."""
    with django_db_blocker.unblock(), served(workers=1) as client:
        the_books.emptied()
        scenario.catalogue()
        scenario.alice("1000000.00")
        key = rest_client.key(provider="acme")._headers["Authorization"]
        token, _ = tokens.issue("alice", time.time())
        yield client, {"apiKey": key, "playerToken": f"Bearer {token}"}


@FUZZED.parametrize()
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_answers_what_the_document_says(case: schemathesis.Case, server: tuple[Client, dict[str, str]]) -> None:
    client, credentials = server
    (scheme,) = case.operation.definition.raw["security"][0]
    case.headers = {**(case.headers or {}), "Authorization": credentials[scheme]}
    answer = case.call(base_url=f"http://127.0.0.1:{client.port}")
    assert answer.status_code < 500, answer.text
    assert answer.status_code not in (401, 403), answer.text
    case.validate_response(
        answer, checks=[content_type_conformance, response_schema_conformance, status_code_conformance]
    )
