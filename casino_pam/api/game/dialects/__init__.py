"""The dialects of the game door, by the name that a provider and its paths have for them.

``Provider.Dialect`` is the table: each line of it has a file of its name here (docs/dialects.md).
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from casino_pam.api.game.dialects.dialect import Dialect
from wallet.models import Provider

DIALECTS: Final[dict[str, Dialect]] = {
    name: import_module(f"{__name__}.{name}").DIALECT for name in Provider.Dialect.values
}
