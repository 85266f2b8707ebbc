"""Starts throw-away servers before pytest-django reads the settings (`-p tests.servers_plugin`).

pytest-xdist's workers inherit PostgreSQL, where each has a database of its own, and start a Valkey each: channels
are not divided by database.
"""

import os
from contextlib import ExitStack

import pytest

from casino_pam.local.servers import PostgreSQL, Valkey, passing_servers


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before any other plugin looks for settings."""
    kinds = [Valkey] if "PYTEST_XDIST_WORKER" in os.environ else [PostgreSQL, Valkey]
    servers = ExitStack()
    early_config.add_cleanup(servers.close)
    os.environ["DATABASE_POOL_SIZE"] = "0"
    os.environ.update(servers.enter_context(passing_servers(*kinds)).environment)
