"""Starts throw-away servers before pytest-django reads the settings (`-p tests.servers_plugin`).

pytest-xdist's workers inherit PostgreSQL, where each has a database of its own, and start a Valkey each: channels
are not divided by database.
"""

import os
from contextlib import ExitStack

import pytest

from casino_pam.servers import PostgreSQL, Valkey, passing_servers

TEST_SETTINGS = {
    "SECRET_KEY": "only-for-tests-" + "0123456789" * 5,
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "PLAIN_HTTP": "on",
    "DATABASE_POOL_SIZE": "0",
}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before any other plugin looks for settings."""
    kinds = [Valkey] if "PYTEST_XDIST_WORKER" in os.environ else [PostgreSQL, Valkey]
    servers = ExitStack()
    early_config.add_cleanup(servers.close)
    os.environ.update(TEST_SETTINGS)
    os.environ.update(servers.enter_context(passing_servers(*kinds)).environment)
