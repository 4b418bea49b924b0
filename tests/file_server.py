"""A server of one file on 127.0.0.1 that serves ranges, and misbehaves as a test asks."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

Mode = Literal[
    "ranges", "whole", "stall", "drip", "cut once", "cut", "encoded", "refuse", "other range", "other size"
]
PASSWORD = "s3cret"  # noqa: S105 - to be found in no error


class FileServer:
    """Serves files by name, up while the ``with`` block runs.

    Attributes:
        mode: How it answers.
        asked: The ranges it was asked for, in order; None for a whole file.
        names: The files they were of.
    """

    def __init__(self, files: dict[str, bytes], mode: Mode = "ranges") -> None:
        self.files = files
        self.mode = mode
        self.asked: list[str | None] = []
        self.names: list[str] = []
        self.stop = threading.Event()
        self.cuts = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"http://user:{PASSWORD}@127.0.0.1:{self._server.server_address[1]}/{name}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request, in the way of the mode."""
        data = self.files[handler.path.lstrip("/")]
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        self.names.append(handler.path.lstrip("/"))
        if self.mode == "refuse":
            handler.send_error(403)
            return
        begin, end = 0, len(data)
        if wanted and self.mode != "whole":
            first, last = wanted.removeprefix("bytes=").split("-")
            begin, end = int(first), min(int(last) + 1, len(data))
            handler.send_response(206)
            shift = 1 if self.mode == "other range" else 0
            total = len(data) + (1 if self.mode == "other size" else 0)
            handler.send_header("Content-Range", f"bytes {begin + shift}-{end - 1 + shift}/{total}")
        else:
            handler.send_response(200)
        if self.mode == "encoded":
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(end - begin))
        handler.end_headers()
        self._send(handler, data[begin:end])

    def _send(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        try:
            if self.mode == "stall":
                handler.wfile.write(body[: len(body) // 2])
                self.stop.wait(20)
            elif self.mode == "drip":
                for number in range(len(body)):
                    handler.wfile.write(body[number : number + 1])
                    if self.stop.wait(0.01):
                        return
            elif self.mode == "cut" or (self.mode == "cut once" and len(body) > 5000 and self.cuts < 2):
                self.cuts += 1
                handler.wfile.write(body[: len(body) // 3])
                handler.close_connection = True
            else:
                handler.wfile.write(body)
        except OSError:
            pass  # the reader has seen enough
