"""Environments that are changed in place: what runs is what was installed last."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from metalmatrix.resolving.lock import Lock, Package, Wheel
from metalmatrix.running import bytecode
from metalmatrix.running import environment as module
from metalmatrix.running.environment import environment
from metalmatrix.running.interpreters import find_python
from tests.clone import HERE
from tests.fake_index import FakeIndex, FakeWheel

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_bytecode_of_what_was_there_before_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of one file, of the same size and the same second in both releases, is compiled anew."""
    wheels = [FakeWheel("six", f"{number}.0", files={"six.py": f"print({number})\n"}) for number in (1, 2)]
    python = find_python(HERE)
    assert python is not None
    for one in (module, bytecode):
        monkeypatch.setattr(one, "cache_dir", lambda: tmp_path)
    with FakeIndex(wheels) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        with environment("test", python) as place:
            said = []
            for wheel in wheels:
                place.sync(Lock((Package("six", wheel.version, (Wheel(wheel.file, wheel.digest),)),)))
                (source,) = place.folder.glob("[Ll]ib/**/site-packages/six.py")
                os.utime(source, (1_700_000_000, 1_700_000_000))
                # As the checks are started: what the shell says of bytecode does not count.
                done = subprocess.run(
                    [place.python, "-I", "-c", "import six"], capture_output=True, check=True
                )
                assert (source.parent / "__pycache__").is_dir()
                said.append(done.stdout.split())
    assert said == [[b"1"], [b"2"]]


def test_an_environment_has_what_the_one_before_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same wheels; what was changed in place for another set is kept, too."""
    python = find_python(HERE)
    assert python is not None
    for one in (module, bytecode):
        monkeypatch.setattr(one, "cache_dir", lambda: tmp_path)
    wheels = [
        FakeWheel("some-thing", f"{number}.0", files={"thing/__init__.py": f"NUMBER = {number}\n"})
        for number in (1, 2)
    ]
    locks = [
        Lock((Package("some-thing", wheel.version, (Wheel(wheel.file, wheel.digest),)),)) for wheel in wheels
    ]
    with FakeIndex(wheels) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        found: list[list[int]] = []
        for name in ("first", "second"):
            with environment(name, python) as place:
                for lock in locks:
                    place.sync(lock)
                    (source,) = place.folder.glob("[Ll]ib/**/site-packages/thing/__init__.py")
                    found.append([path.stat().st_ino for path in source.parent.glob("__pycache__/*")])
                    subprocess.run([place.python, "-I", "-c", "import thing"], check=True)
                    (file,) = source.parent.glob("__pycache__/*")
                    found[-1].append(file.stat().st_ino)
    (first,), (second,), again_first, again_second = found
    assert first != second
    assert again_first == [first, first]  # it was there before, and Python took it as it was
    assert again_second == [second, second]
