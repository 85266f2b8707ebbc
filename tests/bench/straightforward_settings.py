"""The product's settings with one plain endpoint and nothing else in the way."""

from casino_pam.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.straightforward"
MIDDLEWARE: list[str] = []
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [], "UNAUTHENTICATED_USER": None}
