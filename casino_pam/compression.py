"""Text is sent compressed: static files once, when they are collected, pages as they are made.

gzip alone: brotli takes tens of seconds for the files of the API's documentation, and saves a tenth.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from servestatic.compress import Compressor
from servestatic.storage import CompressedManifestStaticFilesStorage


class CompressedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Files under names that tell their content, each beside its compressed twin, which is made once."""

    # What follows from a missing file is decided below.
    manifest_strict = False

    def stored_name(self, name: str) -> str:
        """The name that tells the content; the plain one where files were not collected.

        A page without its colours says more than an error of ours.
        """
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name

    def compress_files(self, paths: set[str]) -> Iterator[tuple[str, str]]:
        named_by_content = paths & set(self.hashed_files.values())
        new = {path for path in named_by_content if not Path(self.path(path + ".gz")).exists()}
        yield from super().compress_files(new)

    def create_compressor(self, **_: Any) -> Compressor:
        # Nobody loads the maps of other people's scripts.
        skipped = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map", "txt")
        return Compressor(skipped, use_brotli=False, use_zstd=False, quiet=True)


class CompressedPages(GZipMiddleware):
    """Pages and documents that were asked for by GET, and were got.

    What shows a secret answers a POST and is never compressed: from the length of an answer that holds a secret beside
    text of a stranger's choice the secret can be guessed (BREACH). Tokens against forgery are masked anew in each page,
    the cookie of a session does not travel with requests of other sites, and Django adds bytes of a random number.
    The API's answers, most of them shorter than a packet, stay as they are.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        page = request.method == "GET" and response.status_code == 200 and not response.streaming
        if not page or request.path.startswith("/api/v1/"):
            return response
        return super().process_response(request, response)
