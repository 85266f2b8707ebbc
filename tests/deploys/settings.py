"""The settings of that release's `manage.py migrate`."""

from casino_pam.settings import *  # noqa: F403

MIGRATION_MODULES = {"wallet": "tests.deploys.migrations"}
