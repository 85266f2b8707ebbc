"""What the settings refuse, what they are in production, and what of them reaches PostgreSQL."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import environ
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, ConnectionHandler, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from casino_pam.local.os_support import PROJECT

SETTINGS = (PROJECT / "casino_pam" / "settings.py").read_text()
# Every environment variable that the settings read.
OURS = re.findall(
    r'\b(?:needed|as_it_is|switch|whole|interval|time_of_day|address|database|env\.\w+)\(\s*"([A-Z_]+)"', SETTINGS
)
PRODUCTION = {
    "DATABASE_URL": "postgres://casino:secret@db.example:5432/casino",
    "REDIS_URL": "redis://redis.example:6379/0",
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ALLOWED_HOSTS": "casino.example",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Production's environment, to be changed; nothing is read from a file."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(environ.Env, "read_env", lambda *path: None)
    return monkeypatch


def read_settings() -> dict[str, Any]:
    """The settings as a fresh process would have them."""
    return runpy.run_path(str(PROJECT / "casino_pam" / "settings.py"))


class TestSecrets:
    def test_a_key_may_begin_with_a_dollar(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("SECRET_KEY", "$" + PRODUCTION["SECRET_KEY"])
        found = read_settings()
        assert found["SECRET_KEY"] == found["SECRETS_KEY"] == "$" + PRODUCTION["SECRET_KEY"]

    @pytest.mark.parametrize("name", ["SECRET_KEY", "SECRETS_KEY"])
    @pytest.mark.parametrize(
        "key", ["", "x", "x" * 64, "short but mixed 1", "abc" * 30, "django-insecure-" + PRODUCTION["SECRET_KEY"]]
    )
    def test_a_key_that_is_empty_short_or_weak_does_not_boot_and_is_not_shown(
        self, environment: pytest.MonkeyPatch, name: str, key: str
    ) -> None:
        environment.setenv(name, key)
        with pytest.raises(
            ImproperlyConfigured, match=f"^{name} .*Set it to [0-9]+ random characters or more"
        ) as refused:
            read_settings()
        assert len(key) < 16 or key not in str(refused.value)

    def test_a_weak_key_may_be_a_key_of_before(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("SECRETS_KEY", "a key of its own with many letters")
        environment.setenv("SECRETS_KEY_FALLBACKS", "x, y")
        environment.setenv("SECRET_KEY_FALLBACKS", "z")
        found = read_settings()
        assert (found["SECRETS_KEY_FALLBACKS"], found["SECRET_KEY_FALLBACKS"]) == (["x", "y"], ["z"])

    def test_without_a_key_of_their_own_secrets_follow_the_secret_key(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("SECRET_KEY_FALLBACKS", "z")
        assert read_settings()["SECRETS_KEY_FALLBACKS"] == ["z"]

    @pytest.mark.parametrize("name", ["SECRET_KEY_FALLBACKS", "SECRETS_KEY_FALLBACKS"])
    def test_no_key_of_before_is_empty(self, environment: pytest.MonkeyPatch, name: str) -> None:
        environment.setenv(name, "x,,y")
        with pytest.raises(ImproperlyConfigured, match=f"{name} holds an empty key. Set it to"):
            read_settings()
        environment.setenv(name, "")
        assert read_settings()[name] == []


class TestCells:
    CELL = "postgres://cell_north:secret@db.example:5432/casino"

    def test_without_one_nothing_is_called_otherwise(self, environment: pytest.MonkeyPatch) -> None:
        found = read_settings()
        assert found["SECRET_KEY"] == PRODUCTION["SECRET_KEY"]
        assert "search_path" not in found["DATABASES"]["default"]["OPTIONS"]["options"]
        assert found["CHANNEL_LAYERS"]["default"]["CONFIG"]["prefix"] == "asgi"
        assert found["CACHES"]["default"]["KEY_PREFIX"] == ""
        assert "SESSION_COOKIE_NAME" not in found and "MESSAGE_STORAGE" not in found

    def test_its_name_is_in_the_names_of_all_that_is_shared(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("CELL", "north")
        environment.setenv("DATABASE_URL", self.CELL)
        environment.setenv("REPORTS_DATABASE_URL", self.CELL)
        found = read_settings()
        for database in found["DATABASES"].values():
            assert "-c search_path=cell_north" in database["OPTIONS"]["options"]
        assert found["CACHES"]["default"]["KEY_PREFIX"] == "north"
        assert found["CHANNEL_LAYERS"]["default"]["CONFIG"]["prefix"] == "north:asgi"
        assert (found["SESSION_COOKIE_NAME"], found["CSRF_COOKIE_NAME"]) == ("sessionid_north", "csrftoken_north")
        # A provider's secrets are read with the key as it was told, wherever they were written.
        assert found["SECRET_KEY"] != found["SECRETS_KEY"] == PRODUCTION["SECRET_KEY"]

    def test_keys_of_before_are_its_own_as_well(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("CELL", "north")
        environment.setenv("DATABASE_URL", self.CELL)
        before = read_settings()["SECRET_KEY"]
        environment.setenv("SECRET_KEY_FALLBACKS", PRODUCTION["SECRET_KEY"])
        environment.setenv("SECRET_KEY", PRODUCTION["SECRET_KEY"][::-1])
        assert read_settings()["SECRET_KEY_FALLBACKS"] == [before]

    @pytest.mark.parametrize("name", ["North", "1st", "north-sea", "a" * 31, "nörd", "north\n", "_"])
    def test_a_name_that_is_none_does_not_boot(self, environment: pytest.MonkeyPatch, name: str) -> None:
        environment.setenv("CELL", name)
        with pytest.raises(ImproperlyConfigured, match=r"^CELL is .* Set it to a name of up to 30 small letters"):
            read_settings()

    @pytest.mark.parametrize("variable", ["DATABASE_URL", "REPORTS_DATABASE_URL"])
    @pytest.mark.parametrize(("cell", "role"), [("south", "cell_north"), ("north", "casino"), ("", "cell_north")])
    def test_a_role_that_is_not_the_cells_does_not_boot(
        self, environment: pytest.MonkeyPatch, variable: str, cell: str, role: str
    ) -> None:
        own = f"cell_{cell}" if cell else "casino"
        environment.setenv("CELL", cell)
        environment.setenv("DATABASE_URL", f"postgres://{own}@db.example/casino")
        environment.setenv(variable, f"postgres://{role}:secret@db.example/casino")
        with pytest.raises(ImproperlyConfigured, match=f"^{variable} is {role}'s") as refused:
            read_settings()
        assert "secret" not in str(refused.value)


class TestNonsense:
    @pytest.mark.parametrize("name", sorted(PRODUCTION.keys() - {"DATABASE_URL"}))
    def test_nothing_that_production_needs_may_be_missing(self, environment: pytest.MonkeyPatch, name: str) -> None:
        environment.delenv(name)
        with pytest.raises(ImproperlyConfigured, match=f"^{name} is not set. Set it to"):
            read_settings()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ALLOWED_HOSTS", "*"),
            ("ALLOWED_HOSTS", "casino.example,*"),
            ("ALLOWED_HOSTS", "casino.example,"),
            ("DATABASE_ISOLATION", "read uncommitted"),
            ("DATABASE_POOL_SIZE", "many"),
            ("DATABASE_POOL_SIZE", "-1"),
            ("DATABASE_POOL_SIZE", "٣"),
            ("DATABASE_STATEMENT_SECONDS", "3601"),
            ("DATABASE_URL", "sqlite:///casino.db"),
            ("DATABASE_URL", "mysql://casino@db.example/casino"),
            ("DATABASE_URL", "postgres://"),
            ("DATABASE_URL", "postgres://casino@db.example/"),
            ("DATABASE_URL", "postgres://casino@db.example:port/casino"),
            ("DATABASE_URL", "postgres://casino@db.example:0/casino"),
            ("DATABASE_URL", "postgres://casino@a.example:5432,b.example:65536/casino"),
            ("DATABASE_URL", "postgres://casino@/casino?host=a,b,c&port=5432,5433"),
            ("DATABASE_URL", "postgres://casino@db.example/casino?sslmod=require"),
            ("DATABASE_URL", "host=db.example dbname=casino"),
            ("CASHBACK_PERIOD", "year"),
            ("CHECK_REPORTS_AT", "3:30"),
            ("CHECK_REPORTS_AT", "24:00"),
            ("CHECK_REPORTS_AT", "03:60"),
            ("CHECK_REPORTS_AT", "٠٣:٣٠"),
            ("DEBUG", "perhaps"),
            ("DEMO", "2"),
            ("EXPIRE_BONUSES_EVERY", "0"),
            ("EXPIRE_BONUSES_EVERY", "never"),
            ("LOG_LEVEL", "LOUD"),
            ("PLAIN_HTTP", "y"),
            ("REDIS_URL", "http://redis.example/0"),
            ("REDIS_URL", "redis://redis.example:70000/0"),
            ("METRICS_TOKEN", "short"),
            ("SECRET_KEY", "short"),
            ("SECRET_KEY", "ab" * 40),
            ("CRM_PLAYER_URL", "https://crm.example/players/"),
            ("CRM_PLAYER_URL", "javascript:alert('{player}')"),
            ("TRUSTED_PROXIES", "10.0.0.1,proxy.example"),
            ("VERIFIED_BEFORE", "withdrawals"),
            ("VERIFIED_BEFORE", "withdrawal,play"),
            ("TRUSTED_PROXIES", "*"),
            ("WEB_WORKERS", "0"),
            ("WEB_WORKERS", "2.5"),
            ("WEB_WORKERS", "1" * 5000),
        ],
    )
    def test_is_refused_with_its_name_and_a_cure(self, environment: pytest.MonkeyPatch, name: str, value: str) -> None:
        environment.setenv(name, value)
        with pytest.raises(ImproperlyConfigured, match=f"{name} .*Set it to"):
            read_settings()

    def test_no_refusal_shows_a_password(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("DATABASE_URL", "mysql://casino:hush@db.example/casino")
        with pytest.raises(ImproperlyConfigured) as refused:
            read_settings()
        assert "hush" not in str(refused.value)


def test_every_variable_is_explained_and_no_other() -> None:
    table = (PROJECT / "docs" / "configuration.md").read_text()
    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == sorted(OURS)


class TestProduction:
    def test_is_the_default(self, environment: pytest.MonkeyPatch) -> None:
        found = read_settings()
        assert found["DEBUG"] is found["DEMO"] is False
        assert found["SECURE_SSL_REDIRECT"] is found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
        assert found["SECURE_HSTS_SECONDS"] > 0
        assert found["TRUSTED_PROXIES"] == []
        assert found["ALLOWED_HOSTS"] == ["casino.example"]

    def test_plain_http_is_asked_for_by_name(self, environment: pytest.MonkeyPatch) -> None:
        environment.setenv("PLAIN_HTTP", "on")
        found = read_settings()
        assert found["SECURE_SSL_REDIRECT"] is found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is False
        assert found["SECURE_HSTS_SECONDS"] == 0

    def test_passes_djangos_own_deployment_check(self) -> None:
        rest = {name: value for name, value in os.environ.items() if name not in OURS}
        done = subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            cwd=PROJECT,
            env=rest | PRODUCTION,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr

    def test_each_demo_secret_that_nobody_told_is_made_up_anew(self, environment: pytest.MonkeyPatch) -> None:
        for name in PRODUCTION:
            environment.delenv(name)
        first, second = read_settings(), read_settings()
        assert first["SECRET_KEY"] != second["SECRET_KEY"]
        assert first["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost"]
        assert first["DEMO"] is False


@pytest.fixture
def pooled(books: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseDatabaseWrapper]:
    """A connection as web processes have it, on the test's database."""
    monkeypatch.setenv("DATABASE_POOL_SIZE", "2")
    monkeypatch.setenv("DATABASE_ISOLATION", "serializable")
    database = read_settings()["DATABASES"][DEFAULT_DB_ALIAS] | {"NAME": connection.settings_dict["NAME"]}
    handler = ConnectionHandler({DEFAULT_DB_ALIAS: database})
    wrapper = handler[DEFAULT_DB_ALIAS]
    yield wrapper
    wrapper.close()
    wrapper.close_pool()


def shown(wrapper: BaseDatabaseWrapper, name: str) -> str:
    with wrapper.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        value: str = cursor.fetchone()[0]
        return value


@pytest.mark.parametrize(
    ("url", "told", "options"),
    [
        ("postgres://casino:p%40ss@db.example:5433/casino", ("db.example", "5433", "p@ss"), {}),
        ("postgresql://casino@db.example/casino?sslmode=require", ("db.example", "", ""), {"sslmode": "require"}),
        (
            "postgres://casino:$x@a.example:5432,b.example:5433,[::1]:5434/casino",
            ("a.example,b.example,::1", "5432,5433,5434", "$x"),
            {"target_session_attrs": "read-write"},
        ),
        (
            "postgres://casino@a.example,b.example/casino?target_session_attrs=any",
            ("a.example,b.example", ",", ""),
            {"target_session_attrs": "any"},
        ),
        (
            "postgres://casino@/casino?host=a.example,b.example&port=5433",
            ("a.example,b.example", "5433", ""),
            {"target_session_attrs": "read-write"},
        ),
    ],
)
def test_the_address_of_postgresql_is_read_as_libpq_reads_it(
    environment: pytest.MonkeyPatch, url: str, told: tuple[str, str, str], options: dict[str, str]
) -> None:
    environment.setenv("DATABASE_URL", url)
    database = read_settings()["DATABASES"][DEFAULT_DB_ALIAS]
    assert (database["HOST"], database["PORT"], database["PASSWORD"]) == told
    assert (database["NAME"], database["USER"]) == ("casino", "casino")
    ours = {"pool", "isolation_level", "application_name", "connect_timeout", "tcp_user_timeout", "options"}
    assert {k: v for k, v in database["OPTIONS"].items() if k not in ours and not k.startswith("keepalives")} == options


class TestPostgreSQL:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("statement_timeout", "3s"),
            ("lock_timeout", "2s"),
            ("idle_in_transaction_session_timeout", "10s"),
            ("application_name", "casino-pam"),
            ("timezone", "UTC"),
        ],
    )
    def test_is_told_every_bound(self, books: None, pooled: BaseDatabaseWrapper, name: str, value: str) -> None:
        # What comes from the pool is the same as what comes without one.
        assert shown(connection, name) == shown(pooled, name) == value

    def test_the_client_gives_up_on_a_server_that_is_silent(self, books: None) -> None:
        connection.ensure_connection()
        parameters = connection.connection.info.get_parameters()
        assert parameters["connect_timeout"] == "2"
        assert parameters["tcp_user_timeout"] == "5000"
        assert (parameters["keepalives_idle"], parameters["keepalives_count"]) == ("10", "3")

    def test_transactions_are_as_isolated_as_told(self, books: None, pooled: BaseDatabaseWrapper) -> None:
        for wrapper, level in ((connection, settings.DATABASE_ISOLATION), (pooled, "serializable")):
            wrapper.set_autocommit(False)
            assert shown(wrapper, "transaction_isolation") == level
            wrapper.rollback()
            wrapper.set_autocommit(True)

    def test_a_connection_that_died_in_the_pool_reaches_no_view(self, books: None, pooled: BaseDatabaseWrapper) -> None:
        with pooled.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            died = cursor.fetchone()[0]
        pooled.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [died])
            assert cursor.fetchone() == (True,)
        assert shown(pooled, "application_name") == "casino-pam"

    def test_tests_have_no_pool(self) -> None:
        assert settings.DATABASES["default"]["OPTIONS"]["pool"] == 0
