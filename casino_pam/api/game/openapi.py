"""The game door's part of the OpenAPI document; no framework sees these paths.

The schemas of bodies are made of the structs that read them, for the REST door's bets, wins and
rollbacks, too. Receipts and problems are the REST door's, and are referred to by name.
``with_game_door`` is a postprocessing hook of drf-spectacular.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from casino_pam import problems
from casino_pam.api.game.app import PREFIX
from casino_pam.api.game.dialects import door
from casino_pam.api.game.dialects.door import MOST_IN_BATCH, MOST_IN_BULK
from wallet.errors import STATUS

TAG: Final = "game door"

SIGNING: Final = """\
Server-to-server calls of game providers. Each is signed with one of the provider's two live secrets:

- `X-Provider`: the provider's code
- `X-Timestamp`: unix seconds in ASCII digits, within 300 s of our clock either way
- `X-Signature`: lower-case hex HMAC-SHA256. The key is the secret's UTF-8 bytes. The message is `POST`, LF, the path
  as sent without its query, LF, the timestamp, LF, the raw body.

In Python: `hmac.new(secret.encode(), b"POST\\n" + path.encode() + b"\\n" + timestamp.encode() + b"\\n" + body,
"sha256").hexdigest()`. In a shell: `printf 'POST\\n%s\\n%s\\n%s' "$path" "$timestamp" "$body" | openssl dgst -sha256
-hmac "$secret"`.

The very same bytes may be sent again within the window and get the same answer, `replayed`. A good signature on
another path, timestamp or body is worth nothing; a header sent twice is `unauthenticated`. Whatever fails, the code is
the same: our log says which check it was."""

_HEADERS: Final = {
    "gameProvider": ("X-Provider", "The provider's code."),
    "gameTimestamp": ("X-Timestamp", "Unix seconds, within 300 s of our clock."),
    "gameSignature": ("X-Signature", "Lower-case hex HMAC-SHA256 of method, path, timestamp and body."),
}

_PLAY: Final = {
    "player": "alice",
    "currency": "EUR",
    "reference": "b-1",
    "round": "round-1",
    "game": "slot-1",
    "amount": "10.00",
}
_WALLET: Final = {"player": "alice", "currency": "EUR"}
_OPERATIONS: Final[list[dict[str, Any]]] = [
    {"op": "bet", "reference": "b-2", "round": "round-2", "game": "slot-1", "amount": "1.00"},
    {"op": "win", "reference": "w-2", "round": "round-2", "game": "slot-1", "amount": "0.50", "end_round": True},
]

# --- shapes ----------------------------------------------------------------------------------

# Named as they are: the REST door takes these, too.
_SHARED: Final = ("Bet", "Win", "Rollback")


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _bodies() -> dict[str, Any]:
    """The structs that read the bodies, as schemas."""
    _, shapes = msgspec.json.schema_components(door.BODIES, ref_template="#/components/schemas/Game{name}")
    for shape in shapes.values():
        # It repeats the name of the class; the schema has a name of its own.
        del shape["title"]
        for member in shape["properties"].values():
            if "enum" in member:
                member["type"] = "string"
    return {name if name in _SHARED else f"Game{name}": shape for name, shape in shapes.items()}


def _object(required: str, /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


def _list(of: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1, "maxItems": most}


_CURRENCY: Final = {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{2,31}$"}
_MONEY: Final = {"type": "string", "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?$"}

SCHEMAS: Final = {
    **_bodies(),
    "GameBalance": _object(
        "currency balance cash bonus version wagering",
        currency=_CURRENCY,
        balance={**_MONEY, "description": "cash + bonus"},
        cash=_MONEY,
        bonus=_MONEY,
        version={"type": "integer", "minimum": 0},
        wagering={"allOf": [_ref("Wagering")], "nullable": True},
    ),
    "GameReceipts": _object("results", results=_list(_ref("Receipt"), MOST_IN_BATCH)),
    "GameOutcomes": _object("results", results=_list({"anyOf": [_ref("Receipt"), _ref("Problem")]}, MOST_IN_BULK)),
}

# --- calls -----------------------------------------------------------------------------------

_ALWAYS: Final = (
    "malformed", "invalid_field", "unauthenticated", "method_not_allowed", "timeout", "too_large",
    "unsupported_media_type", "internal", "busy", "unavailable",
)  # fmt: skip
_UNKNOWN: Final = ("unknown_player", "unknown_wallet", "unknown_currency")
_BET: Final = (
    "reference_reused", "rolled_back", "round_closed", "player_excluded", "wallet_locked", "currency_disabled",
    "forbidden", "game_excluded", "stake_above_limit", "limit_reached", "bonus_active", "insufficient_funds",
)  # fmt: skip
_WIN: Final = ("reference_reused", "rolled_back", "round_closed", "unknown_original", "limit_reached")
_ROLLBACK: Final = (
    "reference_reused", "original_mismatch", "already_rolled_back", "forbidden", "has_payout", "unknown_original",
    "insufficient_funds",
)  # fmt: skip


def _call(
    summary: str, text: str, asks: str, answers: str, example: dict[str, Any], refusals: tuple[str, ...]
) -> dict[str, Any]:
    answer = {"description": "", "content": {"application/json": {"schema": _ref(answers)}}}
    body = {"schema": _ref(asks), "examples": {"Request": {"value": example}}}
    return {
        "post": {
            "tags": [TAG],
            "summary": summary,
            "description": text,
            "security": [{name: [] for name in _HEADERS}],
            "requestBody": {"required": True, "content": {"application/json": body}},
            "responses": {"200": answer, **_problems((*_ALWAYS, *refusals))},
        }
    }


def _problems(codes: tuple[str, ...]) -> dict[str, Any]:
    """The problems by status, each with its codes and what they mean."""
    lines: dict[int, list[str]] = {}
    for code in STATUS:
        if code in codes:
            lines.setdefault(STATUS[code], []).append(f"`{code}`: {problems.TEXTS[code][0]}.")
    content = {problems.CONTENT_TYPE: {"schema": _ref("Problem")}}
    return {str(status): {"description": "  \n".join(texts), "content": content} for status, texts in lines.items()}


_CALLS: Final = {
    "balance": _call("Where a wallet stands", "Changes nothing.", "GameWallet", "GameBalance", _WALLET, _UNKNOWN),
    "bet": _call(
        "Take a stake",
        "A refusal is remembered: its reference stays refused.",
        "Bet",
        "Receipt",
        _PLAY,
        (*_UNKNOWN, *_BET),
    ),
    "win": _call(
        "Pay",
        "Refused by nothing but its own structure. `bet` names the bet it answers; of a jackpot or promotion `round` "
        "and `game` may be left out.",
        "Win",
        "Receipt",
        {**_PLAY, "reference": "w-1", "amount": "7.50", "bet": "b-1"},
        (*_UNKNOWN, *_WIN),
    ),
    "rollback": _call(
        "Undo a bet or a win",
        "By the stored amounts of `original`; whatever else is named must agree with it. An unknown original is "
        "`void`, and its reference is spent.",
        "Rollback",
        "Receipt",
        {"player": "alice", "reference": "rb-1", "original": "b-1"},
        (*_UNKNOWN, *_ROLLBACK),
    ),
    "end-round": _call(
        "Close a round",
        "Known or not, closed or not.",
        "GameEndRound",
        "Receipt",
        {**_WALLET, "reference": "e-1", "round": "round-1"},
        (*_UNKNOWN, "reference_reused"),
    ),
    "batch": _call(
        "Operations on one wallet, all or nothing",
        "In order. A refusal is that of the failing operation, with its `index` from 0. Player and currency are those "
        "of the batch.",
        "GameBatch",
        "GameReceipts",
        {**_WALLET, "operations": _OPERATIONS},
        (*_UNKNOWN, *_BET, *_WIN, *_ROLLBACK),
    ),
    "bulk": _call(
        "Independent operations",
        "Each has its own outcome, in the order of the request: a receipt, or a problem with its `status`. Order is "
        "kept per player. The whole is refused only if no operation was taken.",
        "GameBulk",
        "GameOutcomes",
        {"operations": [{**_WALLET, **operation} for operation in _OPERATIONS]},
        (),
    ),
    "transaction": _call(
        "What became of a reference",
        "The answer a repeat of it would get.",
        "GameTransaction",
        "Receipt",
        {"player": "alice", "reference": "b-1", "kind": "bet"},
        ("unknown_player", "unknown_wallet", "unknown_transaction", *_BET, *_WIN, *_ROLLBACK),
    ),
}


def with_game_door(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the game door to the document; the last of the hooks, after the REST door's schemes are set."""
    for name, call in _CALLS.items():
        named = {"operationId": f"game_{name.replace('-', '_')}", **call["post"]}
        result["paths"][f"{PREFIX}v1/{name}"] = {"post": named}
    components = result["components"]
    components["schemas"].update(SCHEMAS)
    components.setdefault("securitySchemes", {}).update(
        {
            scheme: {"type": "apiKey", "in": "header", "name": header, "description": text}
            for scheme, (header, text) in _HEADERS.items()
        }
    )
    result.setdefault("tags", []).append({"name": TAG, "description": SIGNING})
    return result
