"""A package index of a few small wheels on 127.0.0.1: real enough for uv, pip and ``metalmatrix update``.

The wheels are built in memory and are installable.  The index speaks the simple API (PEP 503, 691, 700
and 714) as JSON, or as HTML whose anchors carry ``data-upload-time`` for those who ask for JSON: indexes
of both kinds are in use.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import threading
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class FakeWheel:
    """A wheel to publish.

    Attributes:
        tag: The tag of the file name, which may be a compressed set: ``py2.py3-none-any``.
        requires: ``Requires-Dist`` lines.
        files: What the wheel holds beside its metadata: path to content.
        uploaded: Date of the upload, or a full timestamp.
        size: The size in bytes that the index claims; the true one where ``None``.
        filename: A file name in place of the right one, for indexes that say odd things.
        sha256: A digest in place of the right one.
    """

    name: str
    version: str
    tag: str = "py3-none-any"
    requires: tuple[str, ...] = ()
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    uploaded: str = "2024-01-01"
    size: int | None = None
    requires_python: str | None = None
    yanked: bool = False
    filename: str | None = None
    sha256: str | None = None

    @property
    def stem(self) -> str:
        """Name and version as file names spell them."""
        return f"{canonicalize_name(self.name).replace('-', '_')}-{self.version}"

    @property
    def file(self) -> str:
        """The file name the index shows."""
        return self.filename or f"{self.stem}-{self.tag}.whl"

    @property
    def upload_time(self) -> str:
        """The upload as the simple API writes it."""
        return self.uploaded if "T" in self.uploaded else f"{self.uploaded}T12:00:00.000000Z"

    @property
    def metadata(self) -> bytes:
        """The METADATA file."""
        lines = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        lines += [f"Requires-Dist: {requirement}" for requirement in self.requires]
        return "\n".join([*lines, ""]).encode()

    @cached_property
    def content(self) -> bytes:
        """The wheel itself, the same bytes every time."""
        info = f"{self.stem}.dist-info"
        tags = "".join(f"Tag: {tag}\n" for tag in sorted(map(str, parse_tag(self.tag))))
        pure = str(self.tag.endswith("-any")).lower()
        files = {path: data.encode() if isinstance(data, str) else data for path, data in self.files.items()}
        files[f"{info}/METADATA"] = self.metadata
        files[f"{info}/WHEEL"] = (
            f"Wheel-Version: 1.0\nGenerator: fake\nRoot-Is-Purelib: {pure}\n{tags}".encode()
        )
        record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items())
        files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, data in files.items():
                archive.writestr(zipfile.ZipInfo(path), data)
        return buffer.getvalue()

    @property
    def digest(self) -> str:
        """The sha256 that the index claims."""
        return self.sha256 or hashlib.sha256(self.content).hexdigest()

    @property
    def claimed_size(self) -> int:
        """The size in bytes that the index claims."""
        return len(self.content) if self.size is None else self.size


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class FakeIndex:
    """The index, up while the ``with`` block runs.

    Args:
        wheels: What is published.
        stall: Take every request and answer none.
        as_html: Answer HTML to everybody, as indexes without PEP 691 do.

    Attributes:
        requests: Every request so far: method and path.
    """

    def __init__(self, wheels: Iterable[FakeWheel], *, stall: bool = False, as_html: bool = False) -> None:
        self.projects: defaultdict[str, list[FakeWheel]] = defaultdict(list)
        for wheel in wheels:
            self.projects[canonicalize_name(wheel.name)].append(wheel)
        self.files = {wheel.file: wheel for wheels in self.projects.values() for wheel in wheels}
        self.as_html = as_html
        self.requests: list[tuple[str, str]] = []
        self.stall = stall
        self.closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """What to give as ``UV_DEFAULT_INDEX``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/simple"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                index.requests.append((self.command, self.path))
                if index.stall:
                    index.closed.wait()
                    self.close_connection = True
                    return
                status, kind, body, length = index.answer(self.path, self.headers.get("Accept", ""))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(length if self.command == "HEAD" else len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its caller's name
                """Keep the test's output clean."""

        return Handler

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes, int]:
        """Status, content type, body, and the length that HEAD claims."""
        match unquote(path).strip("/").split("/"):
            case ["simple"]:
                body, kind = self._page(accept, *self._listing())
            case ["simple", project] if project in self.projects:
                body, kind = self._page(accept, *self._project(project, uploads=JSON_TYPE in accept))
            case ["files", name] if name in self.files:
                wheel = self.files[name]
                return 200, "application/zip", wheel.content, wheel.claimed_size
            case ["files", name] if name.removesuffix(".metadata") in self.files:
                body, kind = self.files[name.removesuffix(".metadata")].metadata, "text/plain"
            case _:
                return 404, "text/plain", b"", 0
        return 200, kind, body, len(body)

    def _page(self, accept: str, page: object, markup: str) -> tuple[bytes, str]:
        if JSON_TYPE in accept and not self.as_html:
            return json.dumps(page).encode(), JSON_TYPE
        return f"<!DOCTYPE html><html><body>{markup}</body></html>".encode(), "text/html; charset=utf-8"

    def _listing(self) -> tuple[object, str]:
        names = sorted(self.projects)
        markup = "".join(f'<a href="{name}/">{name}</a>' for name in names)
        return {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in names]}, markup

    def _project(self, project: str, *, uploads: bool) -> tuple[object, str]:
        files, anchors = [], []
        for wheel in self.projects[project]:
            address = f"/files/{quote(wheel.file)}"
            files.append(
                {
                    "filename": wheel.file,
                    "url": address,
                    "hashes": {"sha256": wheel.digest},
                    "size": wheel.claimed_size,
                    "upload-time": wheel.upload_time,
                    "yanked": wheel.yanked,
                    "requires-python": wheel.requires_python,
                    "core-metadata": True,
                }
            )
            attributes = {"href": f"{address}#sha256={wheel.digest}", "data-core-metadata": "true"}
            attributes |= {"data-yanked": ""} if wheel.yanked else {}
            attributes |= {"data-upload-time": wheel.upload_time} if uploads else {}
            attributes |= {"data-requires-python": wheel.requires_python} if wheel.requires_python else {}
            written = " ".join(f'{key}="{html.escape(value)}"' for key, value in attributes.items())
            anchors.append(f"<a {written}>{html.escape(wheel.file)}</a>")
        versions = sorted({wheel.version for wheel in self.projects[project]})
        page = {"meta": {"api-version": "1.1"}, "name": project, "versions": versions, "files": files}
        return page, "<br>".join(anchors)
