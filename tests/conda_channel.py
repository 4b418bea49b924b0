"""A conda channel in a folder: small packages, and an interpreter of this machine that can be moved.

The interpreter is the one that runs the tests, copied: its program, its shared library where it has one, and
its standard library without the tests.  CPython finds that library beside the program (``getpath``), so that
it works wherever conda unpacks it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import sysconfig
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.clone import HERE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEFT_OUT = {"test", "tests", "idlelib", "site-packages", "__pycache__", "tkinter", "turtledemo", "lib2to3"}
_LEFT_OUT |= {"pydoc_data", "ensurepip"}


def subdir() -> str:
    """The platform of this machine, as conda spells it: ``linux-64``."""
    system, machine = sysconfig.get_platform().rsplit("-", 1)
    names = {"x86_64": "64", "aarch64": "aarch64", "arm64": "arm64"}
    return f"{'osx' if system.startswith('macos') else 'linux'}-{names[machine]}"


def interpreter() -> dict[str, Path]:
    """The files of the running interpreter that a package of it needs, by their place in an environment."""
    base = Path(sysconfig.get_config_var("base"))
    library = Path(sysconfig.get_path("stdlib"))
    files = {f"bin/python{HERE}": base / "bin" / f"python{HERE}"}
    files |= {f"lib/{path.name}": path for path in (base / "lib").glob("libpython3*") if path.is_file()}
    for path in library.rglob("*"):
        place = path.relative_to(library)
        if path.is_file() and not _LEFT_OUT & set(place.parts) and path.suffix != ".a":
            files[f"lib/python{HERE}/{place}"] = path
    return files


def package(
    channel: Path,
    name: str,
    version: str,
    files: Mapping[str, Path | bytes],
    links: Mapping[str, str],
    *,
    depends: Sequence[str] = (),
    platform: str = "",
    day: str = "2024-01-01",
) -> None:
    """Put a package into a channel: an archive, and its entry in the channel's index.

    Args:
        channel: The folder.
        name: The package's.
        version: The package's; its build is ``0``.
        files: Its files by their place in an environment.
        links: Its links, the same way.
        depends: What it asks for.
        platform: What it is for, as conda spells it; this machine where empty.
        day: When it was made.
    """
    platform = platform or subdir()
    folder = channel / platform
    folder.mkdir(parents=True, exist_ok=True)
    build: dict[str, Any] = {"name": name, "version": version, "build": "0", "build_number": 0}
    moment = dt.datetime.fromisoformat(f"{day}T12:00:00+00:00")
    build |= {"depends": [*depends], "timestamp": int(moment.timestamp()) * 1000}
    build |= {"subdir": platform, "arch": None, "platform": None}
    content = {path: data if isinstance(data, bytes) else data.read_bytes() for path, data in files.items()}
    entries = [
        {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        for path, data in content.items()
    ]
    entries += [{"_path": path, "path_type": "softlink"} for path in links]
    archive = folder / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(archive, "w:bz2", compresslevel=1) as tar:
        _add(tar, "info/index.json", json.dumps(build).encode())
        _add(tar, "info/paths.json", json.dumps({"paths": entries, "paths_version": 1}).encode())
        for path, data in content.items():
            _add(tar, path, data, 0o755 if path.startswith("bin/") else 0o644)
        for path, target in links.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    known = folder / "repodata.json"
    repodata: dict[str, Any] = {"info": {"subdir": platform}, "packages": {}}
    if known.exists():
        repodata = json.loads(known.read_text())
    packed = archive.read_bytes()
    repodata["packages"][archive.name] = build | {
        "sha256": hashlib.sha256(packed).hexdigest(),
        "md5": hashlib.md5(packed, usedforsecurity=False).hexdigest(),
        "size": len(packed),
    }
    known.write_text(json.dumps(repodata))
    (channel / "noarch").mkdir(exist_ok=True)
    (channel / "noarch" / "repodata.json").write_text('{"info": {"subdir": "noarch"}, "packages": {}}')


def _add(tar: tarfile.TarFile, path: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def make(channel: Path) -> Path:
    """A channel with an interpreter and an empty pip, which nox asks for in every environment."""
    links = {"bin/python": f"python{HERE}", "bin/python3": f"python{HERE}"}
    package(channel, "python", f"{HERE}.99", interpreter(), links)
    package(channel, "pip", "99.0", {f"lib/python{HERE}/site-packages/pip_is_here.txt": b"yes\n"}, {})
    return channel
