"""One connection as the money path uses it: statements prepared once, sent and answered whole.

The same work through psycopg's cursors costs two and a half times the CPU (docs/decisions/0016):
for a batch of a few bets that would be more than deciding them. So libpq is told what to send
directly; psycopg's own generators send and receive it, and psycopg loads the rows and names the
errors. Nothing here waits for ever: ``wallet.pg.deadline`` says how long an answer is waited for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Generator, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from psycopg import Connection, OperationalError, errors, generators, pq, waiting
from psycopg.adapt import Transformer

from wallet.pg import deadline
from wallet.pg.connection import Silent

Record = tuple[Any, ...]
Result = pq.abc.PGresult

# What the names of our prepared statements begin with.
STATEMENT_PREFIX: Final = "casino_"
_DONE: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
# How often a wait looks whether somebody pressed Ctrl-C.
_INTERVAL_SECONDS: Final = 0.5


class Answer:
    """What a statement that was put to the server will answer."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.result: Result | None = None

    def rows(self) -> list[Record]:
        """The rows it answers."""
        return self._session.loaded(self._arrived())

    def written(self) -> int:
        """How many rows it wrote."""
        return self._arrived().command_tuples or 0

    def _arrived(self) -> Result:
        if self.result is None:
            self._session.send()
        assert self.result is not None
        return self.result


class Message(msgspec.Struct):
    """One message that waits to be sent: a statement to prepare (``text``), or a prepared one to carry out."""

    name: bytes
    answer: Answer | None
    values: list[bytes]
    text: str = ""

    def hand_over(self, pgconn: pq.abc.PGconn) -> None:
        """Give it to libpq, which sends what its buffer does not hold."""
        if self.answer is None:
            pgconn.send_prepare(self.name, numbered(self.text).encode())
        else:
            pgconn.send_query_prepared(self.name, self.values)


class Session:
    """Belongs to one connection and, while it is used, to one thread.

    Statements wait until the answer of one is looked at; then all that wait travel together and
    are carried out in order, so that a posting takes few journeys. If one fails, those after it
    are not carried out. Whatever sends raises what psycopg's cursors raise for the same fault, or
    ``Silent`` once the deadline has passed: then the connection is closed.
    """

    def __init__(self, connection: Connection[Any]) -> None:
        self._pgconn = connection.pgconn
        # Not of this connection: a session must not keep alive what it hangs on.
        self._loader = Transformer()
        self._names: dict[str, bytes] = {}
        self._numbers = itertools.count()
        self._waiting: list[Message] = []
        # Whether its settings were made for postings alone.
        self.dedicated = False
        # Whether it leads to a coordinator of Citus; None until somebody asked.
        self.is_citus: bool | None = None

    def command(self, text: str) -> None:
        """Send commands that take no values and answer no rows, such as ROLLBACK; what still waits goes first."""
        self.send()
        try:
            self._pgconn.send_query(text.encode())
            results = self._finished(generators.execute(self._pgconn))
        except BaseException:
            self._give_up()
            raise
        for result in results:
            self._check(result)

    def put(self, statement: str, values: Sequence[str] = ()) -> Answer:
        """Let a statement wait to be sent; ``values`` stand for its ``%s`` in order, as text."""
        name = self._names.get(statement)
        if name is None:
            # It is prepared on the same journey; should that fail, ``_settle`` forgets the name again.
            name = self._names[statement] = f"{STATEMENT_PREFIX}{next(self._numbers)}".encode()
            self._waiting.append(Message(name, None, [], statement))
        answer = Answer(self)
        self._waiting.append(Message(name, answer, [value.encode() for value in values]))
        return answer

    def rows(self, statement: str, values: Sequence[str]) -> list[Record]:
        """The rows that a statement answers."""
        return self.put(statement, values).rows()

    def send(self) -> None:
        """Send all that waits, in one journey, and take in the answers."""
        waiting_messages, self._waiting = self._waiting, []
        if not waiting_messages:
            return
        try:
            results = self._finished(self._exchange(waiting_messages))
        except BaseException:
            # What became of them is unknown, and the next answer would be one of theirs.
            self._give_up()
            raise
        self._settle(waiting_messages, results)

    def forget(self) -> None:
        """Drop what waits: the transaction it belonged to is over."""
        self._unprepare(self._waiting)
        self._waiting.clear()

    def loaded(self, result: Result) -> list[Record]:
        """The rows of a result as Python's own types."""
        self._loader.set_pgresult(result)
        return self._loader.load_rows(0, result.ntuples, tuple)

    def _exchange(self, messages: list[Message]) -> Generator[Any, Any, list[Result]]:
        """Send the messages and receive one result for each; runs in psycopg's wait."""
        pgconn = self._pgconn
        if len(messages) == 1:
            messages[0].hand_over(pgconn)
            alone: list[Result] = yield from generators.execute(pgconn)
            return alone
        pgconn.enter_pipeline_mode()
        for message in messages:
            message.hand_over(pgconn)
        pgconn.pipeline_sync()
        # Sends on while the socket takes more, and receives meanwhile: neither side can wait for the other.
        yield from generators.send(pgconn)
        results = []
        for _ in messages:
            results += yield from generators.fetch_many(pgconn)
        yield from generators.fetch_many(pgconn)
        pgconn.exit_pipeline_mode()
        return results

    def _finished(self, exchange: Generator[Any, Any, list[Result]]) -> list[Result]:
        """What psycopg's wait makes of the exchange; no longer than until the deadline."""
        left = deadline.remaining()
        try:
            return waiting.wait(exchange, self._pgconn.socket, interval=_INTERVAL_SECONDS, timeout=left)
        except errors._WaitTimeout:
            raise Silent("PostgreSQL did not answer in time") from None

    def _give_up(self) -> None:
        self._names.clear()
        self._pgconn.finish()

    def _settle(self, messages: list[Message], results: list[Result]) -> None:
        """Give every answer its result. Raises the first fault there was."""
        fault: Result | None = None
        if len(results) != len(messages):
            # A server that ends says so in a result of its own, and libpq may add that it is gone.
            self._give_up()
            fault = next((result for result in results if result.status not in _DONE), None)
            if fault is None or fault.error_field(pq.DiagnosticField.SQLSTATE) is None:
                raise OperationalError("PostgreSQL ended the connection")
            raise errors.error_from_result(fault)
        for message, result in zip(messages, results, strict=True):
            if result.status in _DONE:
                if message.answer is not None:
                    message.answer.result = result
                continue
            if message.answer is None:
                self._names.pop(message.text, None)
            fault = fault or result
        if fault is not None:
            self._check(fault)

    def _unprepare(self, messages: list[Message]) -> None:
        for message in messages:
            if message.answer is None:
                self._names.pop(message.text, None)

    def _check(self, result: Result) -> None:
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
