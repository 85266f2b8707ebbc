"""A cell: a brand or a market that shares servers with others, and nothing else (docs/cells.md)."""

from __future__ import annotations

import re
from typing import Final

from django.conf import settings

SHAPE: Final = "a name of up to 30 small letters, digits and underscores that begins with a letter"
_shape = re.compile(r"[a-z][a-z0-9_]{0,29}").fullmatch
# What the schemas and roles of cells begin with, and those of nobody else.
OURS: Final = "cell_"


def is_name(text: str) -> bool:
    """Whether a cell may be called so."""
    return _shape(text) is not None


def schema(cell: str) -> str:
    """The schema that holds all of the cell's; its role, which reaches nothing else, is called the same."""
    return f"{OURS}{cell}"


def in_redis(name: str) -> str:
    """The name of a key or a channel: Redis divides neither by database nor by role, so a cell's begin with its own."""
    return f"{settings.CELL}:{name}" if settings.CELL else name
