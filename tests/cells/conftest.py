"""Which tests of cells run: those on Citus where there is one."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without a Citus at hand its tests are none of this run's; nothing is skipped for it."""
    elsewhere = [item for item in items if item.get_closest_marker("citus") and "CITUS_DATABASE_URL" not in os.environ]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]
