from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.cells.cell import NO_PLUGIN, Cell, is_version
from metalmatrix.errors import UsageError
from metalmatrix.published import releases
from metalmatrix.published.releases import FRAMEWORKS, PLUGIN, PLUGINS, Release, Wheel

PYTHONS = st.integers(0, 99).map(lambda minor: f"3.{minor}")
VERSIONS = st.sampled_from(sorted({version for name in FRAMEWORKS for version in releases.published(name)}))
RELEASES = st.sampled_from(
    [(PLUGIN, NO_PLUGIN), *((name, version) for name in PLUGINS for version in releases.published(name))]
)


@st.composite
def cells(draw: st.DrawFn) -> Cell:
    """Any cell of published releases, by the framework's real name."""
    framework = draw(VERSIONS)
    name, plugin = draw(RELEASES)
    return Cell(draw(PYTHONS), framework, plugin, releases.distribution_of(framework), name)


@given(cells())
def test_an_id_names_its_cell_and_no_other(cell: Cell) -> None:
    """What an id was made from is what it is read as, for every published release."""
    assert Cell.parse(cell.id) == cell


@given(cells())
def test_ids_and_tags_are_safe_names(cell: Cell) -> None:
    """An id is a file name without a path or a blank, and a tag is an identifier that nox can select by."""
    assert set(cell.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
    assert ".." not in cell.id
    assert all(tag.isidentifier() for tag in cell.tags)


@given(cells(), cells())
def test_other_cells_have_other_ids(one: Cell, other: Cell) -> None:
    """Two cells share an id only where they are one; their order is total, so a table has one."""
    assert (one.id == other.id) == (one == other) == (one.sort_key == other.sort_key)


NAMES = st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,4}", fullmatch=True)


@given(NAMES, st.sampled_from(["0.4.1", "1.0", "2.0rc1"]))
def test_a_plugin_of_any_name_has_an_id_that_is_read_back(name: str, version: str) -> None:
    """Whatever a plugin is called, metal and nometal included, its cell's id is that cell's alone."""
    wheel = Wheel("x.whl", "0" * 64, 1)
    known = {name: {version: Release(name, version, "2026-01-01", yanked=False, wheels=(wheel,))}}
    framework = "2.17.1"
    published = releases.published
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("metalmatrix.cells.cell.PLUGINS", (PLUGIN, name))
        patch.setattr(releases, "published", lambda wanted: known.get(wanted) or published(wanted))
        cell = Cell("3.11", framework, version, "tensorflow", name)
        assert Cell.parse(cell.id) == cell
        assert cell.id not in {f"py3.11-tf{framework}-metal{version}", f"py3.11-tf{framework}-nometal"}


def test_a_plugin_of_another_name_spells_it() -> None:
    """The name stands in the id as in file names of wheels, and in the tags as an identifier."""
    cell = Cell("3.12", "2.21.0", "0.4.1", "tensorflow", "tensorflow-metal-plugin")
    assert cell.id == "py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.1"
    assert cell.tags == ("py3_12", "tf2_21", "tensorflow_metal_plugin0_4")
    assert cell.plugin_name == "tensorflow-metal-plugin 0.4.1"
    assert Cell.parse(cell.id) == cell


@pytest.mark.parametrize("plugin", ["metal0.8.0", "nometal", "tensorflow_metal_plugin-0.4.1"])
def test_the_kind_of_mac_is_in_the_id_where_it_is_not_apple_silicon(plugin: str) -> None:
    """A cell for Intel Macs has its own id and tag, and the one for Apple silicon keeps its own."""
    arm, intel = Cell.parse(f"py3.9-tf2.12.0-{plugin}"), Cell.parse(f"py3.9-tf2.12.0-{plugin}-x86_64")
    assert (arm.target, intel.target) == ("arm64", "x86_64")
    assert intel.id == f"{arm.id}-x86_64"
    assert intel.tags == (*arm.tags, "x86_64")
    assert (arm.distribution, intel.distribution) == ("tensorflow-macos", "tensorflow")
    for other in ("arm64", "ppc64", "x86_64-x86_64"):
        with pytest.raises(UsageError):
            Cell.parse(f"py3.9-tf2.12.0-{plugin}-{other}")


def test_a_cell_without_a_plugin_is_one_whichever_plugin_it_lacks() -> None:
    """Without a plugin its name means nothing: the cell is the same, and names none."""
    cell = Cell("3.12", "2.21.0", NO_PLUGIN, "tensorflow", "tensorflow-metal-plugin")
    assert cell == Cell("3.12", "2.21.0", NO_PLUGIN, "tensorflow")
    assert (cell.plugin_distribution, cell.plugin_name) == ("", "no plugin")


def test_the_id_and_the_tags_are_those_of_the_guide() -> None:
    """The recommended pair of the guides has the id and the tags that the documents write."""
    cell = Cell("3.9", "2.12.0", "0.8.0", "tensorflow-macos")
    assert cell.id == "py3.9-tf2.12.0-metal0.8.0"
    assert cell.tags == ("py3_9", "tf2_12", "metal0_8")


def test_a_cell_without_a_plugin_says_so() -> None:
    """Without a plugin the id ends in nometal, and so do the tags."""
    cell = Cell.parse("py3.11-tf2.15.1-nometal")
    assert cell.plugin == NO_PLUGIN
    assert cell.tags == ("py3_11", "tf2_15", "nometal")


@pytest.mark.parametrize(
    ("cell_id", "name"),
    [
        ("py3.11-tf2.15.0-nometal", "tensorflow-macos"),
        ("py3.11-tf2.15.1-nometal", "tensorflow"),
        ("py3.9-tf2.8.0-nometal", "tensorflow-macos"),
    ],
)
def test_a_framework_goes_by_the_name_that_holds_its_binaries(cell_id: str, name: str) -> None:
    """Which of the two names is real is read off the wheels: it changes at 2.15.1."""
    assert Cell.parse(cell_id).distribution == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "py3.11",
        "py3.11-tf2.15.1",
        "py3.11-tf2.15.1-metal",
        "py3.11-tf2.15.1-nometal\n",
        " py3.11-tf2.15.1-nometal",
        "py3.11-tf2.15.1-nometal/../../x",
        "py3.11-tf../../x-nometal",
        "py2.7-tf2.15.1-nometal",
        "py3.011-tf2.15.1-nometal",
        "py3.09-tf2.15.1-nometal",
        "py3.\u0661\u0661-tf2.15.1-nometal",
        "py3.11-TF2.15.1-nometal",
        "py3.11-tf2.15.1+x-nometal",
        "py3.11-tf2.15.1-tensorflow-metal-plugin-0.4.1",
        "py3.11-tf2.15.1-tensorflow_metal_plugin0.4.1",
        "py3.11-tf2.15.1-tensorflow__metal_plugin-0.4.1",
        "py3.11-tf2.15.1-_metal_plugin-0.4.1",
        "py3.11-tf2.15.1-../x-0.4.1",
        f"py3.11-tf2.15.1-{'x' * 61}-0.4.1",
    ],
)
def test_what_is_no_id_is_refused_with_an_example(text: str) -> None:
    """A text that is no id, or could be another file, is refused with an example of one."""
    with pytest.raises(UsageError, match="is not the id of a cell") as caught:
        Cell.parse(text)
    assert "py3.11-tf2.15.1-metal1.1.0" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("py3.11-tf2.15.9-nometal", "no release 2.15.9 of tensorflow", "2.15.1"),
        ("py3.11-tf2.15.1-metal1.1.9", "no release 1.1.9 of tensorflow-metal is known", "1.1.0"),
        ("py3.11-tf2.15-nometal", "no release 2.15 of", "2.15.0"),
        (
            "py3.12-tf2.21.0-tensorflow_metal_plugin-0.4.2",
            "no release 0.4.2 of tensorflow-metal-plugin is known",
            "0.4.1",
        ),
        (
            "py3.12-tf2.21.0-tensorflow_metl_plugin-0.4.1",
            "no plugin tensorflow-metl-plugin is known",
            "the closest are tensorflow-metal-plugin",
        ),
        ("py3.12-tf2.21.0-x-0.4.1", "no plugin x is known", "tensorflow-metal, tensorflow-metal-plugin"),
        (
            "py3.12-tf2.21.0-tensorflow_metal-1.1.0",
            "tensorflow-metal has a short name",
            "write py3.12-tf2.21.0-metal1.1.0 instead",
        ),
    ],
)
def test_a_release_that_is_not_known_is_refused_with_the_closest(text: str, what: str, hint: str) -> None:
    """A version that was never published is refused, with those it may be a slip of."""
    with pytest.raises(UsageError, match=what) as caught:
        Cell.parse(text)
    assert hint in caught.value.hint


def test_a_refusal_holds_no_more_of_the_text_than_a_line() -> None:
    """A megabyte given as an id is not printed back."""
    with pytest.raises(UsageError) as caught:
        Cell.parse("x" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_cells_sort_by_version_and_not_by_text() -> None:
    """2.9 comes before 2.10, no plugin before any, metal before others, and 3.9 before 3.10."""
    ids = [
        "py3.9-tf2.9.0-nometal",
        "py3.10-tf2.9.0-nometal",
        "py3.9-tf2.9.0-metal0.8.0",
        "py3.9-tf2.9.0-metal1.1.0",
        "py3.9-tf2.9.0-tensorflow_metal_plugin-0.4.1",
        "py3.9-tf2.10.0-nometal",
    ]
    found = sorted(map(Cell.parse, reversed(ids)), key=lambda cell: cell.sort_key)
    assert [cell.id for cell in found] == ids


def test_no_plugin_sorts_before_the_earliest_plugin() -> None:
    """Even a development release of a plugin comes after none."""
    without = Cell("3.9", "2.9.0", NO_PLUGIN, "tensorflow-macos")
    assert without.plugin_key < Cell("3.9", "2.9.0", "0.0.dev1", "tensorflow-macos").plugin_key


@pytest.mark.parametrize("text", ["2.15.1", "2.6.0rc1", "3.9"])
def test_a_version_in_normal_form_is_one(text: str) -> None:
    """What the index itself writes is a version."""
    assert is_version(text)


@pytest.mark.parametrize("text", ["2.15.01", "v2.15.1", "2.6.0-rc1", "2.15.1 ", ">=2.15", "none", ""])
def test_another_spelling_of_a_version_is_none(text: str) -> None:
    """PEP 440 would take some of these for a version, but they would be a second name for it."""
    assert not is_version(text)
