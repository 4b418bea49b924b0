"""A server of one folder for this machine alone: for a look at the page before it is published."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class _Handler(SimpleHTTPRequestHandler):
    """Serves files, tells browsers to ask again each time, and says nothing of each request."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the library's own names
        """Nothing: the page is one request."""


def serving(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of *folder* on 127.0.0.1, bound; port 0 takes one that is free.

    Raises:
        OSError: The port is taken, or not for everybody.
    """
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder)))
