"""Where the wheels of a lock are: asked of the index that uv is set up for, when they are handed out.

The project keeps no addresses: they are the business of whoever installs.  A ``pylock.toml`` cannot do
without (PEP 751), so for one they are looked up, and believed only for files of the name and the hash that
the lock has.
"""

from __future__ import annotations

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from metalmatrix.errors import IndexUnreachableError, UsageError
from metalmatrix.files import read_bounded
from metalmatrix.resolving.ask import reason
from metalmatrix.resolving.question import MACOS_TARGET
from metalmatrix.resolving.uv import run_uv

if TYPE_CHECKING:
    from metalmatrix.resolving.lock import Lock

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - Python 3.10
    import tomli as tomllib

_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]{1,250}/[A-Za-z0-9._~:/?\[\]@!$&()*+,;=%-]{1,1500}")
"""Neither quotes nor backslashes, and no user or password before the host."""

WITHOUT = "--wheels wheels writes it for a folder of wheels instead, without asking"


@dataclass(frozen=True)
class Address:
    """Where a file is, and how many bytes it has; 0 where the index does not tell."""

    url: str
    size: int = 0


def addresses_of(lock: Lock, python: str, as_of: str) -> dict[str, Address]:
    """Where the wheels of *lock* are, by their sha256.

    Raises:
        IndexUnreachableError: The index did not answer.
        UsageError: It has a package no longer, or tells no address of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, written = Path(folder, "requirements.txt"), Path(folder, "pylock.toml")
        wanted.write_text("".join(f"{p.name}=={p.version}\n" for p in lock.packages), encoding="utf-8")
        arguments = ["pip", "compile", str(wanted), "--output-file", str(written), "--quiet", "--no-header"]
        arguments += ["--no-deps", "--only-binary", ":all:", "--python", sys.executable]
        arguments += ["--python-platform", "aarch64-apple-darwin", "--python-version", python]
        arguments += ["--exclude-newer", f"{as_of}T23:59:59Z"]
        said = run_uv(arguments, env={"MACOSX_DEPLOYMENT_TARGET": MACOS_TARGET})
        if said.unreachable:
            raise IndexUnreachableError(
                f"where the wheels are could not be asked: {reason(said.err)}", WITHOUT
            )
        if said.code != 0:
            raise UsageError(f"the index does not have all of the set: {reason(said.err)}", WITHOUT)
        try:
            found = parse_addresses(tomllib.loads(read_bounded(written)), lock)
        except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
            raise UsageError(f"what the index says is not understood: {str(error)[:200]}", WITHOUT) from error
    for package in lock.packages:
        if not any(wheel.sha256 in found for wheel in package.wheels):
            raise UsageError(f"the index tells no address of {package.name} {package.version}", WITHOUT)
    return found


def parse_addresses(data: dict[str, Any], lock: Lock) -> dict[str, Address]:
    """The addresses in a parsed ``pylock.toml``, of the files that *lock* has by name and hash.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: It is no such file.
    """
    names = {wheel.sha256: wheel.file for package in lock.packages for wheel in package.wheels}
    found = {}
    for entry in data.get("packages", []):
        for wheel in entry.get("wheels", []):
            url, sha256 = wheel.get("url", ""), wheel["hashes"]["sha256"]
            file = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
            if names.get(sha256) == file and _URL.fullmatch(url) and "@" not in urlsplit(url).netloc:
                size = wheel.get("size", 0)
                found[sha256] = Address(url, size if type(size) is int and size > 0 else 0)
    return found
