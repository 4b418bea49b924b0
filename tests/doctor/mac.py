"""A Mac that is none: real environments of fake distributions with the real metadata of macOS wheels.

The distributions carry what the published wheels declare (``data/wheels.jsonl`` has the Requires-Dist lines
and the file names), their plugin registers a GPU by its strings, and what cannot be had here is put beside
them: the architecture that the interpreter would say, the macOS, the session.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metalmatrix.doctor.exam import Exam, examine
from metalmatrix.doctor.known import load_known
from metalmatrix.doctor.look import CondaPackage, look
from metalmatrix.doctor.machine import Machine
from metalmatrix.doctor.rules import load_rules
from metalmatrix.doctor.scene import Scene
from metalmatrix.wheels.wheel_facts import load_facts
from tests.fake_environment import GPU, OLD, Fake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DYLIB = "tensorflow-plugins/libmetal_plugin.dylib"
MAC = Machine("macos", "arm64", "15.2", "Aqua", virtual=False)


class Mac(Fake):
    """An environment on a Mac, and what an examination of it comes to.

    Attributes:
        machine: The Mac.
        says: What the interpreter would say there, in place of what this machine's says.
        conda: What conda would have installed.
        variables: The environment variables of who asks.
    """

    def __init__(self, folder: Path, python: str = "3.11.7") -> None:
        super().__init__(folder)
        self.machine = MAC
        self.says: dict[str, Any] = {"version": python, "machine": "arm64", "manager": "pip"}
        self.conda: tuple[CondaPackage, ...] = ()
        self.variables: Mapping[str, str] = {}

    @property
    def minor(self) -> str:
        """The minor version of Python that the environment is of."""
        return ".".join(self.says["version"].split(".")[:2])

    def wheel(self, name: str, version: str, *, tag: str = "", installer: str = "pip") -> Path:
        """Install a published release of TensorFlow or the plugin: its metadata, and code of our own."""
        facts = load_facts().wheel(name, version, self.minor)
        files: dict[str, bytes | str] = {}
        if name == "tensorflow-metal":
            files = {DYLIB: GPU, "tensorflow-plugins/__init__.py": ""}
        elif facts is None or facts.libraries:
            files = {"tensorflow/__init__.py": OLD + f"# {version}", "tensorflow/core.so": version}
        tags = [tag] if tag else list(facts.tags if facts else ["py3-none-any"])
        more = {"WHEEL": "\n".join(f"Tag: {tag}" for tag in tags), "INSTALLER": installer}
        return self.put(name, version, files, facts.requires if facts else (), more=more)

    def pair(self, framework: str, plugin: str = "", name: str = "tensorflow") -> Mac:
        """Install a framework and a plugin, with what suits them and is not there yet."""
        if not list(self.site.glob(f"{name.replace('-', '_')}-{framework}.dist-info")):
            self.wheel(name, framework)
        if plugin:
            self.wheel("tensorflow-metal", plugin)
        board = {"tensorboard": ".".join([*framework.split(".")[:2], "0"])}
        for other, version in {**COMPANIONS, **board}.items():
            if not list(self.site.glob(f"{other}-*.dist-info")):
                self.put(other, version)
        return self

    def exam(self) -> Exam:
        """What the doctor says."""
        seen = replace(look(str(self.python), "for a test"), **self.says)
        if self.conda:
            seen = replace(seen, conda=self.conda, manager="conda")
        scene = Scene(seen, self.machine, load_known(), self.variables)
        return examine(load_rules(), load_known(), scene=scene)

    def found(self) -> tuple[list[str], list[str]]:
        """The ids of the problems and of the notes."""
        exam = self.exam()
        return [item.id for item in exam.problems], [item.id for item in exam.notes]


COMPANIONS = {
    "numpy": "1.26.4",
    "keras": "3.6.0",
    "protobuf": "4.25.8",
    "setuptools": "81.0.0",
}
"""What suits TensorFlow 2.16 to 2.18."""
