"""Providers' secrets outlive the key they are encrypted with: a new one shuts nobody out."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.fernet import InvalidToken
from django.core.management import call_command
from django.core.management.base import CommandError

from casino_pam import tokens
from tests import scenario
from wallet.errors import Refused
from wallet.models import Provider

OLD = "an old key that has been there for many years"
NEW = "a new key that nobody has ever seen before it"


@pytest.fixture
def house(books: None, settings: Any) -> None:
    settings.SECRETS_KEY, settings.SECRETS_KEY_FALLBACKS = OLD, []
    scenario.catalogue()


def acme() -> Provider:
    return Provider.objects.get(code="acme")


def rotated() -> tuple[bytes, bytes]:
    """Give acme two secrets; both of them, the newest first."""
    provider = acme()
    secret = provider.rotate()
    provider.save()
    return secret.encode(), b"acme-secret"


def test_a_new_key_reads_what_the_old_one_encrypted(house: None, settings: Any) -> None:
    both = rotated()
    settings.SECRETS_KEY, settings.SECRETS_KEY_FALLBACKS = NEW, [OLD]
    assert acme().live_secrets() == both
    settings.SECRETS_KEY_FALLBACKS = []
    with pytest.raises(InvalidToken):
        acme().live_secrets()


def test_encrypting_anew_needs_the_old_key_no_more_and_changes_no_secret(
    house: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    both, version = rotated(), acme().secrets_version
    settings.SECRETS_KEY, settings.SECRETS_KEY_FALLBACKS = NEW, [OLD]
    call_command("encrypt_secrets")
    assert capsys.readouterr().out.startswith("Encrypted 3 secrets anew")
    settings.SECRETS_KEY_FALLBACKS = []
    assert (acme().live_secrets(), acme().secrets_version) == (both, version)
    stored = (bytes(acme().secret_one or b""), bytes(acme().secret_two or b""))
    call_command("encrypt_secrets")
    assert capsys.readouterr().out.startswith("Encrypted 0 secrets anew")
    assert (bytes(acme().secret_one or b""), bytes(acme().secret_two or b"")) == stored


def test_a_secret_that_no_key_reads_is_named_and_the_others_are_encrypted(
    house: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SECRETS_KEY = "a key that is lost, and was used for acme alone"
    lost = acme()
    lost.set_secret("lost")
    lost.save()
    settings.SECRETS_KEY, settings.SECRETS_KEY_FALLBACKS = NEW, [OLD]
    with pytest.raises(CommandError, match=r"No key reads the secrets of: acme\."):
        call_command("encrypt_secrets")
    assert capsys.readouterr().out.startswith("Encrypted 1 secrets anew")
    settings.SECRETS_KEY_FALLBACKS = []
    assert Provider.objects.get(code="zenith").live_secrets() == (b"zenith-secret",)


def test_a_new_secret_key_ends_no_player_s_token(settings: Any) -> None:
    before = settings.SECRET_KEY
    token, _ = tokens.issue("alice", time.time())
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [before]
    assert tokens.read(token, time.time()).player == "alice"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Refused, match="unauthenticated"):
        tokens.read(token, time.time())
