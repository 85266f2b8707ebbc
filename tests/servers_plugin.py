"""Starts throw-away PostgreSQL and Valkey before pytest-django reads the settings (`-p tests.servers_plugin`).

pytest-xdist's workers inherit the addresses from the process that started them.
"""

import os
from contextlib import ExitStack

import pytest

from casino_pam.servers import passing_servers

TEST_SETTINGS = {
    "SECRET_KEY": "only-for-tests-" + "0123456789" * 5,
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "PLAIN_HTTP": "on",
    "DATABASE_POOL_SIZE": "0",
}


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before any other plugin looks for settings."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    servers = ExitStack()
    early_config.add_cleanup(servers.close)
    os.environ.update(TEST_SETTINGS)
    os.environ.update(servers.enter_context(passing_servers()).environment)
