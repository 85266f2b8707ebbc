"""Starts throw-away servers before pytest-django reads the settings (`-p tests.servers_plugin`).

pytest-xdist's workers inherit PostgreSQL, where each has a database of its own, and start a Valkey each: channels
are not divided by database.
"""

import os
import shutil
import signal
import tempfile
from contextlib import ExitStack

import pytest
from psycopg import sql

from casino_pam.local.os_support import free_port
from casino_pam.local.servers import PostgreSQL, Valkey, passing_servers
from tests.prepared_servers import shared_cluster


class SharedPostgreSQL(PostgreSQL):
    """Room for the races of every worker at a time."""

    def _options(self) -> list[str]:
        return [*super()._options(), "max_connections=300"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="PostgreSQL alone: nobody listens at Redis's port")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before any other plugin looks for settings."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell lets what it starts in the background ignore Ctrl-C, and so would all that the tests start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    worker, fast = "PYTEST_XDIST_WORKER" in os.environ, early_config.known_args_namespace.fast
    kinds = [*([] if worker else [SharedPostgreSQL]), *([] if fast else [Valkey])]
    os.environ["DATABASE_POOL_SIZE"] = "0"
    if fast:
        os.environ["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    if kinds:
        servers = ExitStack()
        early_config.add_cleanup(servers.close)
        if not worker:
            compile_once(servers)
            servers.enter_context(shared_cluster())
        started = servers.enter_context(passing_servers(*kinds))
        os.environ.update(started.environment)
        for server in started.running:
            if isinstance(server, PostgreSQL):
                prepare(server)


def compile_once(servers: ExitStack) -> None:
    """Where no bytecode is to be written into the tree, each of the hundreds of processes that tests start would
    compile the whole product again: it is written elsewhere, for as long as the tests run.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        folder = os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="casino-pam-bytecode-")
        servers.callback(shutil.rmtree, folder, ignore_errors=True)


def prepare(server: PostgreSQL) -> None:
    """Let tests empty guarded tables, and log in quickly: they do by the dozen, and each would hash 4096 times."""
    with server.connect() as connection:
        connection.execute("GRANT SET ON PARAMETER session_replication_role TO casino")
        if connection.info.server_version >= 160000:
            connection.execute("SET scram_iterations = 1")
            connection.execute(sql.SQL("ALTER ROLE casino PASSWORD {}").format(server.password))
