"""*Which wheel is this?*: what a wheel's name says, and what is known of it; pure.

What a name says is read off its tags (`asking.wheel_tags`); what a wheel of that name holds is known of the
published ones, by name or by digest, and of a file on disk it was read (`asking.wheel_file`).  Where the two
contradict each other, that is said first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from metalmatrix.asking import wheel_tags
from metalmatrix.asking.loose import COMMAND
from metalmatrix.errors import UsageError
from metalmatrix.published import releases
from metalmatrix.published.releases import FRAMEWORKS, LITERT, PLUGIN, PLUGINS
from metalmatrix.published.targets import ARM64, TARGETS, is_for
from metalmatrix.published.targets import named as target_name
from metalmatrix.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

    from metalmatrix.asking.wheel_file import Content
    from metalmatrix.asking.wheel_tags import Taken
    from metalmatrix.published.releases import Release
    from metalmatrix.published.targets import Target
    from metalmatrix.wheels.wheel_facts import Facts, WheelFacts

LONGEST = 240
"""Characters of a name; no file system takes many more."""

_EXAMPLE = "tensorflow_macos-2.12.0-cp39-cp39-macosx_12_0_arm64.whl"
LISTED = 6
"""Libraries that are named; of more, how many there are."""


@dataclass(frozen=True)
class Named:
    """What a wheel's name says."""

    file: str
    distribution: str
    version: str
    tags: frozenset[Tag]

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Who is given it on a Mac."""
        return wheel_tags.taken(self.tags)

    @property
    def target(self) -> Target | None:
        """The kind of Macs whose wheels it is kept with; None where it is for none."""
        return next((t for t in TARGETS if any(is_for(tag.platform, t) for tag in self.tags)), None)


def is_wheel(word: str) -> bool:
    """Whether somebody who types *word* means a wheel."""
    return _path_of(word).lower().endswith(".whl")


def _path_of(word: str) -> str:
    """A path, or that of an address without what stands behind it."""
    if re.match(r"[a-z][a-z+]{1,9}://", word):
        try:
            return unquote(urlsplit(word).path)
        except ValueError:
            return ""
    return word


def parse(word: str) -> Named:
    """What the name says that *word*, a name, a path or an address, ends with.

    Raises:
        UsageError: It is no name that a wheel can have.
    """
    file = re.split(r"[/\\]", _path_of(word))[-1]
    shown = repr(plain(file, 80))
    hint = f"five or six parts, as in {_EXAMPLE}"
    if len(file) > LONGEST:
        raise UsageError(f"{shown} has {len(file)} characters: no wheel is named like that", hint)
    if not re.fullmatch(r"[A-Za-z0-9._+!-]+", file):
        raise UsageError(f"{shown} has characters that no wheel's name has", hint)
    try:
        name, version, _, tags = parse_wheel_filename(file)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise UsageError(f"{shown} is no wheel's name: {plain(str(error), 160)}", hint) from error
    return Named(file, str(name), str(version), tags)


@dataclass(frozen=True)
class Explained:
    """A wheel, and what is known of it.

    Attributes:
        named: What its name says.
        release: The release that it is of by its name; None where none is known.
        facts: What is known of the published wheel of that name, or of that digest.
        content: What was read of it; None where only its name is known.
    """

    named: Named
    release: Release | None
    facts: WheelFacts | None
    content: Content | None = None

    @property
    def listed(self) -> releases.Wheel | None:
        """The published wheel of that name."""
        found = self.release.wheels + self.release.intel if self.release else ()
        return next((wheel for wheel in found if wheel.file == self.named.file), None)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """What the file and its name, or the index, do not agree about."""
        content, found = self.content, []
        if content is None:
            return ()
        name, version = content.named
        if canonicalize_name(name) != self.named.distribution or not _same(version, self.named.version):
            inside = plain(f"{name} {version}".strip(), 80) or "no name"
            found.append(f"inside, it says that it is {inside}: pip refuses it")
        if self.listed and self.listed.sha256 != content.sha256:
            found.append(
                "it is another file than the one that was published under this name: its sha256 is "
                f"{content.sha256}, and the published one's {self.listed.sha256}"
            )
        for taken in self.named.taken:
            lacks = [
                library.path
                for library in content.libraries or ()
                if taken.machine not in dict(library.macos)
            ]
            if lacks:
                found.append(
                    f"pip takes it for {taken.machine}, for which {few(lacks)} has no image: it cannot load"
                )
        return tuple(found)

    @property
    def built_for(self) -> dict[str, str]:
        """The macOS that its libraries were built for, the highest, by machine; empty where not known."""
        if self.content and self.content.libraries is not None:
            found: dict[str, str] = {}
            for library in self.content.libraries:
                for machine, macos in library.macos:
                    found[machine] = max(filter(None, (found.get(machine), macos)), key=Version, default="")
            return found
        macos = self.facts.macos_by_binary if self.facts else ""
        return {self.facts.target: macos} if self.facts and macos else {}

    @property
    def holds(self) -> str:
        """What it holds, in a sentence; empty where that is not known."""
        name, version, libraries = self.named.distribution, self.named.version, self._libraries()
        if self.facts or libraries:
            what = {
                **dict.fromkeys(FRAMEWORKS, "TensorFlow's own binaries"),
                **dict.fromkeys(PLUGINS, "a plugin, which TensorFlow loads when it is imported"),
                **dict.fromkeys(LITERT, "LiteRT, which runs models without TensorFlow"),
            }.get(name, "compiled libraries")
            return f"{what}: {few(libraries)}"
        if self.listed and name in FRAMEWORKS and self.listed.size >= releases.BINARIES_FROM:
            return "TensorFlow's own binaries, which have not been read"
        empty = self.listed and self.listed.size < releases.BINARIES_FROM
        if name in FRAMEWORKS and (empty or libraries == []):
            real = releases.distribution_of(version, self.named.target or ARM64)
            instead = f"{real} {version} holds the binaries" if real != name else "no other name has them"
            return f"an empty wheel: there is no TensorFlow in it, and {instead}"
        return "nothing that is compiled for a Mac" if libraries == [] else ""

    def _libraries(self) -> list[str] | None:
        """The paths of its libraries; None where they are not known."""
        if self.content and self.content.libraries is not None:
            return [library.path for library in self.content.libraries]
        return [library.path for library in self.facts.libraries] if self.facts else None

    @property
    def known(self) -> str:
        """Whether it was published, in a sentence."""
        name, version, day = self.named.distribution, self.named.version, releases.read_on()
        if name not in releases.DISTRIBUTIONS:
            return f"Not known: of {name} no releases are kept here, only of {_and(releases.DISTRIBUTIONS)}."
        if self.release is None:
            near = releases.closest(name, version)
            closest = f" The closest are {_and(near)}." if near else ""
            return f"Not known: no {name} {version} was published by {day}.{closest}"
        told = f"{name} {version} was published on {self.release.uploaded}"
        told += ", and withdrawn since" if self.release.yanked else ""
        if self.listed:
            same = self.content and self.content.sha256 == self.listed.sha256
            this = "this very file" if same else "a file of this name"
            return f"{told}, with {this}: {self.listed.size:,} bytes, sha256 {self.listed.sha256}."
        if self.named.target is None:
            return f"{told}; of its files only those for Macs are kept here."
        have = few([wheel.file for wheel in self.release.wheels_for(self.named.target)]) or "none"
        where = f"macOS on {target_name(self.named.target)}"
        return f"{told}, without a file of this name; for {where} there is {have}."

    @property
    def command(self) -> str:
        """What to type to see what it works with; empty where it is neither framework nor plugin."""
        target = self.named.target or ARM64
        pythons = next((one.pythons for one in self.named.taken if one.machine == target), ())
        words: list[str] = [] if target == ARM64 else [target]
        words += [f"3.{pythons[0]}"] if len(pythons) == 1 else []
        if self.release is None or not releases.has_binaries(self.release, target):
            return ""
        if self.named.distribution in FRAMEWORKS:
            words.append(f"tf{self.named.version}")
        elif self.named.distribution in PLUGINS:
            label = "metal" if self.named.distribution == PLUGIN else f"{self.named.distribution}=="
            words.append(f"{label}{self.named.version}")
        elif self.named.distribution in LITERT and target == ARM64:
            words.append(f"{self.named.distribution}=={self.named.version}")
        else:
            return ""
        return f"{COMMAND} {' '.join(words)}"

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        content = self.content
        return {
            "wheel": self.named.file,
            "distribution": self.named.distribution,
            "version": self.named.version,
            "tags": sorted(map(str, self.named.tags)),
            "meanings": [list(pair) for pair in wheel_tags.meanings(self.named.tags)],
            "taken": [
                {
                    "machine": one.machine,
                    "pythons": [f"3.{minor}" for minor in one.pythons],
                    "free_threaded": [f"3.{minor}" for minor in one.free_threaded],
                    "macos": one.macos,
                }
                for one in self.named.taken
            ],
            "built_for": self.built_for,
            "holds": self.holds,
            "libraries": self._libraries(),
            "known": self.known,
            "sha256": content.sha256 if content else "",
            "contradictions": list(self.contradictions),
        }


def explained(named: Named, facts: Facts, content: Content | None = None) -> Explained:
    """What is known of a wheel.

    Args:
        named: What its name says.
        facts: What is known of the published wheels.
        content: What was read of it; None where only its name is known.
    """
    release = releases.published(named.distribution).get(named.version)
    if content is not None:
        return Explained(named, release, facts.by_sha256.get(content.sha256), content)
    found = next((wheel for wheel in facts.wheels if wheel.file == named.file), None)
    return Explained(named, release, found)


def few(names: Iterable[str] | None) -> str:
    """Names from elsewhere as a sentence has them: the first few, and how many more there are."""
    names = [plain(name, 120) for name in names or ()]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return " and ".join(filter(None, [", ".join(first), last]))


def _same(inside: str, version: str) -> bool:
    try:
        return Version(inside) == Version(version)
    except InvalidVersion:
        return False
