"""One settings file. Everything that differs between machines is an environment variable (docs/configuration.md).

Nonsense stops the boot with a line that says what to do. The defaults are those of production.
"""

import socket
from pathlib import Path

import environ
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from psycopg import IsolationLevel

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

# --- This machine -----------------------------------------------------------------------------------------------
# Without DATABASE_URL this is `make run`'s own machine: it leaves its addresses and secrets in this file, so that
# `manage.py` in another terminal finds them.
LOCAL = "DATABASE_URL" not in env.ENVIRON
if LOCAL:
    environ.Env.read_env(BASE_DIR / ".data" / "env")


def required(name: str, what: str) -> str:
    """An environment variable that production cannot do without."""
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {what}")
    return value


def whole(name: str, default: int, lowest: int, highest: int) -> int:
    """A whole number within bounds."""
    text = env.str(name, default=str(default))
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise ImproperlyConfigured(f"{name} is {text!r}. Set it to a whole number from {lowest} to {highest}.")
    return int(text)


def switch(name: str, default: bool) -> bool:
    """on or off, true or false, 1 or 0: anything else is a misunderstanding."""
    text = env.str(name, default="on" if default else "off").lower()
    if text not in ("on", "true", "1", "yes", "off", "false", "0", "no"):
        raise ImproperlyConfigured(f"{name} is {text!r}. Set it to on or off.")
    return text in ("on", "true", "1", "yes")


DEBUG = switch("DEBUG", False)
# For machines without TLS in front: no redirect to https, no HSTS, cookies that travel over http.
PLAIN_HTTP = switch("PLAIN_HTTP", LOCAL)

if LOCAL or DEBUG:
    SECRET_KEY = env.str("SECRET_KEY", default=get_random_secret_key())
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
else:
    SECRET_KEY = required("SECRET_KEY", "Set it to at least 50 random characters and keep it secret.")
    ALLOWED_HOSTS = [host for host in required("ALLOWED_HOSTS", "Name the hosts we serve, with commas.").split(",")]

# Encrypts what must be readable again (providers' secrets); its own variable, so that SECRET_KEY can be rotated alone.
SECRETS_KEY = env.str("SECRETS_KEY", default=SECRET_KEY)

INSTALLED_APPS = [
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
    "django_filters",
    "channels",
    "axes",
    "django_structlog",
    "django_prometheus",
    "pgtrigger",
    "wallet",
    "bonus",
    "casino_pam",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
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

# --- PostgreSQL ---------------------------------------------------------------------------------------------------
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
DATABASE_POOL_SIZE = whole("DATABASE_POOL_SIZE", 16, 0, 1000)

DATABASES = {"default": env.db_url("DATABASE_URL", default="postgres://casino@127.0.0.1:5433/casino")}
DATABASES["default"] |= {
    # Under ASGI persistent connections leak one per thread: the pool keeps them instead.
    "CONN_MAX_AGE": 0,
    "OPTIONS": {
        "pool": {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 3} if DATABASE_POOL_SIZE else False,
        "connect_timeout": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        # Every answer is bounded: a statement by 3 s, a lock by 2 s, an idle transaction by 10 s.
        "options": "-c statement_timeout=3000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000",
        "isolation_level": ISOLATION_LEVELS[DATABASE_ISOLATION],
        "application_name": f"casino-pam@{socket.gethostname()}",
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: only what may be lost -----------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6380/0")
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.5, "SOCKET_TIMEOUT": 0.5},
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

# --- People -----------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

# --- Words and time ---------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / ".static"

structlog.configure(wrapper_class=structlog.stdlib.BoundLogger, logger_factory=structlog.stdlib.LoggerFactory())
