"""A model beside each version of the plugin: with which TensorFlow, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from metalmatrix.kernels.executor import refusal
from metalmatrix.kernels.rules import from_kernel, registry
from metalmatrix.models.placing import place
from metalmatrix.published.releases import PLUGIN
from metalmatrix.wheels.link import link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.kernels.framework_facts import FrameworkFacts
    from metalmatrix.kernels.kernel_facts import Variant
    from metalmatrix.models.graphs import Model
    from metalmatrix.models.placing import Placement
    from metalmatrix.wheels.link import Outcome
    from metalmatrix.wheels.wheel_facts import Facts, WheelFacts


@dataclass(frozen=True)
class Answer:
    """Where a model's ops run beside one version.

    Attributes:
        framework: The TensorFlow whose own kernels were taken.
        refused: Why the version does not run beside it, or beside the one that was named; empty where it may.
    """

    variant: Variant
    framework: str
    refused: str
    placement: Placement

    def to_json(self) -> dict[str, Any]:
        """The answer as the machine interface tells it."""
        copies = self.placement.copies
        return {
            "version": self.variant.label,
            "tensorflow": self.framework,
            "refused": self.refused,
            "ops": [
                {
                    "op": one.op,
                    "dtypes": one.types,
                    "runs": one.where,
                    "count": one.count,
                    "macos": one.macos,
                    "part": one.part,
                    "layers": list(one.layers),
                }
                for one in self.placement.ops
            ],
            "copies": None
            if copies is None
            else [{"from": c.source, "into": c.target, "to": c.to, "count": c.count} for c in copies],
        }


def answers(
    model: Model, variants: Iterable[Variant], facts: FrameworkFacts, wheels: Facts, framework: str = ""
) -> Iterator[Answer]:
    """Where the ops of *model* run beside each of *variants*.

    Args:
        model: The model.
        variants: The versions.
        facts: What TensorFlow itself brings.
        wheels: What tells which TensorFlow a version fits.
        framework: The TensorFlow beside them; for each the newest that it fits where empty.
    """
    for variant in variants:
        beside = facts.nearest(framework) if framework else fitting(variant, facts, wheels)
        kernels = registry(map(from_kernel, variant.library.kernels), facts.rules[beside])
        refused = why_not(variant, framework or beside, wheels)
        yield Answer(variant, beside, refused, place(model, kernels, facts.signatures))


def stands_for(framework: str, facts: FrameworkFacts) -> str:
    """That another TensorFlow is taken for the named one, as a sentence; empty where it is that one."""
    wanted, taken = Version(framework).release, facts.nearest(framework)
    if Version(taken).release[: len(wanted)] == wanted:  # 2.18 names a line
        return ""
    return f"The kernels of TensorFlow {framework} were not read: those of {taken} stand for them."


def fitting(variant: Variant, facts: FrameworkFacts, wheels: Facts) -> str:
    """The newest known TensorFlow whose line takes a version, by the loader's rules; else the oldest."""
    for release in reversed(facts.releases):
        major, minor = Version(release).release[:2]
        if any(outcome == "ok" for outcome, _ in _tried(variant, f"{major}.{minor}", wheels)):
            return release
    return facts.releases[0]


def why_not(variant: Variant, framework: str, wheels: Facts) -> str:
    """Why a version does not run beside a TensorFlow, or beside any of the line *framework* (``2.18``).

    Empty where it is taken under one Python, and where nothing is known of such a TensorFlow.
    """
    tried = list(_tried(variant, framework, wheels))
    if any(outcome != "fails" for outcome, _ in tried):
        return ""
    if not tried and any(_meant(framework, python, wheels) for python in variant.pythons):
        return f"TensorFlow {framework} has no wheel for a Python that tensorflow-metal {variant.version} has"
    return tried[-1][1] if tried else ""


def _tried(variant: Variant, framework: str, wheels: Facts) -> Iterator[tuple[Outcome, str]]:
    """What comes of a version in each TensorFlow that is meant, by Python; and why, where it fails."""
    for python in variant.pythons:
        plugin = wheels.wheel(PLUGIN, variant.version, python)
        for taker in _meant(framework, python, wheels) if plugin else ():
            if plugin is None or not taker.fits(python):
                continue
            linked = link(taker, plugin)
            refused = refusal([variant.library], taker.version)
            if linked.outcome == "ok" and refused:
                yield "fails", f"TensorFlow {taker.version} does not take it: {refused}"
            else:
                yield linked.outcome, f"dyld does not load it into TensorFlow {taker.version}: {linked.line}"


def _meant(framework: str, python: str, wheels: Facts) -> list[WheelFacts]:
    """The published TensorFlows that are meant: that release, or where there is none, those of its line."""
    wanted = Version(framework)
    line = [
        taker
        for taker in wheels.frameworks(python)
        if Version(taker.version).release[:2] == wanted.release[:2]
    ]
    exact = [taker for taker in line if Version(taker.version) == wanted]
    return exact if exact and len(wanted.release) > 2 else line
