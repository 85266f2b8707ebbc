"""Every answer that is not a success, as ``application/problem+json`` (RFC 9457), or as a page for who looks at one.

The code says which refusal it is, ``retry`` whether the very same request may be sent again, and
the named facts say the rest: nobody should have to parse a sentence. Title and detail are for the
person who reads the answer, and say what to do next.
"""

from html import escape
from typing import Any, Final

import msgspec

from wallet.errors import STATUS, Refused
from wallet.money import show

API: Final = "/api/"
CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1

_MAY_BE_REPEATED: Final = frozenset((429, 500, 503))
_ASK_LATER: Final = frozenset((429, 503))
_BALANCES: Final = ("balance", "cash", "bonus")
# No fact may go by one of these names: it would hide what every client reads first.
_RESERVED: Final = frozenset(("type", "title", "status", "code", "retry", "request_id"))

# code -> title, detail
TEXTS: Final[dict[str, tuple[str, str]]] = {
    "malformed": (
        "The body is not a JSON object",
        "Send one JSON object in strict UTF-8, without repeated keys.",
    ),
    "invalid_field": (
        "A field is missing or wrong",
        "Correct the field named in `field` and send the request again.",
    ),
    "unauthenticated": (
        "The request is not authenticated",
        "Check the credentials or the signature, and that each of its headers is sent once and the clock is right.",
    ),
    "key_expired": (
        "The API key has expired",
        "It was good until `expired_at`; ask the operator of the casino for a new key, or for more time for this one.",
    ),
    "forbidden": (
        "The caller is not allowed to do this",
        "The credentials are good but do not permit this request; ask the operator of the casino.",
    ),
    "unknown_player": (
        "There is no such player",
        "Check the player's name, or create the player first.",
    ),
    "unknown_wallet": (
        "The player has no wallet in this currency",
        "Check the currency, or open the wallet first.",
    ),
    "unknown_currency": (
        "There is no such currency",
        "Use the code of a currency this casino keeps; codes are capital letters.",
    ),
    "unknown_transaction": (
        "There is no such transaction",
        "No row was posted under this reference and kind: the request may be sent under it.",
    ),
    "unknown_withdrawal": (
        "There is no such withdrawal",
        "No money is held under this reference; check it, or ask for the withdrawal first.",
    ),
    "unknown_bonus": (
        "There is no such bonus",
        "Check the id against the player's list of bonuses.",
    ),
    "unknown_offer": (
        "There is no such offer",
        "Check the code against the list of offers.",
    ),
    "unknown_promo_code": (
        "There is no such code",
        "No open offer has this code; check how it is written. Case does not matter.",
    ),
    "unknown_session": (
        "There is no such session",
        "Check the session's id, and that it is of this player with this provider.",
    ),
    "unknown_provider": (
        "There is no such provider",
        "Check the provider's code, or create the provider first.",
    ),
    "not_found": (
        "There is nothing at this address",
        "Check the path against the documentation of the API.",
    ),
    "method_not_allowed": (
        "The method does not fit this address",
        "Use one of the methods named in the header Allow.",
    ),
    "timeout": (
        "The request did not arrive in time",
        "Nothing was done; send the whole body without a pause.",
    ),
    "too_large": (
        "The body is too large",
        "Nothing was done; send fewer operations in one request.",
    ),
    "unsupported_media_type": (
        "The body has another type than JSON",
        "Send Content-Type: application/json and no Content-Encoding.",
    ),
    "reference_reused": (
        "The reference was already spent on another request",
        "The fields named in `differing` are not those of the first request; use a new reference for a new request.",
    ),
    "original_mismatch": (
        "The rollback does not agree with its original",
        "The fields named in `differing` are not those of the original; send the original's own values or none.",
    ),
    "rolled_back": (
        "The transaction was rolled back",
        "No money moves under this reference any more; do not send it again.",
    ),
    "already_rolled_back": (
        "The original was already rolled back",
        "Another rollback undid it before; the money was returned once and will not be again.",
    ),
    "round_closed": (
        "The round is closed",
        "The round has ended; play in a new round.",
    ),
    "has_payout": (
        "The bet already has a payout",
        "Its round was paid, so the bet cannot be rolled back before its wins are.",
    ),
    "unknown_original": (
        "The named original is not known",
        "No such bet or win stands in the books of this player; check its reference.",
    ),
    "already_settled": (
        "The withdrawal was already paid",
        "It was settled and cannot be released any more.",
    ),
    "already_released": (
        "The withdrawal was already released",
        "Its money went back to the player; ask for a new withdrawal.",
    ),
    "already_exists": (
        "It already exists",
        "Read what is there; change it instead of making it again.",
    ),
    "bonus_ended": (
        "The bonus has ended",
        "It can no longer be changed; read the bonus again to see how it ended.",
    ),
    "insufficient_funds": (
        "There is not enough money",
        "The balance that may be spent here is below the amount; tell the player.",
    ),
    "wallet_locked": (
        "The player is locked",
        "An operator has locked this kind of request for the player; tell the player to ask support.",
    ),
    "player_excluded": (
        "The player is excluded",
        "A self-exclusion is in force: no bets, deposits or bonuses until it ends.",
    ),
    "session_ended": (
        "The session has ended",
        "Its time is over, or somebody ended it; tell the player to open the game again.",
    ),
    "limit_reached": (
        "A limit was reached",
        "The request would pass the limit named in `limit`. Of a player's own limit `left` is what remains until "
        "`resets_at`; tell the player.",
    ),
    "stake_above_limit": (
        "The stake is above the limit",
        "While the bonus is active the stake may not be as high; tell the player to stake less.",
    ),
    "game_excluded": (
        "The game may not be played now",
        "The active bonus excludes this game; tell the player to choose another one.",
    ),
    "currency_disabled": (
        "The currency is disabled",
        "No bets are taken in this currency at present.",
    ),
    "offer_not_available": (
        "The offer is not available",
        "This player cannot take the offer now; `why` says which of its conditions failed.",
    ),
    "bonus_active": (
        "A bonus is active",
        "This is not possible while the bonus is active; complete or forfeit it first.",
    ),
    "one_currency": (
        "The player may have one currency only",
        "In the player's country limits hold for the account, so a player there has one wallet; `wallets` are those "
        "that there are. Nothing was changed.",
    ),
    "player_not_verified": (
        "The player is not verified",
        "The house or the law of the player's country wants the player verified before what `needed_for` names; "
        "`verification` is what the player is now. Nothing was done or remembered: once the player is verified send "
        "the same request again.",
    ),
    "rate_limited": (
        "Too many requests",
        "Nothing was done; wait as the header Retry-After says and send the same request again.",
    ),
    "internal": (
        "Something went wrong on our side",
        "Send the very same request again under the same reference; it is carried out at most once.",
    ),
    "busy": (
        "The house is busy",
        "Nothing is known to have happened; send the very same request again under the same reference.",
    ),
    "unavailable": (
        "The house is not available",
        "Nothing is known to have happened; send the very same request again under the same reference.",
    ),
}


class Advice(msgspec.Struct, frozen=True):
    """What a caller does next: with the very same request, and with a rollback of what was asked."""

    resend: str
    roll_back: str


_NOTHING_MOVED: Final = "No: nothing moved."
_ADVICE: Final[dict[int, Advice]] = {
    **dict.fromkeys(
        (400, 401, 403, 404, 405, 408, 413, 415),
        Advice("No: it would be refused again. Mend what the problem names first.", _NOTHING_MOVED),
    ),
    409: Advice("No: what stands in the books says no. Read it again, and ask for something else.", _NOTHING_MOVED),
    422: Advice(
        "No. Of a bet, a deposit, a withdrawal or an adjustment the refusal is remembered under its reference: a new"
        " attempt takes a new one.",
        _NOTHING_MOVED,
    ),
    429: Advice("Yes, when the time in the header `Retry-After` is over.", "No: nothing was done."),
    **dict.fromkeys(
        (500, 503),
        Advice(
            "Yes: the very same request under the same reference, until there is another answer. It is carried out at"
            " most once.",
            "Only by whoever gives up: it is right whether the request was carried out or not.",
        ),
    ),
}

_BALANCES_OF_NOW: Final[dict[str, Any]] = {"balance": 1500, "cash": 1500, "bonus": 0, "currency": "EUR", "digits": 2}
# The facts with which a problem may come, as an example.
_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "invalid_field": {"detail": 'amount must be a decimal string such as "10.00"', "field": "amount"},
    "forbidden": {"why": "provider_disabled"},
    "unknown_player": {"player": "nobody"},
    "unknown_wallet": {"player": "alice", "currency": "JPY"},
    "unknown_currency": {"currency": "XXX"},
    "unknown_transaction": {"reference": "b-1"},
    "unknown_withdrawal": {"reference": "out-1"},
    "unknown_offer": {"offer": "welcome"},
    "too_large": {"limit_bytes": 65536},
    "reference_reused": {"differing": ["amount"]},
    "original_mismatch": {"differing": ["amount"]},
    "already_exists": {"player": "alice"},
    "rolled_back": _BALANCES_OF_NOW,
    "already_rolled_back": _BALANCES_OF_NOW,
    "round_closed": {"round": "round-1", **_BALANCES_OF_NOW},
    "has_payout": _BALANCES_OF_NOW,
    "unknown_original": _BALANCES_OF_NOW,
    "insufficient_funds": _BALANCES_OF_NOW,
    "wallet_locked": {"lock": "bet", **_BALANCES_OF_NOW},
    "player_excluded": _BALANCES_OF_NOW,
    "limit_reached": {
        "limit": "stake_day",
        "left": 500,
        "resets_at": "2026-11-23T00:00:00.000000Z",
        **_BALANCES_OF_NOW,
    },
    "stake_above_limit": _BALANCES_OF_NOW,
    "game_excluded": {"game": "slot-9", **_BALANCES_OF_NOW},
    "currency_disabled": _BALANCES_OF_NOW,
    "offer_not_available": {"why": "already_claimed"},
    "bonus_active": _BALANCES_OF_NOW,
    "one_currency": {"player": "alice", "country": "GB", "wallets": ["EUR", "JPY"]},
    "player_not_verified": {"needed_for": "withdrawal", "verification": "pending"},
}


def advice(code: str) -> Advice:
    return _ADVICE[STATUS[code]]


def example(code: str) -> dict[str, Any]:
    """A problem of this code as a caller may get it."""
    return problem(Refused(code, **_EXAMPLES.get(code, {})), "0198c0a4-52b1-7d3e-9f60-2b8f4c1d7e05")


_FIXED: Final[dict[str, dict[str, Any]]] = {
    code: {
        "type": f"/problems/{code}",
        "title": title,
        "status": STATUS[code],
        "detail": detail,
        "code": code,
        "retry": STATUS[code] in _MAY_BE_REPEATED,
    }
    for code, (title, detail) in TEXTS.items()
}

encode = msgspec.json.Encoder().encode


def problem(refused: Refused, request_id: str) -> dict[str, Any]:
    """The members of the problem, in the order in which they are written.

    A fact ``detail`` takes the place of the code's own sentence. The balances come in minor
    units, all three with the fact ``digits``, and leave as decimal strings.
    """
    assert _RESERVED.isdisjoint(refused.facts)
    return {**_FIXED[refused.code], "request_id": request_id, **_shown(refused.facts)}


def body(refused: Refused, request_id: str) -> bytes:
    return encode(problem(refused, request_id))


def headers(status: int) -> dict[str, str]:
    """The headers a problem of this status is sent with, whatever the door."""
    found = {"Content-Type": CONTENT_TYPE}
    if status in _ASK_LATER:
        found["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return found


# The problems' own sentences are for programs; these are for who looks at a page.
_DETAILS: Final = {
    "busy": "Nothing is known to have happened. Try again in a moment; a form that was sent twice acts once.",
    "unavailable": "The books cannot be reached, and nothing is known to have happened. Try again in a moment; a form"
    " that was sent twice acts once.",
}
_PAGE: Final = """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{detail}</p><p>Request {request_id}</p></body></html>
"""


def answer(path: str, refusal: Refused, request_id: str) -> tuple[dict[str, str], bytes]:
    """Headers and body where no view of Django's answers: problem+json below /api/, a small page elsewhere.

    ``Retry-After`` says that the same may be sent again.
    """
    named = {**headers(refusal.status), "X-Request-ID": request_id, "Cache-Control": "no-store"}
    if path.startswith(API):
        text = body(refusal, request_id)
    else:
        title, detail = TEXTS[refusal.code]
        detail = _DETAILS.get(refusal.code, detail)
        text = _PAGE.format(title=escape(title), detail=escape(detail), request_id=escape(request_id)).encode()
        named["Content-Type"] = "text/html; charset=utf-8"
    return {**named, "Content-Length": str(len(text))}, text


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    if "cash" not in facts:
        return facts
    shown = facts.copy()
    digits = shown.pop("digits")
    for name in _BALANCES:
        shown[name] = show(shown[name], digits)
    if "left" in shown:
        shown["left"] = show(shown["left"], digits)
    return shown
