"""When TensorFlow takes a kernel for an op: by the dtypes of the op's attributes, as its own registry does.

``FindKernelRegistration`` of tensorflow/core/framework/op_kernel.cc: of the kernels of the op for the very
device type, those whose constraints hold, the highest priority first; where there is none, those for
``DEFAULT``, which every PluggableDevice gets.  A kernel with a label is taken only where a graph names it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metalmatrix.kernels.tensorflow_c import Kernel

Source = Literal["plugin", "TensorFlow"]
Types = "Mapping[str, tuple[str, ...]]"


@dataclass(frozen=True)
class Rule:
    """A kernel, or several that differ in one attribute's dtype alone.

    Attributes:
        op: The op.
        device: ``GPU`` or ``DEFAULT``.
        dtypes: The constraints: an attribute, and the dtypes that it may have.
        host: The arguments that are in the host's memory.
        source: Who registers it.
        priority: Of several that fit, the highest is taken.
        label: What a graph has to ask for; empty for all but a few.
        macos: The version from which on it is registered; empty where that is always.
    """

    op: str
    device: str
    dtypes: tuple[tuple[str, frozenset[str]], ...]
    host: tuple[str, ...]
    source: Source
    priority: int = 0
    label: str = ""
    macos: str = ""

    def fits(self, types: Mapping[str, tuple[str, ...]]) -> bool | None:
        """Whether the constraints hold for an op with these attributes; None where one is not known."""
        unknown = False
        for attribute, allowed in self.dtypes:
            if attribute not in types:
                unknown = True
            elif not set(types[attribute]) <= allowed:
                return False
        return None if unknown else True


def from_kernel(kernel: Kernel) -> Rule:
    """A plugin's kernel as a rule."""
    dtypes: defaultdict[str, set[str]] = defaultdict(set)
    for attribute, dtype in kernel.dtypes:
        dtypes[attribute].add(dtype)
    return Rule(
        kernel.op,
        kernel.device,
        tuple((attribute, frozenset(allowed)) for attribute, allowed in dtypes.items()),
        kernel.host,
        "plugin",
        kernel.priority,
        kernel.label,
        kernel.macos,
    )


@dataclass(frozen=True)
class Registry:
    """The kernels that a process has for one device type: a plugin's, and TensorFlow's own."""

    rules: tuple[Rule, ...]
    device: str = "GPU"

    @cached_property
    def _by_op(self) -> dict[str, list[Rule]]:
        found: defaultdict[str, list[Rule]] = defaultdict(list)
        for rule in self.rules:
            if rule.device in {self.device, "DEFAULT"} and not rule.label:
                found[rule.op].append(rule)
        for rules in found.values():
            rules.sort(key=lambda rule: (rule.device == "DEFAULT", -rule.priority))
        return dict(found)

    @cached_property
    def _asked(self) -> dict[str, frozenset[str]]:
        return {
            op: frozenset(name for rule in rules for name, _ in rule.dtypes)
            for op, rules in self._by_op.items()
        }

    def asked(self, op: str) -> frozenset[str]:
        """The attributes whose dtypes the kernels of an op ask for."""
        return self._asked.get(op, frozenset())

    def find(self, op: str, types: Mapping[str, tuple[str, ...]]) -> Rule | None:
        """The kernel that is taken; None where there is none.

        Raises:
            LookupError: It depends on an attribute that is not known.
        """
        doubt = ""
        for rule in self._by_op.get(op, ()):
            fits = rule.fits(types)
            if fits and not doubt:
                return rule
            if fits is None:
                doubt = ", ".join(name for name, _ in rule.dtypes if name not in types)
        if doubt:
            raise LookupError(doubt)
        return None


def registry(*groups: Iterable[Rule]) -> Registry:
    """A registry of all these rules."""
    return Registry(tuple(rule for group in groups for rule in group))
