"""Files for spreadsheets: CSV that streams, opens with its accents right, and in which no cell is a formula."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

from wallet.pg import deadline

# A file that has begun may last; how long each of its pieces may be waited for. The first of a long
# report is the longest.
PIECE_SECONDS: Final = 120.0
CLOSE_SECONDS: Final = 1.0

# Without it Excel takes UTF-8 for the code page of its machine.
BOM: Final = "\ufeff"
# What a spreadsheet may read as the beginning of a formula, the wide forms of East Asian keyboards included.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_number_shape = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


def download(name: str, pieces: Iterator[str]) -> StreamingHttpResponse:
    """The pieces as a file of that name, each sent before the next is made."""
    named = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_sent(_marked(pieces)), content_type="text/csv; charset=utf-8", headers=named)


def _marked(pieces: Iterator[str]) -> Generator[str]:
    """The pieces after the mark; who closes this closes them."""
    yield BOM
    yield from pieces


async def _sent(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Under ASGI a plain iterator would be read to its end first. A client that leaves ends the iterator, too."""
    try:
        while (piece := await sync_to_async(_next)(pieces)) is not None:
            yield piece
    finally:
        if isinstance(pieces, Generator):
            await sync_to_async(_close)(pieces)


def _next(pieces: Iterator[str]) -> str | None:
    with deadline.afresh(time.monotonic() + PIECE_SECONDS):
        return next(pieces, None)


def _close(pieces: Generator[str]) -> None:
    with deadline.afresh(time.monotonic() + CLOSE_SECONDS):
        pieces.close()


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def line(cells: Iterable[Any]) -> str:
    """One line of the file, its end included."""
    written: str = csv.writer(_Echo()).writerow([safe(cell) for cell in cells])
    return written


def safe(cell: Any) -> str:
    """The cell as text that no spreadsheet takes for a formula; a negative number is none."""
    text = "" if cell is None else str(cell)
    if text.lstrip(" ").startswith(_FORMULA) and not _number_shape(text):
        return "'" + text
    return text
