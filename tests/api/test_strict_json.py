"""What the one front parser lets through, and what it must never let through."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casino_pam.api.strict_json import MAX_DEPTH, Malformed, convert, decode, parse

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT | st.just('a:"{[\\'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXT, VALUES, max_size=5)

BET = b'{"player":"p-1","currency":"EUR","reference":"r-1","round":"1","game":"book","amount":"10.00","end_round":true}'


def nested(levels: int) -> bytes:
    """An object whose value nests lists until the whole is ``levels`` deep."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@given(OBJECTS, st.booleans(), st.sampled_from([None, 1]))
def test_reads_every_object_as_json_does(value: dict[str, Any], escaped: bool, indent: int | None) -> None:
    assert parse(json.dumps(value, ensure_ascii=escaped, indent=indent).encode()) == value


@given(OBJECTS, TEXT, VALUES, VALUES, st.integers(0, 3))
def test_refuses_a_repeated_key_wherever_it_is_written(
    others: dict[str, Any], key: str, first: Any, second: Any, depth: int
) -> None:
    others.pop(key, None)
    members = [(key, first), *others.items(), (key, second)]
    body = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members) + "}"
    for _ in range(depth):
        body = '{"operations":[1,' + body + "]}"
    with pytest.raises(Malformed) as refused:
        parse(body.encode())
    assert refused.value.facts["detail"] == f"The key {json.dumps(key)} appears twice in one object."


@pytest.mark.parametrize(
    "body",
    [
        BET[:-1] + b',"amount":"99.00"}',
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":[{"b":1},{"b":1,"b":2}]}',
        b'{"a":"x:y","a":1}',
        b'{"a":{"b":"::"},"a":{}}',
        b'{"":1,"":2}',
        b'{"b":"\\u003a","a":1,"a":1}',
        b'{"\\u003A":1,"a":[1],"a":1}',
    ],
)  # fmt: skip
def test_refuses_a_repeated_key(body: bytes) -> None:
    with pytest.raises(Malformed, match="malformed") as refused:
        parse(body)
    assert "appears twice" in refused.value.facts["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"a":{"a":1}}}',
        b'{"a":[{"b":1},{"b":1}],"b":1}',
        b'{"a":"b:c","d":":"}',
        b'{"a:b":":","c":{"a:b":":"}}',
        b'{"a":"\\u003a","b":"\\":{"}',
        b'{"a":{},"b":[]}',
    ],
)  # fmt: skip
def test_takes_equal_keys_of_different_objects_and_colons_in_texts(body: bytes) -> None:
    assert parse(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"}", b"{} x", b"{}{}", b"{}\x00", b'{"a":1,}', b"{a:1}", b"{'a':1}",
        b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":+1}', b'{"a":tru}', b'{"a":"\t"}',
        b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a" 1}', b"\x0b{}", b"\xc2\xa0{}", b"/**/{}",
        b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":1E+1000000}',
        '{"a":1}'.encode("utf-16"), '{"a":1}'.encode("utf-32-be"), b"\xef\xbb\xbf{}",
        b'{"a":"\xff"}', b'{"\xff":1}', b'{"a":"\xc0\x80"}', b'{"a":"\xf4\x90\x80\x80"}',
        b'{"a":"\xed\xa0\x80"}', b'{"a":"\xed\xa0\xbd\xed\xb8\x80"}',
        b'{"a":' + b"1" * 60_000 + b"}",
    ],
)  # fmt: skip
def test_refuses_what_is_not_strict_json_in_utf8(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.code == "malformed"
    assert refused.value.facts["detail"].startswith("The body ")


@pytest.mark.parametrize("body", [b"[]", b"[{}]", b'"a"', b"1", b"null", b"true"])
def test_refuses_anything_but_an_object(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.facts["detail"] == "The body must be a JSON object."


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud800\\ud800", "\\udc00\\ud800", "\\uD83dx"])
@pytest.mark.parametrize("shape", ['{"a":"%s"}', '{"%s":1}', '{"a":[{"b":"x%sx"}]}'])
def test_refuses_half_a_surrogate_pair_in_texts_and_keys(escape: str, shape: str) -> None:
    with pytest.raises(Malformed):
        parse((shape % escape).encode())


def test_takes_a_whole_surrogate_pair() -> None:
    assert parse(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@pytest.mark.parametrize("nul", ["\\u0000", "\\\\\\u0000", "a\\u0000b", "\\n\\u0000"])
@pytest.mark.parametrize("shape", ['{"a":"%s"}', '{"%s":1}', '{"a":[{"b":"%s"}]}'])
def test_refuses_nul_in_texts_and_keys(nul: str, shape: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse((shape % nul).encode())
    assert "NUL" in refused.value.facts["detail"]


def test_takes_a_backslash_before_text_that_only_looks_like_nul() -> None:
    assert parse(b'{"a":"\\\\u0000","b":"\\\\\\\\u0000"}') == {"a": "\\u0000", "b": "\\\\u0000"}


def test_nests_as_deep_as_it_says_and_no_deeper() -> None:
    assert parse(nested(MAX_DEPTH))
    for body in (nested(MAX_DEPTH + 1), b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1)):
        with pytest.raises(Malformed) as refused:
            parse(body)
        assert refused.value.facts["detail"] == "The body is nested deeper than 32 levels."


@pytest.mark.parametrize("bomb", [b"[", b'{"a":', b'{"a":[', b'[{"a":', b'{"a":[1,'])
def test_survives_a_depth_bomb(bomb: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse(bomb * 100_000)
    assert "deeper" in refused.value.facts["detail"]


@pytest.mark.parametrize("levels", range(700, 1100, 3))
def test_survives_depth_hidden_under_a_repeated_key(levels: int) -> None:
    with pytest.raises(Malformed):
        parse(b'{"a":' + b"[" * levels + b"]" * levels + b',"a":1}')


@given(st.binary(max_size=40) | st.text('{}[]":,\\u0aNfd81e-. ', max_size=24).map(str.encode))
def test_answers_any_bytes_with_an_object_or_a_refusal(body: bytes) -> None:
    try:
        value = parse(body)
    except Malformed:
        return
    assert value == json.loads(body)


class Bet(msgspec.Struct, kw_only=True):
    player: str
    amount: str
    end_round: bool | msgspec.UnsetType = msgspec.UNSET


class Bulk(msgspec.Struct):
    operations: list[Bet]


BULK = msgspec.json.Decoder(Bulk)
PLAIN = '{"player":"anna b","amount":"1.00","end_round":true}'


def decoded(operation: str, indent: bool = False) -> Bulk | None:
    """What ``decode`` makes of a list in which the operation is the second of three."""
    body = f'{{"operations":[{PLAIN},{operation},{PLAIN}]}}'
    return decode(BULK, (json.dumps(json.loads(body), indent=1) if indent else body).encode())


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize("text", ["a", "a b", "a:b", ":", "{}", "[,]", "~", "!"])
def test_decodes_a_struct_of_plain_texts(text: str, indent: bool) -> None:
    found = decoded(f'{{"player":"{text}","amount":"2"}}', indent)
    assert found is not None
    assert found.operations[1] == Bet(player=text, amount="2")


@pytest.mark.parametrize(
    "text", [" ", " a", "a ", "\u00e9", "\x7f", "\\u0000", "\\n", "\\u0061", "\\/", '\\"', "\\\\", "\u2028"]
)
def test_leaves_texts_that_are_not_plain_to_a_second_look(text: str) -> None:
    assert decoded(f'{{"player":"{text}","amount":"2"}}') is None


@pytest.mark.parametrize("operation", ['{"player":"a"}', '{"player":1,"amount":"1"}', "null", "{", '{"player":"\x01"}'])
def test_leaves_what_does_not_fit_to_a_second_look(operation: str) -> None:
    assert decoded(operation) is None


@pytest.mark.parametrize(
    "members",
    [
        '"player":"a","player":"b","amount":"1"',
        '"player":"a:b","player":"b","amount":"1"',
        '"player":"a","player":"b:c","amount":"1:2"',
        '"player":"a","amount":"1","end_round":true,"end_round":false',
        '"player":"a","amount":"1","x":1,"x":1',
        '"player":"a","amount":"1","x":{"y":1,"y":1}',
        '"player":"a","amount":"1","x":[[{"y":"::","y":1}]]',
    ],
)
def test_decoding_refuses_a_repeated_key_wherever_it_stands(members: str) -> None:
    with pytest.raises(Malformed, match="malformed") as refused:
        decoded(f"{{{members}}}")
    assert "appears twice" in refused.value.facts["detail"]


@pytest.mark.parametrize("value", ["[" * MAX_DEPTH + "]" * MAX_DEPTH, '"\udcff"', "1e999", "NaN", "01"])
def test_decoding_looks_at_what_it_drops(value: str) -> None:
    body = f'{{"player":"a","amount":"1","more":{value}}}'.encode(errors="surrogateescape")
    with pytest.raises(Malformed):
        decode(msgspec.json.Decoder(Bet), body) or parse(body)


def test_decoding_ignores_fields_that_it_does_not_know() -> None:
    found = decoded('{"player":"a","amount":"1","x:y":{"z":[":"]},"player ":"é"}')
    assert found is not None
    assert found.operations[1] == Bet(player="a", amount="1")


@given(st.dictionaries(st.sampled_from(["player", "amount", "end_round", "x"]), VALUES, max_size=4), st.booleans())
def test_converts_what_it_decodes_and_nothing_else(value: dict[str, Any], spaced: bool) -> None:
    body = json.dumps(value, separators=None if spaced else (",", ":"), ensure_ascii=False).encode()
    found = decode(msgspec.json.Decoder(Bet), body)
    if b"\\" not in body:
        assert found == convert(value, Bet)
    if found is not None:
        assert all(getattr(found, name) == value[name] for name in value if name != "x")
