"""A small client of the REST door, and the keys and tokens it calls with."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from casino_pam import tokens
from wallet.models import ApiKey, Provider
from wallet.models.provider import SCOPES

BASE = "/api/v1/"


class Reply(msgspec.Struct, frozen=True):
    """``body`` is the JSON, or the text where it is none."""

    status: int
    headers: dict[str, str]
    body: Any

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


async def whole(answer: Any) -> bytes:
    return b"".join([piece async for piece in answer])


class Caller:
    """Calls with one ``Authorization`` header, or with none."""

    def __init__(self, authorization: str | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {} if authorization is None else {"Authorization": authorization}

    def get(self, path: str, **query: Any) -> Reply:
        text = f"?{urlencode(query, doseq=True)}" if query else ""
        return self.call("GET", f"{path}{text}")

    def post(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Reply:
        return self.call("PATCH", path, body, **headers)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """``body`` is sent as it is if it is bytes, else as JSON; None is no body at all."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Content-Type": "application/json", **self._headers, **headers}
        if body is None:
            del named["Content-Type"]
        kind = named.pop("Content-Type", "")
        where = path if path.startswith("/") else BASE + path
        # Django's client would decode the path, which our server layer hands on as it was sent.
        as_sent = {"PATH_INFO": where.partition("?")[0]}
        answer = self._client.generic(method, where, raw, content_type=kind, headers=named, secure=True, **as_sent)
        content = async_to_sync(whole)(answer) if answer.streaming else answer.content
        is_json = "json" in answer.headers.get("Content-Type", "")
        return Reply(answer.status_code, dict(answer.headers), json.loads(content) if is_json else content.decode())


def key(*scopes: str, name: str = "shop", source: str = "cashier", provider: str | None = None) -> Caller:
    """A back end with a key of its own; without scopes it has them all."""
    kept = ApiKey(name=name, scopes=list(scopes or SCOPES), source=source)
    if provider is not None:
        kept.provider = Provider.objects.get(code=provider)
    secret = kept.renew()
    # A moment ago, so that no call of the test is the one in a minute that writes it down.
    kept.last_used_at = timezone.now()
    kept.save()
    return Caller(f"Api-Key {secret}")


def player(code: str) -> Caller:
    """A player with a token."""
    text, _ = tokens.issue(code, time.time())
    return Caller(f"Bearer {text}")


def name(text: str) -> str:
    """A name as it stands in a path."""
    return quote(text, safe="")
