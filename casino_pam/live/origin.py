"""Whose pages may open a WebSocket here: browsers guard it by no rule of their own (CORS is not asked)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from django.http.request import split_domain_port

_shape = re.compile(r"(https?)://([^/?#@\s]+)").fullmatch
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def allowed(headers: Iterable[tuple[bytes, bytes]], *, hosts: Collection[str], plain_http: bool) -> bool:
    """Whether a handshake may go on: an Origin must name one of our hosts, exactly, and the port we are asked at.

    A missing Origin is an app, not a browser: there the ticket is the only secret, as it always is.
    """
    headers = list(headers)
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    asked = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if not origins:
        return True
    match = _shape(origins[0]) if len(origins) == 1 and len(asked) == 1 else None
    if match is None or (match[1] == "http" and not plain_http):
        return False
    host, port = split_domain_port(match[2])
    _, own_port = split_domain_port(asked[0])
    default = _DEFAULT_PORTS[match[1]]
    return bool(host) and host in hosts and (port or default) == (own_port or default)
