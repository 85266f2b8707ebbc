"""A proxy for Redis: what any link may suffer, and replies that are lost after the command was carried out."""

from __future__ import annotations

from tests.faults.link import Connection, Cut, Proxy


class RedisConnection(Connection):
    """Loses replies: the client waits for one that never comes, or loses its connection."""

    def back(self, data: bytes) -> bytes:
        fault = self.proxy.fault
        if fault is None or fault.kind not in ("reply_lost", "reply_silence") or self.proxy.dice() >= fault.chance:
            return data
        fault.fired += 1
        if fault.kind == "reply_lost":
            raise Cut
        self.muted = True
        return b""


class RedisProxy(Proxy):
    """Between the product and Valkey."""

    connection: type[Connection] = RedisConnection
