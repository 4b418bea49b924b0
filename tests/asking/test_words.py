"""Words to cells: every way to write a version, and what is said of those that mean nothing."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metalmatrix.asking.loose import COMMAND
from metalmatrix.asking.words import LONGEST, MOST, find
from metalmatrix.cells import history
from metalmatrix.cells.cell import NO_PLUGIN, Cell
from metalmatrix.errors import UsageError
from tests.samples import HOSTILE
from tests.universe import FRAMEWORKS, PLUGINS, PYTHONS, universe

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = universe()
DIGITS = "0123456789.lrcpytfmetalnons=-*?[]<>~ ,;vVx'\"$`\\"


def ids(*typed: str) -> list[str]:
    """The ids that words mean."""
    return [cell.id for cell in find(typed, CELLS).cells]


def refused(*typed: str, cells: tuple[Cell, ...] = CELLS) -> UsageError:
    """The error that words are refused with."""
    with pytest.raises(UsageError) as caught:
        find(typed, cells)
    return caught.value


def error_of(typed: list[str]) -> UsageError | None:
    """The error that words are refused with, if they are."""
    try:
        find(typed, CELLS)
    except UsageError as error:
        return error
    return None


def suggested(error: UsageError) -> list[str]:
    """The words of the command that an error tells to type."""
    assert COMMAND in error.hint
    return shlex.split(error.hint.rpartition(COMMAND)[2])


class TestAxes:
    @pytest.mark.parametrize(
        "word", ["3.11", "py3.11", "python3.11", "Python3.11", "3.11.4", "cp311", "py311"]
    )
    def test_a_python_by_any_of_its_names(self, word: str) -> None:
        """A minor version, with its patch level or without, chooses one Python."""
        assert ids(word, "2.18.0", "1.1.0") == ["py3.11-tf2.18.0-metal1.1.0"]

    @pytest.mark.parametrize(
        "word",
        [
            "2.18.0",
            "tf2.18.0",
            "TF2.18.0",
            "v2.18.0",
            "tensorflow==2.18.0",
            "tensorflow 2.18.0",
            "tf==2.18.0",
        ],
    )
    def test_a_framework_by_any_of_its_names(self, word: str) -> None:
        """A release, however it is written, chooses one framework."""
        assert ids("3.11", word, "none") == ["py3.11-tf2.18.0-nometal"]

    @pytest.mark.parametrize(
        "word",
        ["1.1.0", "1.1", "metal1.1.0", "metal 1.1", "tensorflow-metal==1.1.0", "tensorflow_metal==1.1.0"],
    )
    def test_a_plugin_by_any_of_its_names(self, word: str) -> None:
        """A release of the plugin, or its series of one, chooses one plugin."""
        assert ids(word, "2.18.0", "3.11") == ["py3.11-tf2.18.0-metal1.1.0"]

    @pytest.mark.parametrize("word", ["none", "nometal", "no-metal", "noplugin", "NoMetal"])
    def test_no_plugin_by_any_of_its_names(self, word: str) -> None:
        """Doing without is a choice too."""
        assert ids("3.11", "2.18.0", word) == ["py3.11-tf2.18.0-nometal"]

    def test_the_order_does_not_matter(self) -> None:
        """Each order of three words means the same."""
        assert ids("1.1.0", "3.11", "2.18.0") == ids("2.18.0", "1.1.0", "3.11") == ids("3.11 2.18.0, 1.1.0")

    def test_what_is_not_named_is_all_of_it(self) -> None:
        """A framework alone means every Python and every plugin, and none."""
        assert len(ids("2.18.0")) == len(PYTHONS) * len(PLUGINS)
        assert len(ids("3.11")) == len(FRAMEWORKS) * len(PLUGINS)

    def test_metal_alone_is_every_plugin(self) -> None:
        """The plugin's name without a version leaves out the cells without one."""
        assert len(ids("3.11", "2.18.0", "metal")) == len(PLUGINS) - 1
        assert ids("metal", "3.11", "2.18.0") == ids("3.11", "2.18.0", "metal")

    def test_words_of_one_axis_add_up(self) -> None:
        """Two Pythons are both meant."""
        assert ids("3.11", "3.12", "2.18.0", "none") == ["py3.11-tf2.18.0-nometal", "py3.12-tf2.18.0-nometal"]


class TestSeries:
    @pytest.mark.parametrize(
        "word", ["2.18", "tf2.18", "tensorflow 2.18", "2.18.*", "2.18.x", "tensorflow==2.18.*"]
    )
    def test_a_series_is_its_final_releases(self, word: str) -> None:
        """Pre-releases are meant only where they are named."""
        assert ids(word, "3.11", "none") == ["py3.11-tf2.18.0-nometal", "py3.11-tf2.18.1-nometal"]

    def test_a_pre_release_is_meant_when_it_is_named(self) -> None:
        """Its whole version names it."""
        assert ids("2.18.0rc0", "3.11", "none") == ["py3.11-tf2.18.0rc0-nometal"]

    def test_a_series_without_a_final_release_tells_what_there_is(self) -> None:
        """Nothing is guessed: the command names the pre-release."""
        error = refused("2.22", "3.11")
        assert "only pre-releases" in error.what
        assert suggested(error) == ["2.22.0rc0", "3.11"]


class TestIds:
    def test_an_id_is_its_cell(self) -> None:
        """Ids stand for themselves, in the order they were typed."""
        names = ("py3.12-tf2.18.0-nometal", "py3.9-tf2.9.0-metal0.8.0")
        assert ids(*names) == list(names)

    def test_a_pattern_is_all_that_it_matches(self) -> None:
        """As the shell's own patterns, over ids."""
        assert ids("py3.11-tf2.1[57]*-nometal") == [
            f"py3.11-tf2.{v}-nometal" for v in ("15.0", "15.1", "17.0", "17.1")
        ]

    def test_ids_patterns_and_words_can_be_mixed(self) -> None:
        """All words that are neither id nor pattern are one query; nothing is told twice."""
        found = ids("py3.9-tf2.9.0-nometal", "3.11", "py3.11-tf2.18.0-no*", "2.18.0", "none")
        assert found == ["py3.9-tf2.9.0-nometal", "py3.11-tf2.18.0-nometal"]

    def test_half_an_id_is_its_cells(self) -> None:
        """The parts of an id name their axes, so one may be left out or be a series."""
        assert ids("py3.11-tf2.18-metal1.1") == ["py3.11-tf2.18.0-metal1.1.0", "py3.11-tf2.18.1-metal1.1.0"]
        assert len(ids("py3.11-tf2.18.0")) == len(PLUGINS)

    def test_a_release_without_wheels_for_macs_can_be_named_by_its_id(self) -> None:
        """It was published, so there is something to say of it."""
        assert ids("py3.9-tf2.5.1-nometal") == ["py3.9-tf2.5.1-nometal"]
        assert "without a wheel for Apple silicon" in refused("2.5.1").what

    def test_a_pattern_of_nothing_is_refused(self) -> None:
        """With an example of one that matches."""
        error = refused("py3.16-*")
        assert "'py3.16-*'" in error.what
        assert suggested(error)


class TestIntel:
    """Cells for Intel Macs are meant where a word says so, and only then."""

    CELLS = (*history.cells(), *history.cells("x86_64"))

    @pytest.mark.parametrize("word", ["x86_64", "x86-64", "intel", "Intel", "AMD"])
    def test_a_word_for_the_mac(self, word: str) -> None:
        """Wherever it stands."""
        for typed in (["3.9", "2.12.0", "0.8.0", word], [word, "py3.9-tf2.12.0-metal0.8.0"]):
            found = find(typed, self.CELLS).cells
            assert [cell.id for cell in found] == ["py3.9-tf2.12.0-metal0.8.0-x86_64"]

    def test_without_it_apple_silicon_is_meant(self) -> None:
        """By loose words and by patterns alike."""
        for typed in (["2.12"], ["py3.9-tf2.12*"], ["py3.9-tf2.12-metal"]):
            assert {cell.target for cell in find(typed, self.CELLS).cells} == {"arm64"}

    def test_ids_and_patterns_say_it_themselves(self) -> None:
        """An id that ends with it stands beside one that does not."""
        both = ["py3.9-tf2.12.0-nometal", "py3.9-tf2.12.0-nometal-x86_64"]
        assert [cell.id for cell in find(both, self.CELLS).cells] == both
        found = find(["py3.9-tf2.12.0-metal0.?.?-x86_64"], self.CELLS).cells
        assert {cell.target for cell in found} == {"x86_64"}
        assert len(found) > 5

    def test_alone_it_means_all_of_them(self) -> None:
        """What is not named is all of it."""
        assert {cell.target for cell in find(["intel"], self.CELLS).cells} == {"x86_64"}

    @pytest.mark.parametrize(
        ("typed", "what", "instead"),
        [
            ("x86_64 2.17.0", "2.17.0 was published without a wheel for Intel Macs", "x86_64 2.15.0"),
            ("x86_64 2.18", "2.18 was published without a wheel for Intel Macs", "x86_64 2.16"),
            ("intel 1.1.0", "'1.1.0' is no known version", "intel 1.0.0"),
            (
                "py3.9-tf2.12.0-metal0.8.9-x86_64",
                "'0.8.9' is no known version of tensorflow-metal",
                "py3.9-tf2.12.0-metal0.8.0-x86_64",
            ),
        ],
    )
    def test_what_there_is_not(self, typed: str, what: str, instead: str) -> None:
        """The refusal speaks of Intel Macs, and the command to type still does."""
        error = refused(*typed.split(), cells=self.CELLS)
        assert what in error.what
        assert " ".join(suggested(error)) == instead

    def test_a_second_build_is_told(self) -> None:
        """Apple's build of a release is another one, and never said to be empty there."""
        (note,) = find(["tensorflow-macos==2.12.0", "3.9", "none", "intel"], self.CELLS).notes
        assert note == (
            "tensorflow-macos 2.12.0 is another build, by Apple: tensorflow 2.12.0 is what is explained here"
        )


class TestTypos:
    @pytest.mark.parametrize(
        ("typed", "instead"),
        [
            ("2.81", "2.18"),
            ("3.110", "3.11"),
            ("1.l.0", "1.1.0"),
            ("metal1.11", "metal1.1.0"),
            ("2,18", "2.18"),
            ("3.11 2.81 1.1.0", "3.11 2.18 1.1.0"),
            ("tensroflow==2.18", "tensorflow==2.18"),
            ("tensorflow 2.81", "tensorflow 2.18"),
            ("tensorflow-metl==1.1.0", "tensorflow-metal==1.1.0"),
            ("nometl", "nometal"),
            ("conda-forg 2.18", "conda-forge 2.18"),
            ("py3.11-tf2.81.0-metal1.1.0", "py3.11-tf2.18.0-metal1.1.0"),
            ("py3.99-tf2.18.0-nometal", "py3.9-tf2.18.0-nometal"),
            ("py3.11-tf2.15.9-nometal", "py3.11-tf2.15.1-nometal"),
        ],
    )
    def test_a_slip_is_told_with_the_command_to_type(self, typed: str, instead: str) -> None:
        """The whole command, with only the slip mended; and it is one that is understood."""
        error = refused(*typed.split())
        assert suggested(error) == instead.split()
        assert ids(*suggested(error))

    def test_all_slips_are_mended_at_once(self) -> None:
        """In ids as in loose words; a part of an id keeps its name."""
        assert suggested(refused("py.11-tf2.81-nometl", "metal1.11", "3.9")) == [
            "py3.11-tf2.18-nometal",
            "metal1.1.0",
            "3.9",
        ]

    def test_the_closest_are_named(self, golden: Callable[[str, str], None]) -> None:
        """Typos of each kind, whole."""
        told = (
            "2.81",
            "3.11 2.81 1.l.0",
            "metal1.11",
            "py3.11-tf2.81.0-metal1.1.0",
            "tensroflow==2.18",
            "2.22",
        )
        more = ("foo", "tensorflow>=2.17", "py3.16-*", "3.11 99", "2.5.1")
        blocks = [f"{COMMAND} {typed}\nerror: {refused(typed)}\n" for typed in (*told, *more)]
        golden("explain-typos.txt", "\n".join(blocks))

    def test_a_suggestion_is_named_where_its_number_is_not_clear(self) -> None:
        """Where TensorFlow has a 3.9 too, the command says which is meant."""
        cells = universe(frameworks=("3.9.0", "3.10.0"))
        assert find(suggested(refused("3.99", "none", cells=cells)), cells).cells

    @pytest.mark.parametrize("typed", ["tensorflow>=2.17", "2.17!", "~2.17"])
    def test_a_range_is_refused_as_such(self, typed: str) -> None:
        """A range is told to be one, and is not taken for a typo."""
        assert "is a range" in refused(typed).what


class TestAmbiguous:
    CELLS = universe(frameworks=("2.18.0", "3.11.0", "3.12.0"))

    def test_a_number_of_two_axes_is_refused(self, golden: Callable[[str, str], None]) -> None:
        """Were there a TensorFlow 3.11, it would be told how to write each."""
        error = refused("3.11", cells=self.CELLS)
        golden("explain-ambiguous.txt", f"{COMMAND} 3.11\nerror: {error}\n")
        assert find(suggested(error), self.CELLS).cells

    def test_what_another_word_has_taken_is_not_meant(self) -> None:
        """Beside py3.12, 3.11 can only be the framework; and that makes the rest clear too."""
        (cell,) = find(["3.11", "py3.12", "none"], self.CELLS).cells
        assert (cell.python, cell.framework) == ("3.12", "3.11.0")
        (cell,) = find(["3.11", "2.18", "none"], self.CELLS).cells
        assert (cell.python, cell.framework) == ("3.11", "2.18.0")

    def test_two_numbers_of_the_same_two_axes_are_refused(self) -> None:
        """Which is which cannot be told from their order."""
        error = refused("3.11", "3.12", cells=self.CELLS)
        assert "'3.11' may be" in error.what
        assert "'3.12' may be" in error.what


class TestNames:
    @pytest.mark.parametrize(
        ("word", "said"),
        [
            (
                "tensorflow-macos==2.17.0",
                "tensorflow-macos 2.17.0 was never published: tensorflow 2.17.0 holds",
            ),
            (
                "tensorflow-macos==2.15.1",
                "tensorflow-macos 2.15.1 is an empty wheel on Apple silicon: tensorflow",
            ),
            (
                "tensorflow==2.9.0",
                "tensorflow 2.9.0 has no wheel for Apple silicon: tensorflow-macos 2.9.0 holds",
            ),
        ],
    )
    def test_a_name_that_holds_no_binaries_gets_a_sentence(self, word: str, said: str) -> None:
        """The release is explained by the name it is real under, and that is said."""
        (note,) = find([word, "3.11", "none"], CELLS).notes
        assert note.startswith(said)

    @pytest.mark.parametrize("word", ["tensorflow 2.9.0", "2.9.0", "tf2.9.0", "tensorflow-macos==2.9.0"])
    def test_the_right_name_and_the_product_need_none(self, word: str) -> None:
        """`tensorflow 2.9.0` speaks of the product, and not of a distribution."""
        assert find([word, "none"], CELLS).notes == ()


@dataclass(frozen=True)
class OtherCell(Cell):
    """A cell whose plugin is another distribution, as cells are to have them."""

    plugin_distribution: str = "tensorflow-metal-plugin"

    @property
    def id(self) -> str:
        """Its plugin spelled as in the file names of wheels."""
        name = self.plugin_distribution.replace("-", "_")
        return f"py{self.python}-tf{self.framework}-{name}-{self.plugin}"


class TestOtherPlugins:
    CELLS = (
        *universe(plugins=(NO_PLUGIN, "1.1.0")),
        *(OtherCell("3.12", "2.18.0", plugin, "tensorflow") for plugin in ("0.4.1", "1.1.0")),
    )

    @pytest.mark.parametrize(
        "word",
        [
            "0.4.1",
            "tensorflow-metal-plugin==0.4.1",
            "tensorflow-metal-plugin 0.4",
            "tensorflow_metal_plugin-0.4.1",
        ],
    )
    def test_another_plugin_is_named_by_its_distribution(self, word: str) -> None:
        """A name reads off the cells, whichever plugins there are."""
        (cell,) = find(["3.12", "2.18.0", word], self.CELLS).cells
        assert (type(cell), cell.plugin) == (OtherCell, "0.4.1")

    def test_its_id_is_an_id(self) -> None:
        """The id is looked up, and a slip in it is mended as in any other."""
        assert len(find(["py3.12-tf2.18.0-tensorflow_metal_plugin-0.4.1"], self.CELLS).cells) == 1
        error = refused("py3.12-tf2.18.0-tensorflow_metal_plugin-0.5.1", cells=self.CELLS)
        assert suggested(error) == ["py3.12-tf2.18.0-tensorflow_metal_plugin-0.4.1"]

    def test_a_version_that_two_plugins_have_is_ambiguous(self) -> None:
        """Each way to write it is told."""
        error = refused("3.12", "1.1.0", cells=self.CELLS)
        assert "metal1.1.0 or tensorflow-metal-plugin==1.1.0" in error.hint


class TestHostile:
    @pytest.mark.parametrize(
        "word", [*HOSTILE, "9" * LONGEST, "[" * LONGEST, "*?" * 40, "\uff11.\uff11.0", "=", "-", "--", "'"]
    )
    def test_whatever_is_typed_is_answered_or_refused(self, word: str) -> None:
        """No word is an error of ours, and nothing of it controls the terminal."""
        error = error_of([word])
        assert error is None or "\x1b" not in str(error).partition("type:")[0]

    @pytest.mark.parametrize("typed", [[], [""], [" , "], ["3" * (LONGEST + 1)], ["3.11"] * (MOST + 1)])
    def test_nothing_and_too_much_are_refused(self, typed: list[str]) -> None:
        """With an example of what is understood."""
        assert suggested(refused(*typed))

    @example("2.")
    @example("py-tf-")
    @example("metal")
    @given(st.text(DIGITS, max_size=30))
    def test_what_is_suggested_is_understood(self, typed: str) -> None:
        """Whatever the text: cells of the universe, or an error whose command, if followed, is none."""
        error = error_of([typed])
        if error is None:
            assert ids(typed)
        elif COMMAND in error.hint:
            assert ids(*suggested(error))
