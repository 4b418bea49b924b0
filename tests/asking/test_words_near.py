"""Words that mean nothing: what is told of versions to come, of dots left out and of capitals."""

from __future__ import annotations

import pytest

from metalmatrix.asking.words import find
from metalmatrix.published import releases
from tests.asking.test_words import ids, refused, suggested
from tests.universe import universe

CELLS = universe(
    frameworks=("2.13.0", "2.18.1", "2.20.0", "2.21.0rc0", "2.21.0", "2.22.0rc0"),
    plugins=("none", "1.0.0", "1.1.0", "1.2.0"),
)


class TestNewer:
    @pytest.mark.parametrize(
        ("typed", "closest", "instead"),
        [
            ("2.23.0", "TensorFlow 2.22.0rc0, 2.21.0 and 2.20.0", "2.22.0rc0"),
            ("2.22.0", "TensorFlow 2.22.0rc0, 2.21.0 and 2.20.0", "2.22.0rc0"),
            ("2.21.1", "TensorFlow 2.21.0, 2.20.0 and 2.18.1", "2.21.0"),
            ("tf2.23", "TensorFlow 2.22.0rc0, 2.21.0 and 2.20.0", "tf2.22.0rc0"),
            ("3.0.0", "TensorFlow 2.22.0rc0, 2.21.0 and 2.20.0", "2.22.0rc0"),
            ("metal1.3.0", "tensorflow-metal 1.2.0, 1.1.0 and 1.0.0", "metal1.2.0"),
            ("1.3.0", "tensorflow-metal 1.2.0, 1.1.0 and 1.0.0", "1.2.0"),
            ("3.14", "Python 3.13, 3.12 and 3.11", "3.13"),
            ("py3.11-tf2.23.0-nometal", "TensorFlow 2.22.0rc0, 2.21.0", "py3.11-tf2.22.0rc0-nometal"),
        ],
    )
    def test_what_is_newer_than_the_data_gets_the_newest(
        self, typed: str, closest: str, instead: str
    ) -> None:
        """In the order of versions, and with what to type to see what has been published since."""
        error = refused(typed, cells=CELLS)
        assert f"the closest are {closest}" in error.hint
        assert f"published by {releases.read_on()}: `nox -s update` shows what is newer" in error.hint
        assert suggested(error) == [instead]
        assert find([instead], CELLS).cells

    @pytest.mark.parametrize(
        "typed", ["2.81", "2.99.0", "metal1.11", "py3.99", "2.19.0", "99", "2.0", "3.5", "3.110", "1!2.23.0"]
    )
    def test_a_slip_or_an_old_version_is_not_taken_for_a_newer_one(self, typed: str) -> None:
        """Far beyond the newest, or between the known, is another thing."""
        assert "nox -s update" not in refused(typed, cells=CELLS).hint

    def test_it_is_told_once(self) -> None:
        """Of several such words each has its closest, and they share the reason."""
        error = refused("2.23.0", "metal1.3.0", cells=CELLS)
        assert error.hint.count("the closest are") == 2
        assert error.hint.count("nox -s update") == 1
        assert suggested(error) == ["2.22.0rc0", "metal1.2.0"]


def test_what_is_known_is_told_once() -> None:
    """Three words that mean nothing share what there is."""
    error = refused("$(rm -rf /)")
    assert error.what.count("is no known version") == 3
    assert error.hint.count("known are Python 3.9 to 3.13") == 1


@pytest.mark.parametrize(
    "typed", ["PY3.11-TF2.18.0-METAL1.1.0", "Py3.11-tf2.18.0-Metal1.1.0", "PY3.11-TF2.18.0-*1.1.0"]
)
def test_capitals_in_an_id_or_a_pattern_are_read_as_in_loose_words(typed: str) -> None:
    """No id has a capital, so none can be meant otherwise."""
    assert ids(typed) == ["py3.11-tf2.18.0-metal1.1.0"]


@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        ("py311-tf217-metal110", "py311-tf2.17-metal1.1.0"),
        ("tf2181", "tf2.18.1"),
        ("metal110", "metal1.1.0"),
        ("metal1.10", "metal1.1.0"),
        ("PY3.11-TF2.81.0-METAL1.1.0", "py3.11-tf2.18.0-metal1.1.0"),
    ],
)
def test_dots_left_out_come_before_other_slips(typed: str, instead: str) -> None:
    """110 is 1.1.0 without its dots, and not 1.0 with a digit wrong."""
    error = refused(typed)
    assert suggested(error) == [instead]
    assert ids(instead)


def test_a_word_that_is_like_nothing_gets_the_axes() -> None:
    """What there is on each axis, and an example that is understood."""
    error = refused("foo")
    assert (
        "Python 3.9 to 3.13, TensorFlow 2.9.0 to 2.22.0rc0 or tensorflow-metal 0.8.0 to 1.2.0" in error.hint
    )
    assert suggested(error) == ["3.11", "2.15.1", "1.1.0"]
