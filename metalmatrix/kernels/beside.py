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
    from metalmatrix.wheels.wheel_facts import Facts


@dataclass(frozen=True)
class Answer:
    """Where a model's ops run beside one version.

    Attributes:
        framework: The TensorFlow whose own kernels were taken.
    """

    variant: Variant
    framework: str
    placement: Placement

    def to_json(self) -> dict[str, Any]:
        """The answer as the machine interface tells it."""
        copies = self.placement.copies
        return {
            "version": self.variant.label,
            "tensorflow": self.framework,
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
        yield Answer(variant, beside, place(model, kernels, facts.signatures))


def fitting(variant: Variant, facts: FrameworkFacts, wheels: Facts) -> str:
    """The newest known TensorFlow whose line takes a version, by the loader's rules; else the oldest."""
    plugins = [(python, wheels.wheel(PLUGIN, variant.version, python)) for python in variant.pythons]
    for release in reversed(facts.releases):
        line = Version(release).release[:2]
        for python, plugin in plugins:
            for framework in wheels.frameworks(python) if plugin else ():
                if (
                    plugin is not None
                    and framework.fits(python)
                    and Version(framework.version).release[:2] == line
                    and not refusal([variant.library], framework.version)
                    and link(framework, plugin).outcome == "ok"
                ):
                    return release
    return facts.releases[0]
