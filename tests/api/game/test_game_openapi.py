"""The game door's part of the OpenAPI document says what the door does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from casino_pam.api.game.dialects.door import CALLS
from tests.game_client import Door, path_of


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return found


def test_is_a_valid_document(document: dict[str, Any]) -> None:
    validate_schema(document)  # type: ignore[no-untyped-call]


def references(part: Any) -> Iterator[str]:
    for name, value in part.items() if isinstance(part, dict) else enumerate(part):
        if name == "$ref":
            yield value
        elif isinstance(value, (dict, list)):
            yield from references(value)


def test_refers_to_nothing_that_is_not_there(document: dict[str, Any]) -> None:
    for reference in references(document):
        part = document
        for name in reference.removeprefix("#/").split("/"):
            assert name in part, reference
            part = part[name]


def test_describes_every_call_and_no_other(document: dict[str, Any]) -> None:
    described = {path for path in document["paths"] if path.startswith("/api/game/")}
    assert described == {path_of(call.name) for call in CALLS}


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def fits(document: dict[str, Any], schema: dict[str, Any], value: dict[str, Any]) -> None:
    shape = resolved(document, schema)
    assert set(shape["required"]) <= set(value) <= set(shape["properties"]), value


def test_shows_examples_that_are_carried_out_and_answers_as_they_come(door: Door, document: dict[str, Any]) -> None:
    for call in CALLS:
        operation = document["paths"][path_of(call.name)]["post"]
        asked = operation["requestBody"]["content"]["application/json"]
        example = asked["examples"]["Request"]["value"]
        fits(document, asked["schema"], example)
        reply = door.post(call.name, example)
        assert reply.status == 200 or call.name == "rollback", (call.name, reply.json)
        answered = operation["responses"][str(reply.status)]["content"][reply.headers["content-type"]]["schema"]
        if reply.status == 200:
            fits(document, answered, reply.json)
        else:
            assert (reply.status, reply["code"]) == (409, "has_payout")


def test_says_how_to_sign(document: dict[str, Any]) -> None:
    (tag,) = (tag for tag in document["tags"] if tag["name"] == "game door")
    for header in ("X-Provider", "X-Timestamp", "X-Signature"):
        assert header in tag["description"]
    schemes = document["components"]["securitySchemes"]
    for call in CALLS:
        (needed,) = document["paths"][path_of(call.name)]["post"]["security"]
        assert [schemes[name]["name"] for name in needed] == ["X-Provider", "X-Timestamp", "X-Signature"]
