"""`update` writes what follows from what it wrote."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.doctor import known_write
from metalmatrix.kernels import kernel_update
from metalmatrix.published import commands
from metalmatrix.resolving import answer_update
from metalmatrix.wheels import wheel_update

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("force", [False, True])
def test_the_doctors_data_follow_the_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, force: bool
) -> None:
    """With --force they are made anew at the end, when all that they are made of is there."""
    order: list[str] = []

    def step(name: str, gives: object) -> Callable[..., object]:
        def done(*_: object, **__: object) -> object:
            order.append(name)
            return gives

        return done

    monkeypatch.setattr(commands, "update_releases", step("releases", 0))
    monkeypatch.setattr(wheel_update, "regenerate", step("wheels", SimpleNamespace(facts=None)))
    monkeypatch.setattr(wheel_update, "diff", step("diff", ""))
    monkeypatch.setattr(kernel_update, "regenerate", step("kernels", ("", ())))
    monkeypatch.setattr(answer_update, "regenerate", step("answers", ""))
    monkeypatch.setattr(known_write, "write", step("doctor", True))  # noqa: FBT003 - what it gives
    assert commands.update(SimpleNamespace(force=force)) == 0  # type: ignore[arg-type]
    assert order == ["releases", "wheels", "diff", "kernels", "answers", *(["doctor"] if force else [])]
    assert ("what the doctor knows: written" in capsys.readouterr().out) is force
