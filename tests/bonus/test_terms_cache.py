"""Terms that were read once are kept, and together take no more than some megabytes."""

from __future__ import annotations

import tracemalloc

from bonus import store
from bonus.terms import OfferKind, Terms, Weights, encode


def text(number: int, games: int) -> str:
    """Frozen terms that name so many games, as a row has them."""
    weights = Weights(default=10_000, game={f"game-{number}-{each}".ljust(128, "x"): 5_000 for each in range(games)})
    amounts = {"cap": None, "amount": 1, "min_deposit": 0, "max_stake": None, "max_conversion": None}
    terms = Terms(
        kind=OfferKind.FIXED,
        multiplier=10,
        weights=weights,
        offer=f"offer-{number}",
        currency="EUR",
        depleted_below=0,
        **amounts,  # type: ignore[arg-type]
    )
    return encode(terms)


def test_the_same_text_is_read_once() -> None:
    for games in (0, 1_000):
        assert store._terms(text(1, games)) is store._terms(text(1, games))


def test_thousands_of_long_terms_are_not_all_kept() -> None:
    """As many as a house with 150 offers of 1,000 games each in a few currencies."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(150):
            store._terms(text(number, 1_000))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 20_000_000, held


def test_short_terms_do_not_drive_each_other_out() -> None:
    texts = [text(number, 0) for number in range(500)]
    first = [store._terms(each) for each in texts]
    assert all(store._terms(each) is known for each, known in zip(texts, first, strict=True))
