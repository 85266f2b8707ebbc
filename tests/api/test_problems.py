"""One shape for every refusal: what it is, whether to send it again, and the facts."""

import json

import pytest

from casino_pam import problems
from casino_pam.api.strict_json import Malformed
from wallet.errors import STATUS, Busy, InvalidField, Refused

# Straight from the contract: status -> codes.
CONTRACT = {
    400: "malformed invalid_field",
    401: "unauthenticated key_expired",
    403: "forbidden",
    404: "unknown_player unknown_wallet unknown_currency unknown_transaction unknown_withdrawal unknown_bonus "
    "unknown_offer unknown_session unknown_provider unknown_promo_code not_found",
    405: "method_not_allowed",
    408: "timeout",
    409: "reference_reused original_mismatch rolled_back already_rolled_back round_closed has_payout unknown_original "
    "already_settled already_released already_exists bonus_ended",
    413: "too_large",
    415: "unsupported_media_type",
    422: "insufficient_funds wallet_locked player_excluded limit_reached stake_above_limit game_excluded "
    "session_ended currency_disabled offer_not_available bonus_active one_currency player_not_verified",
    429: "rate_limited",
    500: "internal",
    503: "busy unavailable",
}
CODES = [(code, status) for status, codes in CONTRACT.items() for code in codes.split()]


def test_explains_every_code_there_is_and_no_other() -> None:
    assert set(problems.TEXTS) == set(STATUS) == {code for code, _ in CODES}


@pytest.mark.parametrize(("code", "status"), CODES)
def test_answers_each_code_with_its_status_and_whether_to_try_again(code: str, status: int) -> None:
    found = json.loads(problems.body(Refused(code), "req-1"))
    assert list(found) == ["type", "title", "status", "detail", "code", "retry", "request_id"]
    assert found["type"] == f"/problems/{code}"
    assert found["status"] == status
    assert found["code"] == code
    assert found["retry"] is (status in {429, 500, 503})
    assert found["request_id"] == "req-1"


@pytest.mark.parametrize(("code", "status"), CODES)
def test_speaks_in_sentences_that_say_what_to_do(code: str, status: int) -> None:
    title, detail = problems.TEXTS[code]
    assert title[0].isupper()
    assert not title.endswith(".")
    assert detail[0].isupper()
    assert detail.endswith(".")
    assert len(detail) > len(title)


def test_gives_each_code_words_of_its_own() -> None:
    titles = [title for title, _ in problems.TEXTS.values()]
    assert len(set(titles)) == len(titles)


def test_says_what_was_wrong_with_a_field() -> None:
    found = problems.problem(InvalidField("amount", "must be a string"), "req-1")
    assert (found["code"], found["field"], found["detail"]) == ("invalid_field", "amount", "amount must be a string")


def test_says_why_a_body_is_malformed() -> None:
    found = problems.problem(Malformed("The body is not valid UTF-8."), "req-1")
    assert (found["code"], found["detail"]) == ("malformed", "The body is not valid UTF-8.")


def test_tells_the_balances_as_decimal_strings() -> None:
    refused = Refused(
        "insufficient_funds", balance=1005, cash=1000, bonus=5, currency="EUR", digits=2, version=7, replayed=False
    )
    found = problems.problem(refused, "req-1")
    assert {name: found[name] for name in ("balance", "cash", "bonus", "currency", "version", "replayed")} == {
        "balance": "10.05",
        "cash": "10.00",
        "bonus": "0.05",
        "currency": "EUR",
        "version": 7,
        "replayed": False,
    }
    assert "digits" not in found
    assert refused.facts["cash"] == 1000


def test_passes_other_facts_on_as_they_are() -> None:
    found = problems.problem(Refused("reference_reused", differing=["amount", "round"], index=3), "req-1")
    assert found["differing"] == ["amount", "round"]
    assert found["index"] == 3


@pytest.mark.parametrize("name", ["type", "title", "status", "retry", "request_id"])
def test_lets_no_fact_hide_a_standard_member(name: str) -> None:
    with pytest.raises(AssertionError):
        problems.problem(Refused("forbidden", **{name: "x"}), "req-1")


def test_says_when_to_come_back_only_where_waiting_helps() -> None:
    asked_later = {status for status in CONTRACT if problems.headers(status).get("Retry-After") == "1"}
    told_at_all = {status for status in CONTRACT if "Retry-After" in problems.headers(status)}
    assert asked_later == told_at_all == {429, 503}
    assert all(problems.headers(status)["Content-Type"] == "application/problem+json" for status in CONTRACT)


def test_leaks_nothing_of_a_failure_on_our_side() -> None:
    assert set(problems.problem(Refused("internal"), "req-1")) == set(problems.problem(Busy(), "req-1"))
