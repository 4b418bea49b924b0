"""What is wrong with an environment, by what was seen of it: pure, but for files that `look` listed.

Each sign is a function of a `Scene` that gives what it saw, in sentences; nothing where all is well.  What is
said of it, and what mends it, is the entry of its id in ``data/diagnoses.json``.  Signs of `MAC` are about
Apple silicon, and are not looked for elsewhere: what a Linux machine has installed says nothing of them.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from metalmatrix.doctor.finding import Finding, finding
from metalmatrix.doctor.known import is_final, numbers
from metalmatrix.doctor.look import checks_module
from metalmatrix.doctor.scene import PLUGIN, needed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metalmatrix.doctor.known import Told
    from metalmatrix.doctor.scene import Scene

_LOCKS_WITH_TENSORFLOW = ("pyarrow", "tokenizers", "tink")
_CUDA_VARIABLES = ("CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH", "XLA_FLAGS", "CUDA_VISIBLE_DEVICES")
_PACKAGES = {"numpy-2": "numpy", "protobuf": "protobuf", "keras": "keras", "pkg-resources": "setuptools"}
"""What a diagnosis is about, where that is one package."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_CUDA_NAMES = re.compile(r"nvidia-[a-z0-9-]{1,40}|tensorflow-gpu|tf-nightly-gpu")


def rosetta(scene: Scene) -> Iterator[str]:
    """The interpreter is Intel's, on a Mac that is not; conda's own sign tells more where it is conda's."""
    seen = scene.environment
    if seen.machine == "x86_64" and not any(conda_x86(scene)):
        yield f"{seen.python} runs as x86_64 on an Apple-silicon Mac"


def conda_x86(scene: Scene) -> Iterator[str]:
    """Packages that conda installed are of its platform for Intel."""
    intel = [package for package in scene.environment.conda if package.subdir == "osx-64"]
    if intel:
        named = ", ".join(f"{package.name} {package.version}" for package in intel)
        yield f"conda installed {named} for osx-64, the platform of Intel Macs"


def python_without_wheels(scene: Scene) -> Iterator[str]:
    """No wheel of TensorFlow can be for this Python."""
    seen = scene.environment
    # A Python with nothing but pre-releases has no wheel that pip takes by itself.
    pythons = scene.known.pythons(item for item in scene.known.frameworks if is_final(item.version))
    if seen.implementation != "cpython":
        yield f"{seen.python} is {seen.implementation}, and TensorFlow is built for CPython"
    elif seen.free_threaded:
        yield f"{seen.python} is a free-threaded build, which TensorFlow has no wheels for"
    elif pythons and seen.minor not in pythons and seen.minor not in _pythons_of(scene):
        too = "new" if numbers(seen.minor) > numbers(pythons[-1]) else "old"
        span = f"Python {pythons[0]} to {pythons[-1]}"
        yield f"{seen.python} is Python {seen.version}, too {too}: there are wheels for {span}"


def _pythons_of(scene: Scene) -> tuple[str, ...]:
    """The Pythons that the TensorFlow that is installed, pre-release or not, has wheels for."""
    release = scene.known.framework(scene.framework.version) if scene.framework else None
    return release.pythons if release else ()


def no_tensorflow(scene: Scene) -> Iterator[str]:
    """Nothing of TensorFlow is installed."""
    if not scene.frameworks and not scene.environment.problems:
        named = [package.name for package in scene.environment.conda if package.name == "tensorflow"]
        if not named:
            yield f"no distribution of TensorFlow is in the environment of {scene.environment.python}"


def plain_tensorflow(scene: Scene) -> Iterator[str]:
    """TensorFlow's own wheel from before there was one for Apple silicon, or any wheel for Intel."""
    for item in scene.holders:
        tags = item.read("WHEEL", 65536)
        if "_x86_64" in tags and "arm64" not in tags and "universal2" not in tags:
            yield f"{item} was installed from a wheel for Intel (its WHEEL file says x86_64)"
        elif (
            item.name == "tensorflow"
            and scene.within(item.version, "<2.13")
            and "arm64" not in tags
            and item.read("INSTALLER", 100).strip() != "conda"
        ):
            yield f"{item} is installed, and tensorflow has wheels for Apple silicon from 2.13.0 on"


def empty_framework(scene: Scene) -> Iterator[str]:
    """A wheel without code is installed, and the one with the code is not."""
    if scene.frameworks and not scene.holders and all(item.files for item in scene.frameworks):
        yield f"{' and '.join(map(str, scene.frameworks))} holds no code: it is an empty wheel"


def two_frameworks(scene: Scene) -> Iterator[str]:
    """Both names at different versions."""
    yield from scene.rivals["errors"] + scene.rivals["notes"]


def conda_tensorflow(scene: Scene) -> Iterator[str]:
    """The TensorFlow of conda, and another from a package index, in one environment."""
    for package in scene.environment.conda:
        if package.name in {"tensorflow", "tensorflow-base"}:
            for item in scene.frameworks:
                if item.read("INSTALLER", 100).strip() not in {"conda", ""}:
                    yield f"conda installed {package.name} {package.version}, and pip installed {item}"


def cuda(scene: Scene) -> Iterator[str]:
    """What is only good for NVIDIA's GPUs."""
    for item in scene.environment.distributions:
        if _CUDA_NAMES.fullmatch(item.name):
            yield f"{item} is installed, which is for NVIDIA's GPUs"
    for name in _CUDA_VARIABLES:
        if "cuda" in scene.variables.get(name, "").lower():
            yield f"the variable {name} names CUDA"


def tflite_runtime(scene: Scene) -> Iterator[str]:
    """Something asks for a package that has no wheel here."""
    if scene.environment.first("tflite-runtime") is None:
        for item in scene.environment.distributions:
            if item.requirement("tflite-runtime") is not None:
                yield f"{item} requires tflite-runtime, which is not installed"


def two_plugins(scene: Scene) -> Iterator[str]:
    """A second library registers the GPU, or the variable names a file that is not there."""
    yield from scene.plugins["errors"]


def leftover_plugin(scene: Scene) -> Iterator[str]:
    """A plugin's library that nobody claims, or a plugin without a framework."""
    yield from (note for note in scene.plugins["notes"] if "a leftover" in note)
    if scene.plugin and not scene.frameworks:
        yield f"{scene.plugin} is installed, and no TensorFlow is"


def no_plugin(scene: Scene) -> Iterator[str]:
    """Nothing that would bring the GPU."""
    if scene.framework and not scene.plugin and not scene.plugins["loaded"]:
        yield f"{scene.framework} is installed, and no plugin: it computes on the CPU alone"
        pythons = scene.known.pythons(scene.known.plugins)
        if pythons and scene.environment.minor not in pythons:
            span = f"Python {pythons[0]} to {pythons[-1]}"
            yield f"{PLUGIN} has wheels for {span}, and this is Python {scene.environment.minor}"


def does_not_link(scene: Scene) -> Iterator[str]:
    """The loader would refuse the plugin, by what is known of both wheels."""
    if scene.framework and scene.plugin:
        pair = scene.framework.version, scene.plugin.version
        line = scene.known.links.get(pair)
        if line:
            yield f"{scene.framework} with {scene.plugin}: dyld says {line}"


def refused_plugin(scene: Scene) -> Iterator[str]:
    """TensorFlow itself would refuse the plugin that dyld has loaded, by what is known of both wheels."""
    if scene.framework and scene.plugin:
        said = scene.known.refused.get((scene.framework.version, scene.plugin.version))
        if said:
            yield f"{scene.framework} with {scene.plugin}: TensorFlow says {said}"


def macos_too_old(scene: Scene) -> Iterator[str]:
    """What is installed was built for a newer macOS."""
    here = scene.machine.macos
    for item, release in (
        (scene.framework, scene.known.framework(scene.framework.version) if scene.framework else None),
        (scene.plugin, scene.known.plugin(scene.plugin.version) if scene.plugin else None),
    ):
        if here and release and release.distribution == item.name and numbers(release.macos) > numbers(here):
            yield f"{item} needs macOS {release.macos}, and this is macOS {here}"


def numpy_2(scene: Scene) -> Iterator[str]:
    """NumPy 2 under a build for NumPy 1."""
    bound, seen = needed(scene, "numpy")
    if seen and scene.within("2.0.0", bound.replace("numpy", "", 1)) is False:
        yield seen


def protobuf(scene: Scene) -> Iterator[str]:
    """A protobuf that TensorFlow's generated code cannot be read by."""
    yield from _out_of_bounds(scene, "protobuf")


def keras(scene: Scene) -> Iterator[str]:
    """A Keras that TensorFlow does not ask for."""
    facts: dict[str, Any] = {}
    found = list(scene.environment.distributions)
    notes = checks_module("check_packages").keras_notes(facts, found, scene.holders)
    yield from (note for note in notes if "asks for keras" in note)


def pkg_resources(scene: Scene) -> Iterator[str]:
    """TensorBoard wants a module that setuptools 82 does not have."""
    seen = scene.environment
    board = seen.first("tensorboard")
    if board and scene.within(board.version, "<2.21"):
        yield from _out_of_bounds(scene, "setuptools")
        if seen.first("setuptools") is None:
            yield f"{board} imports pkg_resources, and setuptools, which had it, is not installed"


def requirement(scene: Scene) -> Iterator[str]:
    """A package outside of what TensorFlow asks for, of which nothing worse is known."""
    if scene.framework:
        names = (_NAME.match(line.strip()) for line in scene.framework.requires)
        for name in sorted({checks_module("checkdists").normalised(name[0]) for name in names if name}):
            bound, seen = needed(scene, name)
            worse = name in _PACKAGES.values() and (name != "numpy" or any(numpy_2(scene)))
            if seen and bound and not worse:
                yield seen


def pyarrow(scene: Scene) -> Iterator[str]:
    """A library that hangs or aborts together with TensorFlow 2.20 in one process."""
    if scene.framework and scene.within(scene.framework.version, ">=2.20rc0"):
        for name in _LOCKS_WITH_TENSORFLOW:
            item = scene.environment.first(name)
            if item:
                yield f"{scene.framework} and {item} are installed together"


def session(scene: Scene) -> Iterator[str]:
    """Nobody is logged in at the screen in this session."""
    if scene.machine.without_login and scene.plugin:
        yield f"launchctl managername says {scene.machine.session}, and not Aqua"


def gpu_not_listed(scene: Scene) -> Iterator[str]:
    """A virtual machine has no Metal to depend on."""
    if scene.machine.virtual and scene.plugin:
        yield "this macOS is a guest of a hypervisor (kern.hv_vmm_present is 1)"


def platform_id(scene: Scene) -> Iterator[str]:
    """The pair of which it is reported: the GPU is listed, and the new optimizers look for XLA's platform."""
    if scene.framework and scene.plugin and scene.within(scene.framework.version, ">=2.11rc0,<2.12rc0"):
        yield f"{scene.framework} with {scene.plugin}"


def fused_relu(scene: Scene) -> Iterator[str]:
    """A public report of wrong numbers of this pair."""
    yield from (f"{told.message} ({told.source})" for told in _told(scene) if told.stage == "numerics")


def reported(scene: Scene) -> Iterator[str]:
    """A public report of something else that goes wrong with this pair after the import."""
    yield from (f"{told.message} ({told.source})" for told in _told(scene) if told.stage != "numerics")


def _told(scene: Scene) -> list[Told]:
    """What is reported of this very pair."""
    if not (scene.framework and scene.plugin):
        return []
    pair = scene.framework.version, scene.plugin.version
    return [told for told in scene.known.told if (told.framework, told.plugin) == pair]


def _out_of_bounds(scene: Scene, package: str) -> Iterator[str]:
    """How an installed package breaks what its TensorFlow needs."""
    _, seen = needed(scene, package)
    if seen:
        yield seen


MAC: dict[str, Callable[[Scene], Iterator[str]]] = {
    "rosetta": rosetta,
    "conda-x86": conda_x86,
    "python-without-wheels": python_without_wheels,
    "plain-tensorflow": plain_tensorflow,
    "cuda": cuda,
    "tflite-runtime": tflite_runtime,
    "empty-framework": empty_framework,
    "conda-tensorflow": conda_tensorflow,
    "macos-too-old": macos_too_old,
    "leftover-plugin": leftover_plugin,
    "no-plugin": no_plugin,
    "does-not-link": does_not_link,
    "refused-plugin": refused_plugin,
    "pyarrow": pyarrow,
    "session": session,
    "gpu-not-listed": gpu_not_listed,
    "platform-id": platform_id,
    "fused-relu": fused_relu,
    "reported": reported,
}
"""By the id of the diagnosis: what shows on Apple silicon alone."""

ANYWHERE: dict[str, Callable[[Scene], Iterator[str]]] = {
    "no-tensorflow": no_tensorflow,
    "two-frameworks": two_frameworks,
    "two-plugins": two_plugins,
    "numpy-2": numpy_2,
    "protobuf": protobuf,
    "keras": keras,
    "pkg-resources": pkg_resources,
    "requirement": requirement,
}
"""And what is a matter of Python packages, on any machine."""

NOTES = frozenset(
    {"cuda", "requirement", "session", "gpu-not-listed", "platform-id", "fused-relu", "reported"}
)
"""Signs that may be harmless until something fails: a message, or a check of ``--deep``, makes a problem."""


def findings(scene: Scene) -> list[Finding]:
    """All that is wrong, and what is worth to know."""
    signs = {**(MAC if scene.machine.is_apple_silicon else {}), **ANYWHERE}
    found = []
    for name, sign in signs.items():
        saw = list(sign(scene))
        if saw:
            found.append(finding(name, saw, note=name in NOTES, values=_values(scene, name)))
    return found


def _values(scene: Scene, name: str) -> dict[str, str]:
    """What the commands of a diagnosis name: the bound that is broken, a library that nobody claims."""
    if name in _PACKAGES:
        bound, _ = needed(scene, _PACKAGES[name])
        return {"bound": bound} if bound else {}
    if name == "reported":
        pair = f"tf{scene.framework.version}-metal{scene.plugin.version}"
        return {"cell": f"py{scene.environment.minor}-{pair}"}
    notes = scene.plugins["notes"] if name == "leftover-plugin" else []
    unclaimed = [note.partition(" is in no ")[0] for note in notes if "a leftover" in note]
    return {"leftover": unclaimed[0]} if unclaimed and os.sep in unclaimed[0] else {}


def unknowns(scene: Scene) -> list[str]:
    """What cannot be told of this environment, in sentences."""
    said = list(scene.environment.problems)
    framework, plugin = scene.framework, scene.plugin
    pair = (framework.version, plugin.version) if framework and plugin else None
    if pair and scene.machine.is_apple_silicon and pair not in scene.known.links:
        said.append(
            f"Whether {plugin} loads into {framework} is not known: "
            f"what this clone knows ends on {scene.known.as_of}."
        )
    return said
