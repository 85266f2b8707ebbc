"""What every test may ask for."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import Error, connection, connections
from django.test.utils import override_settings, setup_databases
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker

from tests import browser_pages, scenario
from tests import clean_books as the_books
from tests.game_client import Client, Door, served
from wallet.reconcile import further_checks, runner

# Files whose tests take longest, the longest first: what begins last would leave the other processes idle.
LONGEST = (
    "tests/faults/test_faults.py",
    "tests/docs/test_docs_on_the_demo.py",
    "tests/deploys/test_migrations_under_load.py",
    "tests/backoffice/test_browser_every_page.py",
    "tests/cells/test_two_cells.py",
    "tests/local/test_launch.py",
    "tests/local/test_backup_command.py",
    "tests/docs/test_docs_production.py",
    "tests/server/test_standby.py",
    "tests/server/test_web.py",
    "tests/api/game/test_game_orderings.py",
    "tests/bonus/test_bonus_against_model.py",
    "tests/engine/test_orderings.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests are there to stay: going through them for garbage again and again costs seconds."""
    gc.disable()
    result = yield
    gc.freeze()
    gc.enable()
    return result


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest-xdist deals out equal shares in this order: each process begins with some of the longest."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes == 1:
        return
    longest: dict[str, list[pytest.Item]] = {name: [] for name in LONGEST}
    others: list[pytest.Item] = []
    for item in items:
        longest.get(item.nodeid.partition("::")[0], others).append(item)
    ordered: list[pytest.Item] = []
    for process in range(processes):
        share = (len(items) - len(ordered)) // (processes - process)
        begin = [item for name in LONGEST[process::processes] for item in longest[name]]
        room = max(0, share - len(begin))
        ordered += begin + others[:room]
        del others[:room]
    items[:] = ordered + others


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker, django_db_modify_db_settings: None
) -> None:
    """The test database of this process, migrated.

    pytest-django's own makes one only for its own fixtures, whose flush the ledger's triggers refuse; and it drops
    it at the end, which ours need not: the server goes with it.
    """
    with django_db_blocker.unblock():
        setup_databases(verbosity=0, interactive=False, aliases={"default"}, serialized_aliases=set())


@pytest.fixture(scope="session", autouse=True)
def plain_static_names() -> Iterator[None]:
    """Templates render without a collectstatic before."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": plain}):
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """An operator's password costs a tenth of a second on purpose; hundreds of tests make an operator."""
    with override_settings(PASSWORD_HASHERS=["tests.operators.QuickHasher"]):
        yield


def keep_connection() -> None:
    """Leave the connection to the next test as it was when it was opened: another one costs 25 ms with its caches."""
    try:
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("RESET ALL")
    except Error:
        connections.close_all()


@pytest.fixture
def books(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Real, committed transactions on an empty database; every test that touches the database asks for it."""
    with django_db_blocker.unblock():
        the_books.emptied()
        yield
        the_books.reconciled()
        keep_connection()


@pytest.fixture
def broken_books(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """As ``books``, for tests that break them on purpose: nobody asks how they were left."""
    with django_db_blocker.unblock():
        the_books.emptied()
        yield
        connections.close_all()


@pytest.fixture
def door(books: None) -> Iterator[Door]:
    """The game door inside this process, with the house of tests/scenario.py and 100.00 in Alice's wallet."""
    scenario.catalogue()
    scenario.alice("100.00")
    with Door() as opened:
        yield opened


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard for every wallet, so that there is work for several connections."""
    monkeypatch.setattr(runner, "SMALLEST", 1)
    monkeypatch.setattr(runner, "PARTS", 1_000)


@pytest.fixture
def further() -> Iterator[list[Any]]:
    """The list of further checks, as it was again after the test."""
    before = list(further_checks)
    yield further_checks
    further_checks[:] = before


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browser_pages.chromium() as opened:
        yield opened


@pytest.fixture
def new_page(browser: Browser) -> Iterator[browser_pages.Visit]:
    """Opens pages that must find nothing to complain of."""
    with browser_pages.pages(browser) as opened:
        yield opened


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The static files as web workers serve them, collected once."""
    return browser_pages.collected(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def workers(django_db_setup: None) -> Iterator[int]:
    """The port of two web workers, for all tests of a file; the test's own process is a third."""
    with served() as client:
        yield client.port


@pytest.fixture(scope="module")
def provider(django_db_setup: None, static_root: str) -> Iterator[Client]:
    """A provider at two web workers that serve the pages, too."""
    with served(STATIC_ROOT=static_root) as client:
        yield client
