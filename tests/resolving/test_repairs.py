"""The repairs are data, linted like code: each rule is a function, beside entries that break it."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix_file import PYTHONS
from metalmatrix.errors import MatrixError, UsageError
from metalmatrix.published import releases
from metalmatrix.published.releases import FRAMEWORKS
from metalmatrix.resolving.repairs import DATA, Repair, load_repairs, repairs_for
from metalmatrix.running.checklist import check_catalog
from tests.samples import NUMPY, lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAR = dt.date(2100, 1, 1)


def bound_is_one_bound(repair: Repair) -> bool:
    """The bound is a package in its normal form with a specifier, and nothing more: a constraint."""
    try:
        requirement = Requirement(repair.bound)
    except InvalidRequirement:
        return False
    name = canonicalize_name(requirement.name)
    return bool(requirement.specifier) and repair.bound == f"{name}{requirement.specifier}"


def frameworks_match_a_release(repair: Repair) -> bool:
    """At least one known release with binaries for a Mac is among the frameworks."""
    try:
        found = [
            releases.published(name)[version]
            for name in FRAMEWORKS
            for version in releases.expand(name, repair.frameworks, FAR)
        ]
    except MatrixError:
        return False
    return any(map(releases.has_binaries, found))


def pythons_match_one(repair: Repair) -> bool:
    """At least one known Python is among the Pythons."""
    try:
        return any(map(SpecifierSet(repair.python).contains, PYTHONS))
    except InvalidSpecifier:
        return False


def proof_is_a_cell_it_applies_to(repair: Repair) -> bool:
    """The cell that proves it is among those it is for, and without a plugin, which no rehearsal has."""
    try:
        cell = Cell.parse(repair.proof)
    except UsageError:
        return False
    return repair.applies(cell) and cell.plugin == "none"


def dates_are_days_in_order(repair: Repair) -> bool:
    """What broke it was uploaded before the proof, and neither is in the future of the data."""
    try:
        since, proved = dt.date.fromisoformat(repair.since), dt.date.fromisoformat(repair.proved)
    except ValueError:
        return False
    return dt.date(2020, 1, 1) < since <= proved <= dt.datetime.now(dt.timezone.utc).date()


def check_exists(repair: Repair) -> bool:
    """It names the check that fails without it."""
    return repair.check in {info.id for info in check_catalog()}


def it_says_what_is_seen_and_why(repair: Repair) -> bool:
    """The message is words, without the exception's class; why is a half-sentence for a note."""
    said = bool(repair.message.strip()) and not repair.message.split(":")[0].endswith("Error")
    return said and bool(repair.why) and not repair.why.endswith(".")


RULES: tuple[tuple[Callable[[Repair], bool], tuple[dict[str, str], ...]], ...] = (
    (
        bound_is_one_bound,
        (
            {"bound": "numpy"},
            {"bound": "numpy <2"},
            {"bound": "NumPy<2"},
            {"bound": "numpy<2; python_version < '3.12'"},
            {"bound": "numpy[x]<2"},
            {"bound": "--pre"},
        ),
    ),
    (
        frameworks_match_a_release,
        ({"frameworks": "==2.99.*"}, {"frameworks": "2.14"}, {"frameworks": "==2.5.0rc0"}),
    ),
    (pythons_match_one, ({"python": ">=4"}, {"python": "3.9"})),
    (
        proof_is_a_cell_it_applies_to,
        (
            {"proof": "numpy"},
            {"proof": "py3.11-tf2.15.1-nometal"},
            {"proof": "py3.8-tf2.14.0-nometal"},
            {"proof": "py3.11-tf2.14.0-metal1.1.0"},
        ),
    ),
    (
        dates_are_days_in_order,
        (
            {"since": "June 2024"},
            {"since": "2026-12-01", "proved": "2026-11-20"},
            {"proved": "2999-01-01"},
            {"since": "1970-01-01"},
        ),
    ),
    (check_exists, ({"check": "imports"}, {"check": ""})),
    (
        it_says_what_is_seen_and_why,
        ({"message": ""}, {"message": "TypeError: no"}, {"why": ""}, {"why": "It was built so."}),
    ),
)


@pytest.mark.parametrize(
    "repair", load_repairs(), ids=lambda repair: f"{repair.bound} for {repair.frameworks}"
)
@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: rule.__name__)
def test_each_entry_keeps_each_rule(rule: Callable[[Repair], bool], repair: Repair) -> None:
    """Every entry of the data keeps every rule."""
    assert rule(repair), rule.__doc__


@pytest.mark.parametrize(
    ("rule", "bad"),
    [(rule, bad) for rule, entries in RULES for bad in entries],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_each_rule_finds_its_bad_example(rule: Callable[[Repair], bool], bad: dict[str, str]) -> None:
    """An entry that is sound but for one thing breaks the rule about that thing."""
    assert rule(NUMPY)
    assert not rule(replace(NUMPY, **bad))


def overlaps(repairs: tuple[Repair, ...]) -> Iterator[tuple[str, str]]:
    """Package and cell of two repairs that both hold: one of them is too wide, or not needed."""
    versions = {version for name in FRAMEWORKS for version in releases.published(name)}
    cells = [
        Cell(python, version, "none", releases.distribution_of(version))
        for python in PYTHONS
        for version in versions
    ]
    for cell in cells:
        names = [repair.requirement.name for repair in repairs if repair.applies(cell)]
        yield from ((name, cell.id) for name in set(names) if names.count(name) > 1)


def test_no_two_repairs_bound_one_package_of_a_cell() -> None:
    """For a cell, each package has one bound at most: who reads the pins finds one reason for each."""
    assert not list(overlaps(load_repairs()))
    assert list(overlaps((NUMPY, replace(NUMPY, frameworks=">=2.14,<2.15", bound="numpy<1.27"))))


def test_every_bound_was_broken_by_an_upload_after_the_framework() -> None:
    """A set rots when something is uploaded later than the framework that asks for it."""
    for repair in load_repairs():
        cell = Cell.parse(repair.proof)
        assert (
            releases.published(cell.distribution)[cell.framework].uploaded < repair.since
            or "2.20" in repair.proof
        )


def test_the_file_tells_each_field_once() -> None:
    """The fields of an entry are those of the class: none is missing, and none written twice."""
    text = DATA.read_text(encoding="utf-8")
    for field in fields(Repair):
        assert text.count(f"\n{field.name} = ") == len(load_repairs()) == text.count("[[repair]]\n")


class TestApplying:
    @pytest.mark.parametrize(
        ("cell", "bounds"),
        [
            ("py3.9-tf2.6.0-nometal", set()),
            ("py3.8-tf2.7.0-nometal", {"protobuf<3.21"}),
            ("py3.9-tf2.9.0-nometal", {"protobuf<3.21", "numpy<2", "setuptools<82"}),
            ("py3.10-tf2.11.0-metal0.8.0", {"numpy<2", "setuptools<82"}),
            ("py3.9-tf2.12.0-metal0.8.0", {"setuptools<82"}),
            ("py3.11-tf2.14.0-nometal", {"numpy<2", "setuptools<82"}),
            ("py3.11-tf2.15.1-metal1.1.0", {"setuptools<82"}),
            ("py3.13-tf2.21.0-nometal", set()),
        ],
    )
    def test_the_bounds_of_a_cell_are_those_that_were_found(self, cell: str, bounds: set[str]) -> None:
        """The repairs of known cells are those that the measurements ask for, and no others."""
        assert {repair.bound for repair in repairs_for(Cell.parse(cell))} == bounds

    def test_a_release_candidate_counts_as_its_version(self) -> None:
        """A specifier holds for pre-releases too, though nobody names them in it."""
        assert replace(NUMPY, frameworks=">=2.13,<2.15").applies(Cell.parse("py3.11-tf2.14.0rc0-nometal"))

    @pytest.mark.parametrize("pin", ["numpy==2.0.0", "numpy==2.0.0rc1", "numpy==3.1"])
    def test_a_lock_that_holds_the_package_outside_violates_a_bound(self, pin: str) -> None:
        """NumPy from 2.0's first candidate on is what `numpy<2` is about."""
        assert NUMPY.violated_by(lock(pin, "six==1.17.0"))

    @pytest.mark.parametrize("pin", ["numpy==1.26.4", "numpy==1.27.0rc1", "scipy==2.0"])
    def test_another_lock_does_not(self, pin: str) -> None:
        """Only the package that is bounded counts, in the version that the lock has."""
        assert not NUMPY.violated_by(lock(pin, "six==1.17.0"))


def test_a_repair_is_only_data() -> None:
    """Every field is a string of the file, on which the tests above can depend."""
    assert all(isinstance(value, str) for value in asdict(NUMPY).values())
