"""Sdists of a few hundred bytes, built in memory: sound ones for the fake index, and archives that lie."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from tests.fake_index import FakeWheel

if TYPE_CHECKING:
    from collections.abc import Iterable

STEM = "tensorflow_metal_plugin-0.4.1"
FILE = f"{STEM}.tar.gz"
PKG_INFO = """\
Metadata-Version: 2.4
Name: tensorflow-metal-plugin
Version: 0.4.1
Requires-Python: >=3.10
Requires-Dist: tensorflow==2.21.*
Dynamic: requires-dist
Dynamic: requires-python
Dynamic: summary

# A readme

Requires-Dist: nothing-that-a-readme-says
"""

Member = tuple[str, bytes] | tuple[tarfile.TarInfo, bytes]


def packed(data: bytes) -> bytes:
    """A gzip file, the same bytes every time."""
    return gzip.compress(data, mtime=0)


def tar(members: Iterable[Member], style: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file of *members*: names, or whole headers, with their contents."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for head, content in members:
            info = tarfile.TarInfo(head) if isinstance(head, str) else head
            if isinstance(head, str):
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def sdist(pkg_info: str | bytes = PKG_INFO, stem: str = STEM) -> bytes:
    """An sdist with that PKG-INFO, with sources, and with a PKG-INFO of something else deeper down."""
    text = pkg_info.encode() if isinstance(pkg_info, str) else pkg_info
    return packed(
        tar(
            [
                (f"{stem}/src/{'long_' * 30}.mm", b"kernel"),
                (f"{stem}/{stem.partition('-')[0]}.egg-info/PKG-INFO", b"Name: another\n"),
                (f"{stem}/PKG-INFO", text),
                (f"{stem}/setup.py", b"raise SystemExit('it was run')"),
            ]
        )
    )


@dataclass(frozen=True)
class FakeSdist(FakeWheel):
    """A release that is an sdist only; ``dynamic`` are the fields that its build may declare otherwise."""

    dynamic: tuple[str, ...] = ("requires-dist",)

    @property
    def file(self) -> str:
        """The file name the index shows."""
        return self.filename or f"{self.stem}.tar.gz"

    @property
    def metadata(self) -> bytes:
        """The PKG-INFO."""
        dynamic = "".join(f"Dynamic: {field}\n" for field in self.dynamic)
        return super().metadata.replace(b"Version: 2.1", b"Version: 2.4", 1) + dynamic.encode()

    @cached_property
    def content(self) -> bytes:
        """The sdist itself, the same bytes every time."""
        return sdist(self.metadata, self.stem)
