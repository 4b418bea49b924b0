"""Environments that are changed in place: what runs is what was installed last."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from metalmatrix.resolving.lock import Lock, Package, Wheel
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
    monkeypatch.setattr(module, "cache_dir", lambda: tmp_path)
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
