"""One connection as the money path uses it: statements prepared once, sent and answered whole.

The same work through psycopg's cursors costs two and a half times the CPU (docs/decisions/0016):
for a batch of a few bets that would be more than deciding them. So libpq is called directly; it
waits without holding the interpreter, and psycopg still loads the rows and names the errors.
"""

from __future__ import annotations

import itertools
import re
import select
from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import Connection, OperationalError, errors, pq
from psycopg.adapt import Transformer

Record = tuple[Any, ...]

_DONE: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class Answer:
    """What a statement that was put to the server will answer."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.result: pq.abc.PGresult | None = None

    def rows(self) -> list[Record]:
        """The rows it answers."""
        return self._session.loaded(self._arrived())

    def written(self) -> int:
        """How many rows it wrote."""
        return self._arrived().command_tuples or 0

    def _arrived(self) -> pq.abc.PGresult:
        if self.result is None:
            self._session.send()
        assert self.result is not None
        return self.result


class Session:
    """Belongs to one connection and, while it is used, to one thread.

    Statements wait until the answer of one is looked at; then all that wait travel together and
    are carried out in order, so that a posting takes few journeys. If one fails, those after it
    are not carried out. Whatever sends raises what psycopg's cursors raise for the same fault.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._pgconn = connection.pgconn
        self._readable = select.poll()
        self._readable.register(connection.pgconn.socket, select.POLLIN)
        # Not of this connection: a session must not keep alive what it hangs on.
        self._loader = Transformer()
        self._names: dict[str, bytes] = {}
        self._waiting: list[tuple[Answer, bytes, list[bytes]]] = []
        # Whether its settings were made for the teller alone.
        self.dedicated = False

    def command(self, text: str) -> None:
        """Send commands that take no values and answer no rows, such as COMMIT; what still waits goes first."""
        self.send()
        self._checked(self._pgconn.exec_, text.encode())

    def put(self, statement: str, values: Sequence[str] = ()) -> Answer:
        """Let a statement wait to be sent; ``values`` stand for its ``%s`` in order, as text."""
        name, answer = self._prepared(statement), Answer(self)
        self._waiting.append((answer, name, [value.encode() for value in values]))
        return answer

    def rows(self, statement: str, values: Sequence[str]) -> list[Record]:
        """The rows that a statement answers."""
        return self.put(statement, values).rows()

    def send(self) -> None:
        """Send all that waits, in one journey, and take in the answers."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            ((answer, name, values),) = waiting
            answer.result = self._checked(self._pgconn.exec_prepared, name, values)
        elif waiting:
            self._send_together(waiting)

    def forget(self) -> None:
        """Drop what waits: the transaction it belonged to is over."""
        self._waiting.clear()

    def loaded(self, result: pq.abc.PGresult) -> list[Record]:
        """The rows of a result as Python's own types."""
        self._loader.set_pgresult(result)
        return self._loader.load_rows(0, result.ntuples, tuple)

    def _send_together(self, waiting: list[tuple[Answer, bytes, list[bytes]]]) -> None:
        pgconn = self._pgconn
        pgconn.enter_pipeline_mode()
        for _, name, values in waiting:
            pgconn.send_query_prepared(name, values)
        pgconn.pipeline_sync()
        pgconn.flush()
        results = [self._next() for _ in waiting]
        self._next()
        pgconn.exit_pipeline_mode()
        for (answer, _, _), result in zip(waiting, results, strict=True):
            self._check(result)
            answer.result = result

    def _next(self) -> pq.abc.PGresult:
        """The next result; the interpreter is free for other threads while it has not come."""
        pgconn = self._pgconn
        while True:
            while pgconn.is_busy():
                self._readable.poll()
                pgconn.consume_input()
            result = pgconn.get_result()
            # Between two results libpq says once that one is complete.
            if result is not None:
                return result
            if pgconn.status != pq.ConnStatus.OK:
                raise OperationalError(pgconn.get_error_message())

    def _prepared(self, statement: str) -> bytes:
        name = self._names.get(statement)
        if name is None:
            self.send()
            name = b"casino_%d" % len(self._names)
            self._checked(self._pgconn.prepare, name, numbered(statement).encode())
            self._names[statement] = name
        return name

    def _checked(self, call: Any, *arguments: Any) -> pq.abc.PGresult:
        try:
            result: pq.abc.PGresult = call(*arguments)
        except MemoryError:
            # How psycopg puts it that libpq has no connection to send this on.
            raise OperationalError(self._pgconn.get_error_message()) from None
        self._check(result)
        return result

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in _DONE:
            return
        if result.error_field(pq.DiagnosticField.SQLSTATE) is None:
            raise OperationalError(self._pgconn.get_error_message())
        raise errors.error_from_result(result)


_sessions: WeakKeyDictionary[Connection[Any], Session] = WeakKeyDictionary()


def session_of(connection: Connection[Any]) -> Session:
    """The session of a connection, with all that was prepared on it before."""
    found = _sessions.get(connection)
    if found is None:
        found = _sessions[connection] = Session(connection)
    return found


def numbered(statement: str) -> str:
    """The statement with its ``%s`` as PostgreSQL numbers them."""
    places = itertools.count(1)
    return re.sub("%s", lambda _: f"${next(places)}", statement)
