"""The facts of a framework's wheel, read by ranges, beside downloading the wheel.

What is read is a wheel of a release of which nothing is known (*alone*), and then another of the same release
(*after*), which shares most of its libraries.  Each is read in a process of its own, so that its memory can be
told.  A download is one stream to a file, hashed, by the same HTTP client: nothing is read of it.  Both do
without the index's pages, which list where the files are.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from bench.machine import ROOT
from bench.measure import plain_environment, run
from metalmatrix.cells import history
from metalmatrix.published import releases
from metalmatrix.wheels.wheel_facts import load_facts
from metalmatrix.wheels.wheel_update import Reader, addresses, missing

if TYPE_CHECKING:
    from collections.abc import Callable

    from metalmatrix.published.releases import Release, Wheel

SINCE = Version("2.12")
TIMES, QUICK_TIMES = 3, 1
CHUNK = 2**20


def measure(tell: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured, wheel by wheel.

    Raises:
        FailedError: A wheel could not be read or had.
        IndexUnreachableError: The index's pages could not be had.
    """
    chosen = _newest() if quick else _across()
    where = addresses({release.distribution for release in chosen})
    found = []
    for release in chosen:
        first, *_, last = sorted(release.wheels, key=lambda wheel: wheel.file)
        samples: dict[str, list[dict[str, Any]]] = {"alone": [], "after": [], "download": []}
        for _ in range(QUICK_TIMES if quick else TIMES):
            for how, wheel in (("alone", first), ("after", last), ("download", first)):
                samples[how].append(_once(how, release, wheel, where[wheel.sha256]))
        found.append(
            {
                "distribution": release.distribution,
                "version": release.version,
                "file": first.file,
                "size": first.size,
                **{how: {"samples": of} for how, of in samples.items()},
            }
        )
        tell(f"{first.file}: {samples['alone'][0]['bytes']:,} of {first.size:,} bytes")
    return {"wheels": found}


def _across() -> list[Release]:
    """The newest release of every second minor version, and the newest of all, pre-releases counted."""
    minors: dict[int, Release] = {}
    for name, version in history.frameworks():
        if Version(version) >= SINCE and not Version(version).is_prerelease:
            minors[Version(version).minor] = releases.published(name)[version]
    return [release for minor, release in minors.items() if minor % 2 == 0] + _newest()


def _newest() -> list[Release]:
    name, version = history.frameworks()[-1]
    return [releases.published(name)[version]]


def _once(how: str, release: Release, wheel: Wheel, address: str) -> dict[str, Any]:
    """One reading or download in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="metalmatrix-bench-") as scratch:
        command = [
            sys.executable,
            "-m",
            "bench.wheels",
            how,
            release.distribution,
            release.version,
            wheel.file,
        ]
        env = plain_environment(PYTHONPATH=str(ROOT), BENCH_ADDRESS=address)  # it may hold a password
        sample, said = run(command, cwd=Path(scratch), env=env, limit=900)
    return {**sample.to_json(), **json.loads(said)}


def main(how: str, distribution: str, version: str, file: str) -> None:
    """What the process does, in its own folder: read or download one wheel, and print what it took as JSON."""
    release = releases.published(distribution)[version]
    first, *_ = sorted(release.wheels, key=lambda wheel: wheel.file)
    (wheel,) = (wheel for wheel in release.wheels if wheel.file == file)
    address = os.environ["BENCH_ADDRESS"]
    if how == "download":
        print(json.dumps(_download(wheel, address)))
        return
    facts = load_facts()
    known = tuple(
        w for w in facts.wheels if w.version != version or (how == "after" and w.sha256 == first.sha256)
    )
    lacking = replace(facts, wheels=known)
    reader = Reader(lacking, lambda _: None, {wheel.sha256: address}, Path.cwd())
    reading = reader.read([item for item in missing(lacking, [release]) if item[1].file == file])
    if reading.failed:
        raise SystemExit(str(reading.failed))
    if reading.facts.by_sha256[wheel.sha256].libraries != facts.by_sha256[wheel.sha256].libraries:
        raise SystemExit(f"{file}: what was read is not what is known")
    print(json.dumps({"bytes": reading.bytes_read, "memory": _peak()}))


def _download(wheel: Wheel, address: str) -> dict[str, Any]:
    from requests import get

    digest, got = hashlib.sha256(), 0
    with get(address, stream=True, timeout=60) as answer, Path("wheel").open("wb") as file:
        answer.raise_for_status()
        for part in answer.iter_content(CHUNK):
            digest.update(part)
            got += file.write(part)
    if digest.hexdigest() != wheel.sha256:
        raise SystemExit(f"{wheel.file} is not what the index lists")
    return {"bytes": got, "memory": _peak()}


def _peak() -> int:
    """The most resident bytes that this program had; on Linux not those of what it was started from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(*sys.argv[1:])
