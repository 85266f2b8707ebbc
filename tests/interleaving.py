"""Puts one thing between two others: an interleaving that is chosen beats one that is hoped for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection


def elsewhere(act: Callable[[], Any]) -> Any:
    """What ``act`` returns when another thread does it, on a connection of its own."""
    returned: list[Any] = []

    def acting() -> None:
        try:
            returned.append(act())
        finally:
            connection.close()

    thread = threading.Thread(target=acting)
    thread.start()
    thread.join()
    assert returned, "the other thread raised"
    return returned[0]


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, act: Callable[[], Any], *, times: int = 1
) -> list[Any]:
    """Before each of the next ``times`` calls of ``module.name``, let ``act`` happen elsewhere first.

    Returns the list to which each ``act``'s result is added.
    """
    happened: list[Any] = []
    original = getattr(module, name)
    here = threading.current_thread()

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if threading.current_thread() is here and len(happened) < times:
            happened.append(None)
            happened[-1] = elsewhere(act)
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, wrapped)
    return happened
