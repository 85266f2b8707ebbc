"""The typed client that docs/api.md tells how to make is made, and works."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rest_client, scenario
from tests.game_client import Client, served

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "api.md"


def status_of(line: str) -> str:
    """What a line of the page is answered where all goes well."""
    if "-X DELETE" in line:
        return "204"
    made = ('/players"', '/tokens"', '/dora/sessions"', '/secrets"', '/offers"', '/grant-lists"', '/promo-codes"')
    providers = '/providers"' in line and "-d" in line
    return "201" if providers or any(path in line for path in made) else "200"


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Client]:
    with served(workers=1) as opened:
        yield opened


@pytest.fixture
def key(books: None) -> str:
    scenario.catalogue()
    return str(rest_client.key(provider="acme")._headers["Authorization"].partition(" ")[2])


# What an integrator writes with the client that was made: each name is the document's.
TYPED = """
import sys
from casino_client import AuthenticatedClient
from casino_client.api.deposits import deposits_create
from casino_client.api.players import players_create, players_wallets_retrieve
from casino_client.models import DepositAsked, NewPlayer, Problem

client = AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2], prefix="Api-Key")
players_create.sync(client=client, body=NewPlayer(player="dora", country="MT", wallets=["EUR"]))
deposit = DepositAsked(player="dora", currency="EUR", reference="card-1", amount="100.00")
assert deposits_create.sync(client=client, body=deposit).balance == "100.00"
assert deposits_create.sync(client=client, body=deposit).replayed is True
assert players_wallets_retrieve.sync("dora", "EUR", client=client).cash == "100.00"
problem = players_wallets_retrieve.sync("dora", "JPY", client=client)
assert isinstance(problem, Problem) and problem.code == "unknown_wallet" and problem.retry is False, problem
"""


def test_a_typed_client_is_made_from_the_document_and_works(server: Client, key: str, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{server.port}"
    (command,) = re.findall(r"^    openapi-python-client (.*)$", PAGE.read_text(), re.MULTILINE)
    argv = [sys.executable, "-m", "openapi_python_client", *command.replace("$CASINO", base).split()]
    made = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    used = subprocess.run([sys.executable, "-c", TYPED, base, key], cwd=tmp_path, capture_output=True, text=True)
    assert used.returncode == 0, used.stderr
    assert scenario.balances("dora") == (10_000, 0, 0)
