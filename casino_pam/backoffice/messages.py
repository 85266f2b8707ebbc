"""Refusals as an operator reads them; what the doors tell back ends is in casino_pam/problems.py."""

from __future__ import annotations

from typing import Any, Final

from casino_pam.problems import TEXTS
from wallet import formatting
from wallet.errors import Refused

_MESSAGES: Final = {
    "insufficient_funds": "There is not that much money: the wallet has {cash} {currency} of cash and {bonus} of bonus "
    "money.",
    "reference_reused": "This form was sent before with other values. Look at what was done then, and begin anew.",
    "unknown_withdrawal": "There is no such withdrawal: its money was never held.",
    "already_settled": "The withdrawal was paid meanwhile; it can no longer be released.",
    "already_released": "The withdrawal was released meanwhile; its money is the player's again.",
    "already_rolled_back": "It was rolled back meanwhile; the money was moved once and will not be again.",
    "has_payout": "Its round was paid. Roll its wins back first, then the bet.",
    "bonus_ended": "The bonus has ended meanwhile: it is {ended}.",
    "player_excluded": "The player is excluded. Nothing can be granted until that ends.",
    "wallet_locked": "The player's deposits are locked, and bonuses with them.",
    "limit_reached": "It would pass a limit on this player or wallet.",
    "one_currency": "In the player's country a player has one wallet only.",
    "already_exists": "There is one of this name already.",
    "player_not_verified": "The player is {verification}, and has to be verified before that. Set the verification on "
    "the player's page once the checks are made, then try again.",
    "busy": "Nothing is known to have happened. Press the button again: it acts once.",
    "unavailable": "The books cannot be reached, and nothing is known to have happened. Press the button again: it "
    "acts once.",
    "internal": "Something went wrong on our side. Press the button again: it acts once.",
}
_WHY: Final = {
    "longer_already": "The player is already excluded for longer, {until_when}.",
    "bonus_not_active": "The bonus still waits: it has no money that could become cash.",
    "waits_for_no_approval": "Somebody has decided about it meanwhile, or it began: nothing waits any more.",
    "nothing_to_post": "There is nothing to post: it was posted, refused or rejected before.",
    "own_request": "Somebody else must decide what you have asked for.",
    "needs_a_second_person": "Somebody else must decide what you have asked for.",
    "not_independent": "You cannot approve this: {actor} changed {account} ({what}) on {at}, so that you and who asked "
    "may be one person. Somebody else has to decide, or you after {until}.",
    "not_independent_for_good": "You cannot approve this: {actor} made {account} on {at} and may ask with it. Somebody "
    "else has to decide.",
    "own_second_factor": "Somebody else has to reset your second factor, for a reason that you did not write yourself.",
    "superuser": "Only superusers end the log-ins of superusers.",
    "disabled": "The offer is disabled.",
    "not_yet_valid": "The offer is not valid yet.",
    "no_longer_valid": "The offer is no longer valid.",
    "country": "The offer is not for players of this country.",
    "jurisdiction": "The rules of the player's country forbid these terms.",
    "already_claimed": "The player has had this offer as often as it may be had.",
    "needs_a_code": "The offer is only for who enters its code.",
    "exhausted": "The offer was granted as often as it may be.",
    "which_deposit": "The offer is for an earlier deposit than the player's next.",
    "currency": "The offer does not speak of this currency.",
    "min_deposit": "The net loss is below the smallest that the offer pays on.",
    "nothing_to_grant": "The bonus would come to nothing.",
    "requirement_too_large": "More would have to be wagered than can be.",
}


def message(refused: Refused) -> str:
    """The refusal in a sentence or two."""
    facts = _facts(refused.facts)
    why = facts.get("why")
    if why == "not_independent" and facts["until"] is None:
        why = "not_independent_for_good"
    if why in _WHY:
        return _WHY[why].format_map(facts)
    if refused.code in _MESSAGES:
        return _MESSAGES[refused.code].format_map(facts)
    title, _ = TEXTS[refused.code]
    return f"{title}."


def _facts(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts with their amounts, which come in minor units, as people write them."""
    shown = dict(facts)
    if facts.get("why") == "longer_already":
        shown["until_when"] = formatting.lasting(facts["until"])
    for name in ("balance", "cash", "bonus"):
        if name in facts and "digits" in facts:
            shown[name] = formatting.number(facts[name], facts["digits"])
    return shown
