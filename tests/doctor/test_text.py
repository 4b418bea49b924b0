"""A pasted text: read within bounds, without what a terminal would obey, and what it tells of versions."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from metalmatrix.doctor import from_text, text
from metalmatrix.doctor.exam import examine
from metalmatrix.doctor.known import load_known, numbers
from metalmatrix.doctor.rules import load_rules
from metalmatrix.doctor.text import KEPT, Clues, clues, read
from metalmatrix.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from metalmatrix.doctor.diagnose import Diagnosis

SYMBOL = "__ZN3tsl8internal10LogMessageC1EPKcii"
DYLD = (
    "dlopen(/Users/a/v/lib/python3.9/site-packages/tensorflow-plugins/libmetal_plugin.dylib, 0x0006): "
    f"Symbol not found: {SYMBOL}"
)


class TestReading:
    def test_a_file_and_standard_input_are_one(self, tmp_path: Path) -> None:
        """``-`` is what is pasted."""
        path = tmp_path / "error.txt"
        path.write_bytes(b"one\r\ntwo\n")
        assert read(str(path)) == read("-", io.BytesIO(b"one\r\ntwo\n")) == "one\ntwo\n"

    def test_escapes_and_what_reorders_a_line_are_taken_out(self) -> None:
        """Pip colours its errors; others would move the cursor, or hide what is written."""
        raw = "\x1b[31mERROR:\x1b[0m no\x1b]0;title\x07 \u202ematching\u2066\x00 distribution\n"
        assert read("-", io.BytesIO(raw.encode())) == "ERROR: no matching distribution\n"

    def test_of_a_long_text_both_ends_are_kept(self) -> None:
        """What was typed stands at one end, what failed at the other."""
        found = read("-", io.BytesIO(b"first\n" + b"x\n" * (2 * KEPT) + b"last\n"))
        assert found.startswith("first\n")
        assert found.endswith("last\n")
        assert "left out" in found
        assert len(found) < 2 * KEPT + 100

    def test_a_text_without_end_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """`yes | doctor --traceback -` comes back."""
        monkeypatch.setattr(text, "_MOST", 4 * KEPT)

        class Endless(io.RawIOBase):
            def read(self, size: int = -1) -> bytes:
                return b"y\n" * (size // 2)

        assert read("-", Endless()).startswith("y\n")  # type: ignore[arg-type]

    @pytest.mark.parametrize("data", [b"", b" \n\t", b"\x1b[31m\x00"])
    def test_nothing_is_an_error(self, data: bytes) -> None:
        """An empty paste is said to be one."""
        with pytest.raises(UsageError, match="empty"):
            read("-", io.BytesIO(data))

    def test_no_file_is_an_error(self, tmp_path: Path) -> None:
        """Nor is a folder or a pipe one."""
        for name in ("nothing.txt", ""):
            with pytest.raises(UsageError, match="no file"):
                read(str(tmp_path / name))


class TestClues:
    @pytest.mark.parametrize(
        ("said", "python"),
        [
            ("/Users/a/v/lib/python3.11/site-packages/x.py", "3.11"),
            ("Python 3.9.18 (main)", "3.9"),
            ("tensorflow-2.6.0-cp38-cp38-macosx_11_0_x86_64.whl", "3.8"),
            ("tensorflow-2.20.0-cp313-cp313-macosx_12_0_arm64.whl", "3.13"),
            ("Python 2.7.18", ""),
            ("Python 3", ""),
            ("nothing", ""),
        ],
    )
    def test_the_python(self, said: str, python: str) -> None:
        """From a path, a greeting, a wheel's name."""
        assert clues(said).python == python

    @pytest.mark.parametrize(
        ("said", "macos"),
        [
            ("macOS 15.1.1", "15.1.1"),
            ("macOS Sonoma 14.3", "14.3"),
            ("MacOS 13", "13"),
            ("ProductVersion:\t\t26.1", "26.1"),
            ("macOS", ""),
            ("(which was built for Mac OS X 12.0)", ""),
            ("macOS 9", ""),
        ],
    )
    def test_the_macos(self, said: str, macos: str) -> None:
        """As people and `sw_vers` write it; what a library was built for is another thing."""
        assert clues(said).macos == macos

    @pytest.mark.parametrize(
        ("said", "versions"),
        [
            ("tensorflow==2.18.0", {"tensorflow": "2.18.0"}),
            (
                "tensorflow-macos  2.12.0\ntensorflow-metal  0.8.0",
                {"tensorflow-macos": "2.12.0", "tensorflow-metal": "0.8.0"},
            ),
            ("tensorflow_metal-1.1.0-cp311-cp311-macosx_12_0_arm64.whl", {"tensorflow-metal": "1.1.0"}),
            ("TensorFlow version: 2.16.1", {"tensorflow": "2.16.1"}),
            ("Tensor Flow Version: 2.13.0", {"tensorflow": "2.13.0"}),
            ("tensorflow 2.15.0rc1 requires", {"tensorflow": "2.15.0rc1"}),
            ("mesh-tensorflow 0.1.19", {}),
            ("tensorflow-text 2.5.0rc0", {}),
            ("tensorflow/core/framework/op_kernel.cc:1830", {}),
            ("tensorflow" + " " * 1000 + "2.1", {}),
        ],
    )
    def test_the_versions(self, said: str, versions: dict[str, str]) -> None:
        """From requirements, lists, wheels' names and sentences, of these distributions alone."""
        assert clues(said).versions == versions

    @pytest.mark.parametrize(
        ("said", "manager"),
        [("$ uv pip install x", "uv"), ("/Users/a/miniforge3/lib", "conda"), ("$ pip install x", "pip")],
    )
    def test_what_made_the_environment(self, said: str, manager: str) -> None:
        """By the command, or the folder."""
        assert clues(said).manager == manager


class TestRefusing:
    WORDS = "FAILED_PRECONDITION: 'host_callback' field in SP_StreamExecutor must be set."

    def told(self, said: str) -> list[str]:
        """What is seen of a text that says that TensorFlow refuses the plugin."""
        (found,) = from_text.findings(said, clues(said), load_rules(), load_known())
        assert found.id == "refused-plugin"
        return list(found.saw[1:])

    def test_the_pairs_of_which_tensorflow_says_it_are_named(self) -> None:
        """The text names no versions, and the sentence is of one struct alone."""
        pairs = "tensorflow-metal 0.1.0 to 0.2.0 in TensorFlow 2.7.0 to 2.10.0"
        assert self.told(self.WORDS) == [f"TensorFlow says that for {pairs}"]

    def test_only_those_of_the_python_that_is_named(self) -> None:
        """There is no 2.7.0 for 3.10, and none of all that for 3.12."""
        (pairs,) = self.told(f"/lib/python3.10/x\n{self.WORDS}")
        assert "2.7.0" not in pairs
        assert self.told(f"/lib/python3.12/x\n{self.WORDS}") == [
            "no pair of wheels for Apple silicon and Python 3.12 is known to be refused"
        ]

    @pytest.mark.parametrize(
        ("framework", "plugin", "answer"),
        [
            ("2.9.2", "0.2.0", "0.2.0: TensorFlow says FAILED_PRECONDITION: 'host_callback' field in SP_"),
            ("2.9.2", "0.5.0", "0.5.0: TensorFlow takes it, so it is another"),
            ("2.11.0", "0.2.0", "0.2.0: dyld says symbol not found in flat namespace"),
        ],
    )
    def test_versions_that_are_named_are_looked_up(self, framework: str, plugin: str, answer: str) -> None:
        """What the table knows of that pair is said, be it that it is not this one."""
        told = self.told(f"tensorflow-macos=={framework}\ntensorflow-metal=={plugin}\n{self.WORDS}")
        assert answer in told[0]

    def test_it_asks_for_the_versions(self) -> None:
        """Where the text has none."""
        assert len(examine(load_rules(), load_known(), text=self.WORDS, clues=Clues("3.9")).asks) == 1


class TestLinking:
    def told(self, said: str) -> list[str]:
        """What is seen of a text that says that the plugin does not load."""
        (found,) = from_text.findings(said, clues(said), load_rules(), load_known())
        assert found.id == "does-not-link"
        return list(found.saw)

    def test_the_pairs_that_print_that_line_are_named(self) -> None:
        """The text names no versions; the symbol does (issue 84167: 2.18 with 1.1.0)."""
        (_, pairs) = self.told(DYLD)
        assert pairs.startswith("dyld prints that for tensorflow-metal ")
        assert "1.1.0 in TensorFlow 2.18.0" in pairs

    def test_versions_that_are_named_are_looked_up(self) -> None:
        """Where the text names the pair, what is known of it is said."""
        told = self.told(f"tensorflow==2.18.0\ntensorflow-metal==1.1.0\n{DYLD}")
        assert told[1] == (
            "the text names TensorFlow 2.18.0 with tensorflow-metal 1.1.0: "
            f"dyld says Symbol not found: {SYMBOL}"
        )

    def test_versions_that_contradict_the_line_are_told(self) -> None:
        """2.17.0 with 1.1.0 loads: then something else is installed."""
        told = self.told(f"tensorflow==2.17.0\ntensorflow-metal==1.1.0\n{DYLD}")
        assert told[1].endswith("that pair loads, so it is another")

    def test_a_pair_that_dyld_loads_and_tensorflow_refuses_is_told_apart(self) -> None:
        """Such a pair does not print a line of dyld, and is not called well either."""
        told = self.told(f"tensorflow-macos==2.9.2\ntensorflow-metal==0.2.0\n{DYLD}")
        assert told[1].endswith("dyld loads that pair, and TensorFlow refuses it, so it is another")

    def test_a_symbol_that_no_pair_lacks(self) -> None:
        """It is said, and nothing guessed."""
        assert self.told(DYLD.replace(SYMBOL, "_TF_Nothing"))[1] == (
            "no pair of wheels for Apple silicon and Python 3.9 is known to lack _TF_Nothing"
        )

    def test_a_flat_symbol_of_an_old_loader(self) -> None:
        """Before macOS 12 dyld wrote a flat look-up as `Symbol not found ... Expected in: flat namespace`."""
        line = next(line for line in load_known().links.values() if "flat namespace" in line)
        symbol = line.split("'")[1]
        said = DYLD.replace(SYMBOL, symbol).replace("python3.9", "python")
        assert "dyld prints that for" in self.told(said)[1]

    def test_ranges_leave_nothing_out_and_put_nothing_in(self) -> None:
        """Versions that do not follow one another are two runs."""
        pairs = [("2.18.0", "1.0.0"), ("2.18.1", "1.0.0"), ("2.20.0", "1.0.0")]
        assert from_text.ranges(pairs, load_known()) == [
            "tensorflow-metal 1.0.0 in TensorFlow 2.18.0 to 2.18.1, 2.20.0"
        ]

    def test_it_asks_for_what_would_help(self) -> None:
        """Versions and Python, where the text has neither."""
        versions = {"tensorflow": "2.18.0", "tensorflow-metal": "1.1.0"}
        for known, asked in ((Clues(), 2), (Clues("3.11", versions=versions), 0)):
            assert len(examine(load_rules(), load_known(), text=DYLD, clues=known).asks) == asked

    def test_a_set_for_a_macos_that_is_not_known_is_not_passed_off_as_the_answer(self) -> None:
        """What is for a newer macOS is replaced by what is for some macOS: for which, and which is there?"""
        said = (
            "dlopen(/a/libmetal_plugin.dylib, 6): Symbol not found: _OBJC_CLASS_$_MPSGraphRandomOpDescriptor"
        )

        def told(text: str) -> tuple[Diagnosis, str]:
            exam = examine(load_rules(), load_known(), text=text, clues=clues(text))
            (problem,) = exam.problems
            assert problem.id == "macos-too-old"
            return problem, " ".join(exam.asks)

        problem, asked = told(said)
        assert problem.pins is not None
        assert f"{problem.pins.cell} is for macOS {problem.pins.macos} or later only. " in asked
        assert "`sw_vers -productVersion` does; add it to the text, as in `macOS 11.7`." in asked
        problem, asked = told(f"{said}\nmacOS 11.7\n")
        assert "sw_vers" not in asked
        assert problem.pins is None or numbers(problem.pins.macos) <= (11, 7)
