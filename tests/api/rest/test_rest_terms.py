"""What a player is told of the terms of a bonus: those that were promised, as they are judged."""

from bonus.models import Offer
from tests import bonus_scenario, rest_client, scenario


def terms() -> dict[str, object]:
    found: dict[str, object] = rest_client.player("bob").get("me/bonuses")["results"][0]["terms"]
    return found


def test_a_player_reads_what_counts_and_how_much_may_be_staked(books: None) -> None:
    scenario.catalogue()
    bonus_scenario.wagering(
        "30.00",
        multiplier=2,
        weights={"default": 10_000, "game": {"blackjack-1": 1_000}, "category": {"live": 0}},
        excluded={"game": ["slot-9", "slot-2"]},
        max_stake_bp=1_000,
        eur={"max_stake": "5.00", "max_conversion": "100.00"},
    )
    told = terms()
    said = told.pop("said")
    assert told == {
        "kind": "fixed",
        # A tenth of what was granted is less than 5.00.
        "max_stake": "3.00",
        "max_conversion": "100.00",
        "weights": {"default": 10_000, "game": {"blackjack-1": 1_000}, "category": {"live": 0}, "provider": {}},
        "excluded": {"game": ["slot-2", "slot-9"], "category": []},
    }
    assert {"about": "Must be wagered", "said": "2 times the bonus."} in said


def test_terms_stay_as_they_were_promised(books: None) -> None:
    scenario.catalogue()
    bonus_scenario.wagering("30.00", multiplier=2)
    before = terms()
    Offer.objects.update(multiplier=50, default_weight_bp=1)
    assert terms() == before
    assert before["max_stake"] is None
