"""Eight cells with the same checks, done by four: nox as it comes, nox with uv, tox with tox-uv, and ours.

The others install the exact pins that ours found, and call the same supervisor for the same checks, so that what
differs is how environments come about and what is done twice.  Ours checks two sets a cell, pinned and plain, where
the others check one; so it is measured both ways: with all of its results gone, and with those of the pinned sets
gone, when it does just what the others do.

Cold is once, with no caches at all; then ours leaves its cache of uv to all that use uv, since four would
not fit on many disks.  Warm is with full caches, and no environments or results.  Not every index lets pip cache
what it sends, so in warm turns pip has all its wheels in a folder, and asks nobody: that is no slower.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.clone import Clone
from bench.measure import Contestant, FailedError, run, side_by_side, used_bytes
from bench.tunnel import Tunnel
from metalmatrix.cells.matrix_file import load
from metalmatrix.running.host import this_host
from metalmatrix.running.interpreters import find_python
from metalmatrix.running.record import PARTIAL
from metalmatrix.running.results import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metalmatrix.running.record import Record

PYTHONS = ("3.10", "3.11")
FRAMEWORKS = ("2.16.2", "2.17.1", "2.18.1", "2.19.1")
TIMES, SLOW_TIMES, AGAIN_TIMES = 3, 2, 5
LOOK_EVERY = 5.0
"""Seconds between two looks at the disk."""

OURS, BOTH = "ours, -j 2, one set a cell", "ours, -j 2, two sets a cell"
PLAIN, UV, TOX = "nox, as it comes (virtualenv, pip)", "nox, with uv", "tox with tox-uv, in parallel"

MATRIX = """\
as-of = {as_of}

[axes]
python = {pythons}
tensorflow = {frameworks}
tensorflow-metal = ["none"]

[rehearse]
per = "environment"
"""

NOXFILE = """\
import os
import nox

@nox.session(python={pythons})
@nox.parametrize("tensorflow", {frameworks})
def checks(session, tensorflow):
    session.install("-r", f"pins/py{{session.python}}-tf{{tensorflow}}.txt".replace(".", "", 1))
    session.run(
        os.environ["BENCH_PYTHON"], "-m", "metalmatrix", "check", "--python", session.bin + "/python", external=True
    )
"""

TOX_INI = """\
[tox]
env_list = {names}
no_package = true

[testenv]
deps = -r pins/{{env_name}}.txt
commands = {{env:BENCH_PYTHON}} -m metalmatrix check --python {{env_python}}
allowlist_externals = *
pass_env = *
"""


@dataclass(frozen=True)
class Entrant:
    """One of those who do the job: a command, and where what it leaves behind is.

    Attributes:
        environments: What holds its environments; gone before each warm turn.
        caches: Folder of its caches.
        wipe: Puts away results before each warm turn.
    """

    name: str
    shown: str
    command: Sequence[str]
    cwd: Path
    env: dict[str, str]
    environments: Path
    caches: Path
    wipe: Callable[[], None] = lambda: None
    times: int = sys.maxsize

    def prepare(self) -> None:
        """Leave it nothing but its caches."""
        shutil.rmtree(self.environments, ignore_errors=True)
        self.wipe()

    def contestant(self) -> Contestant:
        """It takes its turn."""
        return Contestant(
            self.name, self.shown, self.command, self.cwd, self.env, self.prepare, times=self.times
        )


def measure(tell: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """Everything that was measured.

    Raises:
        FailedError: One of them did not do the job.
    """
    frameworks = FRAMEWORKS[-1:] if quick else FRAMEWORKS
    with tempfile.TemporaryDirectory(prefix="metalmatrix-bench-", ignore_cleanup_errors=True) as name:
        job = _Job(Path(name), PYTHONS[-1:] if quick else PYTHONS, frameworks, tell)
        cold = [job.cold(BOTH)]
        job.write_pins()
        cold += [job.cold(name) for name in (PLAIN, UV, TOX)]
        job.fill_wheelhouse()
        entrants = [job.entrants[name] for name in job.entrants]
        warm = side_by_side([one.contestant() for one in entrants], 1 if quick else TIMES, tell)
        serial = job.entrants[OURS.replace("-j 2", "one after the other")]
        serial.prepare()
        sample, _ = run(serial.command, cwd=serial.cwd, env=serial.env)
        profile = {"wall": sample.seconds, **job.profile()}
        both = job.entrants[BOTH]
        shutil.rmtree(job.clone.root / "results")
        run(both.command, cwd=both.cwd, env=both.env)
        command = job.clone.nox("-s", "matrix")
        again = Contestant("again", "nox -s matrix", command, job.clone.root, both.env)
        changed = side_by_side([again], 1 if quick else AGAIN_TIMES, tell)[0]
    return {
        "cells": [f"py{p}-tf{f}-nometal" for p in job.pythons for f in frameworks],
        "ours": OURS,
        "cold_ours": BOTH,
        "look_every": LOOK_EVERY,
        "plain": PLAIN,
        "tox": TOX,
        "cold": cold,
        "warm": warm,
        "again": changed,
        "profile": profile,
    }


class _Job:
    """The folders of one measurement, and who takes part."""

    def __init__(
        self, folder: Path, pythons: Sequence[str], frameworks: Sequence[str], tell: Callable[[str], None]
    ) -> None:
        self._folder, self._tell = folder, tell
        self.pythons, self._frameworks = pythons, frameworks
        matrix = MATRIX.format(
            as_of=load().as_of, pythons=json.dumps(pythons), frameworks=json.dumps(frameworks)
        )
        self.clone = Clone.make(folder, matrix)
        self._store = Store(self.clone.root / "results")
        self._host = this_host()
        self._uv = folder / "uv"
        self._others()
        self.entrants = {one.name: one for one in self._entrants()}

    # Who takes part --------------------------------------------------------------------------

    def _entrants(self) -> list[Entrant]:
        found = [
            self._other(PLAIN, "nox", self.clone.nox("-s", "checks"), ".nox"),
            self._other(UV, "nox -db uv", self.clone.nox("-s", "checks", "-db", "uv"), ".nox"),
            self._other(
                TOX,
                "tox run-parallel -p auto",
                [sys.executable, "-m", "tox", "run-parallel", "-p", "auto"],
                ".tox",
            ),
        ]
        for how, arguments in (("-j 2", ("-j", "2")), ("one after the other", ())):
            for sets, wipe in (("one set", self._wipe_pinned), ("two sets", self._wipe_all)):
                if not arguments and sets == "two sets":
                    continue
                caches = self._folder / "ours"
                found.append(
                    Entrant(
                        f"ours, {how}, {sets} a cell",
                        " ".join(["nox -s matrix", *arguments]),
                        self.clone.nox("-s", "matrix", *arguments),
                        self.clone.root,
                        self._env(caches),
                        caches / "metalmatrix" / "environments",
                        caches,
                        wipe,
                        times=TIMES if arguments else SLOW_TIMES,
                    )
                )
        return found

    def _other(self, name: str, shown: str, command: Sequence[str], environments: str) -> Entrant:
        folder = self._folder / "others"
        caches = self._folder / name.replace(" ", "-").replace(",", "")
        return Entrant(
            name,
            shown,
            command,
            folder,
            self._env(caches),
            folder / environments,
            caches,
            times=TIMES if name == TOX else SLOW_TIMES,
        )

    def _env(self, caches: Path) -> dict[str, str]:
        found = [str(path.parent) for version in self.pythons if (path := find_python(version))]
        return self.clone.env | {
            "XDG_CACHE_HOME": str(caches),
            "UV_CACHE_DIR": str(self._uv),
            "PIP_CACHE_DIR": str(caches / "pip"),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "VIRTUALENV_OVERRIDE_APP_DATA": str(caches / "virtualenv"),
            "UV_PYTHON_DOWNLOADS": "never",
            "BENCH_PYTHON": sys.executable,
            "PATH": os.pathsep.join([*found, os.environ["PATH"]]),
        }

    def _others(self) -> None:
        """The noxfile and the tox.ini that a person would write."""
        folder = self._folder / "others"
        (folder / "pins").mkdir(parents=True)
        pythons, frameworks = list(self.pythons), list(self._frameworks)
        (folder / "noxfile.py").write_text(
            NOXFILE.format(pythons=pythons, frameworks=frameworks), encoding="utf-8"
        )
        names = ", ".join(self._name(p, f) for p in pythons for f in frameworks)
        (folder / "tox.ini").write_text(TOX_INI.format(names=names), encoding="utf-8")

    @staticmethod
    def _name(python: str, framework: str) -> str:
        return f"py{python.replace('.', '')}-tf{framework}"

    def write_pins(self) -> None:
        """The exact pinned sets that ours installed, for the others."""
        for python in self.pythons:
            for framework in self._frameworks:
                record = self._record(f"py{python}-tf{framework}-nometal")
                lock = self._store.lock(self._host.slug, record.sets["pinned"].environment or "")
                if lock is None:
                    raise FailedError(f"{record.cell} has no lock")
                pins = "".join(f"{name}=={version}\n" for name, version in lock.versions.items())
                path = self._folder / "others" / "pins" / f"{self._name(python, framework)}.txt"
                path.write_text(pins, encoding="utf-8")

    def _record(self, cell: str) -> Record:
        record = self._store.read(self._host.slug, cell)
        if record is None:
            raise FailedError(f"{cell} has no result")
        return record

    def fill_wheelhouse(self) -> None:
        """Put every wheel that pip will want into a folder, and tell nox as it comes to take it from there."""
        one = self.entrants[PLAIN]
        wheels = one.caches / "wheels"
        for python in self.pythons:
            for framework in self._frameworks:
                pins = f"pins/{self._name(python, framework)}.txt"
                command = [str(find_python(python)), "-m", "pip", "download", "--quiet", "--no-deps"]
                run(
                    [*command, "--only-binary=:all:", "-d", str(wheels), "-r", pins], cwd=one.cwd, env=one.env
                )
        env = one.env | {"PIP_FIND_LINKS": str(wheels), "PIP_NO_INDEX": "1"}
        self.entrants[PLAIN] = replace(one, env=env)

    # Turns -------------------------------------------------------------------------------------

    def _wipe_all(self) -> None:
        shutil.rmtree(self.clone.root / "results", ignore_errors=True)

    def _wipe_pinned(self) -> None:
        """Take the runs of the pinned sets away; those of the plain ones stay, so they are not made again."""
        for python in self.pythons:
            for framework in self._frameworks:
                record = self._record(f"py{python}-tf{framework}-nometal")
                sets = {**record.sets, "pinned": replace(record.sets["pinned"], run=None)}
                self._store.write(self._host, replace(record, inputs=PARTIAL, sets=sets))

    def cold(self, name: str) -> dict[str, Any]:
        """One entrant from empty caches, once: what it took, downloaded, and held on the disk at most."""
        one = self.entrants[name]
        uv = self._folder / "uv-cold"
        for path in (one.caches, one.environments, uv):
            shutil.rmtree(path, ignore_errors=True)
        done, most = threading.Event(), [(0, 0)]
        look = threading.Thread(target=self._look, args=(one, uv, done, most))
        with Tunnel() as tunnel:
            look.start()
            try:
                sample, _ = run(
                    one.command, cwd=one.cwd, env=one.env | tunnel.variables | {"UV_CACHE_DIR": str(uv)}
                )
            finally:
                done.set()
                look.join()
            received = tunnel.received
        if name == BOTH:
            uv.rename(self._uv)
        shutil.rmtree(uv, ignore_errors=True)
        shutil.rmtree(one.environments, ignore_errors=True)
        total, caches = max(most)
        self._tell(
            f"{name}, cold: {sample.seconds:.0f} s, {received / 1e6:,.0f} MB came, {total / 1e9:.1f} GB of disk"
        )
        return {
            "name": name,
            "command": one.shown,
            "samples": [sample.to_json()],
            "downloaded": received,
            "disk": total,
            "environments": total - caches,
        }

    @staticmethod
    def _look(one: Entrant, uv: Path, done: threading.Event, most: list[tuple[int, int]]) -> None:
        """Note what is on the disk, now and then and at the end."""
        ended = False
        while not ended:
            ended = done.wait(LOOK_EVERY)
            total = used_bytes(one.caches, uv, one.environments)
            if one.environments.is_relative_to(one.caches):  # ours: what is no environment
                caches = used_bytes(uv, *(p for p in one.caches.glob("*/*") if p != one.environments))
            else:
                caches = used_bytes(one.caches, uv)
            most.append((total, caches))

    def profile(self) -> dict[str, Any]:
        """Where the seconds of the pinned sets went, by what was recorded with them."""
        spent: dict[str, float] = {"all": 0.0}
        for python in self.pythons:
            for framework in self._frameworks:
                done = self._record(f"py{python}-tf{framework}-nometal").sets["pinned"].run
                if done is None or done.failure:
                    raise FailedError(f"py{python}-tf{framework} was not run")
                spent["all"] += done.seconds
                for check in done.checks:
                    spent[check.check] = spent.get(check.check, 0.0) + check.seconds
        return {name: round(seconds, 2) for name, seconds in spent.items()}
