"""One settings file. Everything that differs between machines is an environment variable (docs/configuration.md).

Nonsense stops the boot with a line that says what to do. The defaults are those of production.
"""

import ipaddress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from psycopg import IsolationLevel, ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from casino_pam import cell, logging
from casino_pam.backoffice import site

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

if "DATABASE_URL" not in env.ENVIRON:
    # `make run` leaves its addresses and secrets here, so that manage.py in another terminal finds them.
    env.read_env(BASE_DIR / ".data" / "env")
# Nobody said where the database is, and `make run` has not run here: only commands that need no server can work.
UNTOLD = "DATABASE_URL" not in env.ENVIRON


def as_it_is(name: str, *, default: str) -> str:
    """A text nobody interprets: to django-environ a leading $ would be the name of another variable."""
    value: str = env.ENVIRON.get(name, default)
    return value


def needed(name: str, *, untold: str, what: str) -> str:
    """An environment variable that has no safe default. Raises ImproperlyConfigured."""
    value = as_it_is(name, default=untold if UNTOLD else "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {what}")
    return value


def strong(name: str, value: str, *, shortest: int = 50) -> str:
    """The value, if it cannot be guessed. Raises ImproperlyConfigured, without the value."""
    if len(value) < shortest or len(set(value)) < 8 or value.startswith("django-insecure-"):
        raise ImproperlyConfigured(f"{name} can be guessed. Set it to {shortest} random characters or more.")
    return value


def earlier(name: str, text: str) -> list[str]:
    """Keys of before, the newest first; they may be weak. Raises ImproperlyConfigured where one is empty."""
    keys = [key.strip() for key in text.split(",")] if text else []
    if "" in keys:
        raise ImproperlyConfigured(f"{name} holds an empty key. Set it to keys of before, with commas between.")
    return keys


def switch(name: str, *, default: bool) -> bool:
    """on or off. Raises ImproperlyConfigured on anything else."""
    text = env.str(name, default="on" if default else "off").lower()
    if text in ("on", "true", "yes", "1"):
        return True
    if text in ("off", "false", "no", "0"):
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}. Set it to on or off.")


def whole(name: str, *, default: int, lowest: int, highest: int) -> int:
    """A whole number within bounds. Raises ImproperlyConfigured on anything else."""
    text = env.str(name, default=str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and lowest <= int(text) <= highest):
        raise ImproperlyConfigured(f"{name} is {text!r}. Set it to a whole number from {lowest} to {highest}.")
    return int(text)


def interval(name: str, *, default: int) -> int:
    """How many seconds from one run of a job to the next; 0 where it is off. Raises ImproperlyConfigured."""
    if env.str(name, default="").lower() == "off":
        return 0
    return whole(name, default=default, lowest=1, highest=86_400)


def time_of_day(name: str, *, default: str) -> int | None:
    """When a daily job runs, in seconds after midnight (UTC); None where it is off. Raises ImproperlyConfigured."""
    text = env.str(name, default=default).lower()
    if text == "off":
        return None
    hours, _, minutes = text.partition(":")
    if not (len(text) == 5 and f"{hours}{minutes}".isascii() and f"{hours}{minutes}".isdigit()):
        hours = "24"
    if int(hours) > 23 or int(minutes) > 59:
        raise ImproperlyConfigured(f"{name} is {text!r}. Set it to a time such as 03:30 (UTC), or off.")
    return (int(hours) * 60 + int(minutes)) * 60


def address(name: str, *, untold: str, schemes: tuple[str, ...], example: str) -> str:
    """The URL of a server. Raises ImproperlyConfigured, without the URL: it may hold a password."""
    url = needed(name, untold=untold, what=f"Set it to {example}, or start everything with `make run`.")
    parts = urlsplit(url)
    try:
        sound = parts.scheme in schemes and parts.port != 0 and len(parts.path) > 1
    except ValueError:
        sound = False
    if not sound:
        raise ImproperlyConfigured(f"{name} is not the address of such a server. Set it to {example}.")
    return url


def database(name: str, *, of_several: str = "read-write") -> dict[str, Any]:
    """Django's settings for the PostgreSQL whose URL is read as libpq reads it: of several hosts the one that writes.

    Raises ImproperlyConfigured, without the URL: it may hold a password.
    """
    example = "postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    untold = "postgres://casino@127.0.0.1:5433/casino"
    url = needed(name, untold=untold, what=f"Set it to {example}, or start everything with `make run`.")
    try:
        told = {part: str(value) for part, value in conninfo_to_dict(url).items()}
    except ProgrammingError:
        told = {}
    hosts, ports = told.get("host", "").split(","), told.get("port", "").split(",")
    sound = url.startswith(("postgres://", "postgresql://")) and "dbname" in told and len(ports) in (1, len(hosts))
    if not sound or not all(
        port == "" or (port.isascii() and port.isdigit() and 0 < int(port) < 65_536) for port in ports
    ):
        raise ImproperlyConfigured(f"{name} is not the address of such a server. Set it to {example}.")
    role = told.get("user", "")
    if CELL and role != cell.schema(CELL):
        raise ImproperlyConfigured(f"{name} is {role}'s, and CELL is {CELL!r}. Set it to {cell.schema(CELL)}'s.")
    if not CELL and role.startswith(cell.OURS):
        raise ImproperlyConfigured(f"{name} is {role}'s, a cell's. Set CELL to its name.")
    if len(hosts) > 1:
        told.setdefault("target_session_attrs", of_several)
    parts = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    return {part: told.pop(known, "") for part, known in parts.items()} | {"OPTIONS": told}


# --- Which house this is ----------------------------------------------------------------------------------------------

# A brand or a market with a schema, a role and names in Redis of its own (docs/cells.md); empty is a house by itself.
CELL = as_it_is("CELL", default="")
if CELL and not cell.is_name(CELL):
    raise ImproperlyConfigured(f"CELL is {CELL!r}. Set it to {cell.SHAPE}.")

# --- Who may come in, and how -----------------------------------------------------------------------------------------

DEBUG = switch("DEBUG", default=False)
# For a machine without TLS before it: no redirect to https, and cookies that travel over http.
PLAIN_HTTP = switch("PLAIN_HTTP", default=UNTOLD)
# Demo players, operators and keys with known passwords may be made and printed.
DEMO = switch("DEMO", default=False)

SECRET_KEY = strong(
    "SECRET_KEY", needed("SECRET_KEY", untold=get_random_secret_key(), what="Set it to 50 random characters or more.")
)
# What was signed with these is still believed: nobody is logged out by a new key.
SECRET_KEY_FALLBACKS = earlier("SECRET_KEY_FALLBACKS", as_it_is("SECRET_KEY_FALLBACKS", default=""))
# Encrypts what must be readable again (providers' secrets); its own variable, so that SECRET_KEY can be rotated alone.
SECRETS_KEY = strong("SECRETS_KEY", as_it_is("SECRETS_KEY", default=SECRET_KEY), shortest=32)
# What was encrypted with these is still read; `manage.py encrypt_secrets` encrypts it anew.
SECRETS_KEY_FALLBACKS = earlier("SECRETS_KEY_FALLBACKS", as_it_is("SECRETS_KEY_FALLBACKS", default=""))
if "SECRETS_KEY" not in env.ENVIRON:
    SECRETS_KEY_FALLBACKS += SECRET_KEY_FALLBACKS
if CELL:
    # Even if several cells were given the same key, what one of them signs must not be believed by the others.
    SECRET_KEY, *SECRET_KEY_FALLBACKS = (f"{CELL}:{key}" for key in (SECRET_KEY, *SECRET_KEY_FALLBACKS))

# Who may read /metrics: whoever sends it as a bearer token. Empty is nobody, but for a machine that is being debugged.
METRICS_TOKEN = as_it_is("METRICS_TOKEN", default="")
if METRICS_TOKEN:
    strong("METRICS_TOKEN", METRICS_TOKEN, shortest=32)

ALLOWED_HOSTS = [
    host.strip()
    for host in needed(
        "ALLOWED_HOSTS", untold="127.0.0.1,localhost", what="Set it to the host names we serve, with commas between."
    ).split(",")
]
if "*" in ALLOWED_HOSTS or "" in ALLOWED_HOSTS:
    # "*" would also switch off the check of a WebSocket's Origin.
    raise ImproperlyConfigured("ALLOWED_HOSTS holds '*' or an empty name. Set it to the exact host names we serve.")

# Whose X-Forwarded-For and X-Forwarded-Proto we believe: addresses or networks, with commas between.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
for proxy in TRUSTED_PROXIES:
    try:
        ipaddress.ip_network(proxy)
    except ValueError:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES holds {proxy!r}. Set it to IP addresses or networks.") from None

SECURE_SSL_REDIRECT = not PLAIN_HTTP
# Probes come from inside, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 0 if PLAIN_HTTP else 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not PLAIN_HTTP
if CELL:
    # A browser sends a cookie to every port of a host, and two cells may share one.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"sessionid_{CELL}", f"csrftoken_{CELL}"
    MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_ENGINE = "casino_pam.operator_sessions"
# An operator's log-in lapses when nobody used it for so long.
OPERATOR_IDLE_MINUTES = whole("OPERATOR_IDLE_MINUTES", default=30, lowest=1, highest=720)
# Who needs a second factor: everybody, or superuser and names of roles, with commas between. The others may have one.
SECOND_FACTOR_FOR = [name.strip() for name in env.list("SECOND_FACTOR_FOR", default=[])]
if "" in SECOND_FACTOR_FOR:
    raise ImproperlyConfigured("SECOND_FACTOR_FOR holds an empty name. Set it to everybody, or names of roles.")
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "casino_pam.pages.form_refused"

# The only log-in there is for a browser.
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
LOGOUT_REDIRECT_URL = "admin:login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# How long a one-time link to a new password is good, in seconds.
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60
# Counted in PostgreSQL: a Redis that is away must not open the door. By name and address together, so that nobody
# can lock an operator out from elsewhere.
AXES_HANDLER = "axes.handlers.database.AxesDatabaseHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
# What was tried is kept without them.
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code"]
# Its pages could delete what they show; the audit trail tells of failed log-ins and lock-outs.
AXES_ENABLE_ADMIN = False
AXES_FAILURE_LIMIT = 5
AXES_LOCKOUT_TEMPLATE = "backoffice/locked_out.html"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_IPWARE_META_PRECEDENCE_ORDER = ["REMOTE_ADDR"]

# --- What is installed ------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    # The first: its changepassword and createsuperuser, which leave a trail, come before Django's own.
    "casino_pam",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "axes",
    "django_structlog",
    "django_prometheus",
    "pgtrigger",
    "wallet",
    "bonus",
    "casino_pam.local",
]

MIDDLEWARE = [
    "casino_pam.server.admission.in_time",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "casino_pam.logging.LoggedRequests",
    "django.middleware.security.SecurityMiddleware",
    "casino_pam.compression.CompressedPages",
    "casino_pam.backoffice.site.storable_addresses",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "casino_pam.backoffice.permissions.good_sessions",
    "casino_pam.backoffice.permissions.acting_operator",
    "axes.middleware.AxesMiddleware",
    "casino_pam.backoffice.permissions.audited_refusals",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "casino_pam.urls"
ASGI_APPLICATION = "casino_pam.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

UNFOLD = site.UNFOLD

# A view that says nothing is closed to everybody; casino_pam/api/rest/rest_view.py is what its views share.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "casino_pam.api.rest.authentication.ApiKeyAuthentication",
        "casino_pam.api.rest.authentication.PlayerTokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["casino_pam.api.rest.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["casino_pam.api.rest.throttling.ApiKeyThrottle"],
    "DEFAULT_PARSER_CLASSES": ["casino_pam.api.rest.parsers.StrictJson"],
    "DEFAULT_RENDERER_CLASSES": ["casino_pam.api.rest.parsers.PlainJson"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "casino_pam.api.rest.parsers.OneType",
    "DEFAULT_SCHEMA_CLASS": "casino_pam.api.rest.schema.PamSchema",
    "EXCEPTION_HANDLER": "casino_pam.api.rest.exceptions.handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Casino PAM",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/(v1|game)/",
    "PATH_CONVERTER_OVERRIDES": {"name": str},
    "POSTPROCESSING_HOOKS": ["casino_pam.api.rest.schema.complete", "casino_pam.api.game.openapi.with_game_door"],
}

# --- bonuses ----------------------------------------------------------------------------------------------------------

# A stake whose round never ended and never paid counts as settled at this age; 0 waits for nothing.
UNSETTLED_STAKE_HOURS = whole("UNSETTLED_STAKE_HOURS", default=24, lowest=0, highest=8760)

# --- verification -----------------------------------------------------------------------------------------------------

# Before what every player must be verified, with commas between; what a country asks is in wallet/jurisdictions.py.
VERIFIED_BEFORE = {f"verified_{word.strip()}" for word in env.list("VERIFIED_BEFORE", default=[])}
if VERIFIED_BEFORE - {"verified_withdrawal", "verified_conversion"}:
    raise ImproperlyConfigured(
        f"VERIFIED_BEFORE is {env.str('VERIFIED_BEFORE')!r}. Set it to withdrawal, conversion, or both with a comma."
    )

# --- sessions of games ------------------------------------------------------------------------------------------------

# How long a session lives that a player opens with a provider; an ended one stops bets.
SESSION_HOURS = whole("SESSION_HOURS", default=24, lowest=1, highest=720)

# --- jobs by the clock ------------------------------------------------------------------------------------------------

# `manage.py run_jobs` runs them (casino_pam/timetable.py).
EXPIRE_BONUSES_EVERY = interval("EXPIRE_BONUSES_EVERY", default=60)
POST_APPROVED_EVERY = interval("POST_APPROVED_EVERY", default=60)
REFRESH_REPORTS_EVERY = interval("REFRESH_REPORTS_EVERY", default=60)
RECONCILE_EVERY = interval("RECONCILE_EVERY", default=3_600)
REMIND_APPROVALS_EVERY = interval("REMIND_APPROVALS_EVERY", default=3_600)
RECONCILE_FULL_AT = time_of_day("RECONCILE_FULL_AT", default="03:00")
CHECK_REPORTS_AT = time_of_day("CHECK_REPORTS_AT", default="03:30")
OPEN_ROUNDS_AT = time_of_day("OPEN_ROUNDS_AT", default="04:00")
# Off: a house that runs `manage.py grant_cashback` by hand must not find its players' losses paid on twice.
GRANT_CASHBACK_AT = time_of_day("GRANT_CASHBACK_AT", default="off")
CASHBACK_PERIOD = env.str("CASHBACK_PERIOD", default="week").lower()
if CASHBACK_PERIOD not in ("day", "week", "month"):
    raise ImproperlyConfigured(f"CASHBACK_PERIOD is {CASHBACK_PERIOD!r}. Set it to day, week or month.")
# A request for a second person that is older is worth a reminder.
APPROVAL_REMINDER_HOURS = whole("APPROVAL_REMINDER_HOURS", default=4, lowest=1, highest=720)

# --- events for back ends ---------------------------------------------------------------------------------------------

# An event that was not delivered in so many hours is given up.
EVENT_GIVE_UP_HOURS = whole("EVENT_GIVE_UP_HOURS", default=72, lowest=1, highest=720)
# So long it can be sent again; longer than a month, so that a limit of a month is told of once.
EVENT_KEPT_DAYS = whole("EVENT_KEPT_DAYS", default=35, lowest=32, highest=366)

# --- the back office --------------------------------------------------------------------------------------------------

# Where the casino's own system shows a player, {player} being the player's code; empty is nowhere.
CRM_PLAYER_URL = as_it_is("CRM_PLAYER_URL", default="")
if CRM_PLAYER_URL and not (CRM_PLAYER_URL.startswith(("https://", "http://")) and "{player}" in CRM_PLAYER_URL):
    raise ImproperlyConfigured(
        "CRM_PLAYER_URL is no link to a player. Set it to such as https://crm.example.com/players/{player}."
    )

# The largest file of a provider that is taken by upload; a million lines are about 110 MiB.
PROVIDER_FILE_MB = whole("PROVIDER_FILE_MB", default=256, lowest=1, highest=4096)

# --- PostgreSQL: the only truth ---------------------------------------------------------------------------------------

ISOLATION_LEVELS = {
    "read committed": IsolationLevel.READ_COMMITTED,
    "repeatable read": IsolationLevel.REPEATABLE_READ,
    "serializable": IsolationLevel.SERIALIZABLE,
}
DATABASE_ISOLATION = env.str("DATABASE_ISOLATION", default="read committed").lower()
if DATABASE_ISOLATION not in ISOLATION_LEVELS:
    raise ImproperlyConfigured(
        f"DATABASE_ISOLATION is {DATABASE_ISOLATION!r}. Set it to one of: {', '.join(ISOLATION_LEVELS)}."
    )
# Requests a web process serves at once, each with a connection; the others queue. 0 keeps no connections.
DATABASE_POOL_SIZE = whole("DATABASE_POOL_SIZE", default=16, lowest=0, highest=500)
VIEWS_AT_ONCE = DATABASE_POOL_SIZE or 16
# Beside the views': the sockets' reader, the copy of the providers, probes. The queue's workers have their own.
OWN_CONNECTIONS = 4
# Answers are bounded at 3 s. manage.py asks for no bound: a migration or a reconciliation takes what it takes.
DATABASE_STATEMENT_SECONDS = whole("DATABASE_STATEMENT_SECONDS", default=3, lowest=0, highest=3600)

# PgBouncer in transaction mode answers at DATABASE_URL: nothing lasts longer than a transaction there.
DATABASE_PGBOUNCER = switch("DATABASE_PGBOUNCER", default=False)
# Where all tables are: of a cell in its own schema; elsewhere PostgreSQL's own search path finds them.
DATABASE_SCHEMA = cell.schema(CELL) if CELL else ""
# What PostgreSQL itself bounds: for each connection, or for the role behind PgBouncer (`limit_role`).
DATABASE_LIMITS = {
    "statement_timeout": f"{DATABASE_STATEMENT_SECONDS}s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
}


def connected(found: dict[str, Any], **options: Any) -> dict[str, Any]:
    """One of Django's DATABASES: where it is, as ``database`` found it, and how we connect there."""
    common = {
        "pool": DATABASE_POOL_SIZE and DATABASE_POOL_SIZE + OWN_CONNECTIONS,
        "isolation_level": ISOLATION_LEVELS[DATABASE_ISOLATION],
        "application_name": "casino-pam",
        "connect_timeout": 2,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 5000,
    }
    return found | {
        "ENGINE": "wallet.pg",
        # Under ASGI a persistent connection leaks with every thread; a pool lends them instead.
        "CONN_MAX_AGE": 0,
        "DISABLE_SERVER_SIDE_CURSORS": DATABASE_PGBOUNCER,
        "OPTIONS": found["OPTIONS"] | common | options,
    }


# The role has it too (`manage.py cell create`), for PgBouncer, which refuses what a connection asks for at its start.
_path = [f"-c search_path={DATABASE_SCHEMA}"] if CELL else []
_limits = {"options": " ".join([*(f"-c {name}={value}" for name, value in DATABASE_LIMITS.items()), *_path])}
DATABASES = {"default": connected(database("DATABASE_URL"), **({} if DATABASE_PGBOUNCER else _limits))}
# Where a session may be kept: reports and providers' files keep one for as long as they are read, and no places of
# the pool. `manage.py` does everything there.
SESSION_DATABASE = "direct" if DATABASE_PGBOUNCER else "default"
if DATABASE_PGBOUNCER:
    DATABASES[SESSION_DATABASE] = connected(database("DATABASE_DIRECT_URL"), pool=0, **_limits)
# Where reports are read: a standby, say.
REPORTS_DATABASE = "reports" if "REPORTS_DATABASE_URL" in env.ENVIRON else SESSION_DATABASE
if REPORTS_DATABASE == "reports":
    _elsewhere = {"options": _path[0]} if CELL else {}
    DATABASES[REPORTS_DATABASE] = connected(
        database("REPORTS_DATABASE_URL", of_several="prefer-standby"), pool=0, **_elsewhere
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: for what may be lost --------------------------------------------------------------------------------------

REDIS_URL = address(
    "REDIS_URL",
    untold="redis://127.0.0.1:6380/0",
    schemes=("redis", "rediss"),
    example="redis://:PASSWORD@HOST:PORT/0",
)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": CELL,
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.2, "SOCKET_TIMEOUT": 0.2},
    }
}
# A cache that is away reads as empty. `add` and `incr` then answer None, which is neither yes nor no.
DJANGO_REDIS_IGNORE_EXCEPTIONS = True
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
CHANNEL_LAYERS = {
    "default": {
        # The layer that finds back to a Redis that lost everything; what was sent meanwhile is lost, and may be.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 1, "socket_timeout": 1}],
            "prefix": f"{CELL}:asgi" if CELL else "asgi",
        },
    }
}

# --- Files, logs, words and time --------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / ".static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "casino_pam.compression.CompressedFiles"},
}

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
    raise ImproperlyConfigured(f"LOG_LEVEL is {LOG_LEVEL!r}. Set it to DEBUG, INFO, WARNING or ERROR.")
LOGGING = logging.configured(LOG_LEVEL, CELL)
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = 10
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = 20
# What is our fault is logged as an error where it happens; a 503 is none.
DJANGO_STRUCTLOG_STATUS_5XX_LOG_LEVEL = 20
# It would believe any X-Forwarded-For; casino_pam.logging binds the address that the server layer vouches for.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False

# Where people reach us from outside; what the demo prints begins with it.
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8080").rstrip("/")

WEB_WORKERS = whole("WEB_WORKERS", default=2, lowest=1, highest=64)

LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "casino_pam.formats"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True
