"""A proxy on 127.0.0.1 that counts: what pip and uv download is what comes through it.

They open a tunnel through it (``CONNECT``, RFC 9110) and speak TLS inside, with whom they always do: nothing is
read or changed, and what is counted are the bytes that came, those of the encryption included.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import socketserver
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

CHUNK = 2**18
HEAD = 2**14
TIMEOUT = 120.0


class Tunnel:
    """The proxy, up while the ``with`` block runs.

    Attributes:
        received: Bytes that came from outside so far.
    """

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        owner = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    owner.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def variables(self) -> dict[str, str]:
        """What makes pip and uv go through it."""
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        return dict.fromkeys(("HTTPS_PROXY", "https_proxy"), address)

    def serve(self, client: socket.socket) -> None:
        """Answer one connection: a tunnel to where it asks for."""
        client.settimeout(TIMEOUT)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD:
            part = client.recv(CHUNK)
            if not part:
                return
            head += part
        method, target, *_ = head.split(b" ", 2)
        if method != b"CONNECT":
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        host, _, port = target.decode("ascii").rpartition(":")
        with socket.create_connection((host, int(port)), TIMEOUT) as remote:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._pass_on(client, remote)

    def _pass_on(self, client: socket.socket, remote: socket.socket) -> None:
        other = {client: remote, remote: client}
        with selectors.DefaultSelector() as selector:
            for one in other:
                selector.register(one, selectors.EVENT_READ)
            while events := selector.select(TIMEOUT):
                for key, _ in events:
                    source = key.fileobj
                    assert isinstance(source, socket.socket)  # noqa: S101 - told to the type checker
                    part = source.recv(CHUNK)
                    if not part:
                        return
                    if source is remote:
                        with self._lock:
                            self.received += len(part)
                    other[source].sendall(part)
