"""What the signs look at: an environment, a machine, what the table knows; and what follows of them at once.

Distributions are asked with the code of the `packages` check, for the folders that the environment's own
interpreter named.  Nothing is imported or run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metalmatrix.doctor.look import checks_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metalmatrix.doctor.known import Known
    from metalmatrix.doctor.look import Environment
    from metalmatrix.doctor.machine import Machine

PLUGIN = "tensorflow-metal"
_CLAUSE = r"(?:[<>=!~]=|[<>])[0-9][0-9a-z.*]{0,20}"
_SPECIFIER = re.compile(rf"{_CLAUSE}(?:,{_CLAUSE}){{0,15}}")


@dataclass(frozen=True)
class Scene:
    """All that the signs look at.

    Attributes:
        variables: The environment variables of who asks.
    """

    environment: Environment
    machine: Machine
    known: Known
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def frameworks(self) -> list[Any]:
        """The distributions that are TensorFlow by their names."""
        names = checks_module("check_packages").FRAMEWORKS
        return [item for item in self.environment.distributions if item.name in names]

    @cached_property
    def holders(self) -> list[Any]:
        """Those of them that hold TensorFlow's code: the others are empty wheels."""
        package_file = checks_module("check_packages").package_file
        return [item for item in self.frameworks if package_file(item) in item.files]

    @property
    def framework(self) -> Any:  # noqa: ANN401 - a Distribution of checks/
        """The TensorFlow that is imported, or None."""
        return next(iter(self.holders or self.frameworks), None)

    @property
    def plugin(self) -> Any:  # noqa: ANN401
        """The plugin that is installed, or None."""
        return self.environment.first(PLUGIN)

    @cached_property
    def plugins(self) -> dict[str, list[str]]:
        """What the `packages` check says of libraries in ``tensorflow-plugins``: errors, notes, loaded."""
        check, environment = checks_module("check_packages"), self.environment
        facts: dict[str, Any] = {}
        notes: list[str] = []
        source = check.source_of(self.holders)
        folders = [folder for folder in environment.folders if "site-packages" in folder]
        # By TensorFlow's own rule (`check_packages.site_folders`): 2.20 looks there from any environment.
        if environment.user_site and "get_scheme_names" in source:
            folders.append(environment.user_site)
        folders = list(dict.fromkeys(folders))
        errors = check.plugin_errors(facts, notes, list(environment.distributions), source, folders)
        return {"errors": errors, "notes": notes, "loaded": facts["plugins_loaded"]}

    @cached_property
    def rivals(self) -> dict[str, list[str]]:
        """What it says of frameworks that stand in each other's place: errors and notes."""
        notes: list[str] = []
        check = checks_module("check_packages")
        errors = check.framework_errors(notes, self.frameworks, self.holders)
        return {"errors": errors, "notes": notes}

    def within(self, version: str, specifier: str) -> bool | None:
        """Whether a version is within a specifier; None where one of them cannot be understood."""
        answer = checks_module("checkdists").satisfies(version, specifier)
        return answer if isinstance(answer, bool) else None


def needed(scene: Scene, package: str) -> tuple[str, str]:
    """The bound that an installed package breaks, and how that is seen; both empty where all is well.

    The bound is a repair's, or what TensorFlow asks for by its own word, where that is nothing but a bound.
    """
    framework, item = scene.framework, scene.environment.first(package)
    if framework is None or item is None:
        return "", ""
    for bound in scene.known.bounds:
        name = re.split(r"[<>=!~]", bound.bound, maxsplit=1)[0]
        applies = scene.within(framework.version, bound.frameworks)
        applies = applies and scene.within(scene.environment.minor, bound.python)
        if name == package and applies and scene.within(item.version, bound.bound[len(name) :]) is False:
            since = f"broken since {bound.since}, by {bound.upload}"
            seen = f"{item} is installed, and {framework} needs {bound.bound}: {bound.why} ({since})"
            return bound.bound, seen
    asked = framework.requirement(package, scene.environment.minor)
    if asked and scene.within(item.version, asked) is False:
        return _bound(package, asked), f"{item} is installed, and {framework} asks for {package}{asked}"
    return "", ""


def _bound(package: str, asked: str) -> str:
    """A requirement fit for a command line; empty where it is more than versions."""
    compact = asked.replace(" ", "")
    return f"{package}{compact}" if _SPECIFIER.fullmatch(compact) else ""
