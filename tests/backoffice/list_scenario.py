"""Files that the back office hands out, as a spreadsheet reads them."""

from __future__ import annotations

import csv
import io
from typing import Any

from asgiref.sync import async_to_sync
from django.test import Client


def taken(client: Client, url: str, **query: str) -> list[dict[str, str]]:
    """The lines of a file by their columns; the mark at its beginning says that it is UTF-8."""
    response: Any = client.get(url, query)
    assert response.status_code == 200, response.content

    async def whole() -> bytes:
        return b"".join([piece async for piece in response])

    content = async_to_sync(whole)()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
