from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from metalmatrix.cells.cell import Cell
from metalmatrix.errors import IndexUnreachableError, MatrixError
from metalmatrix.published import releases
from metalmatrix.published.releases import Release
from metalmatrix.verdicts.observe import from_linked
from metalmatrix.wheels import wheel_facts, wheel_update
from metalmatrix.wheels.link import link_release
from metalmatrix.wheels.wheel_facts import Facts, dump_facts, load_facts, parse_facts, to_json
from metalmatrix.wheels.wheel_libraries import NoPluginError
from metalmatrix.wheels.wheel_update import Reader, Reading, missing, regenerate
from tests.fake_index import FakeIndex, FakeWheel
from tests.file_server import FileServer
from tests.tiny_macho import ARM64, X86_64, Tiny, fat

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("lief")

SYSTEM = ("/usr/lib/libSystem.B.dylib", "load")
PYWRAP, CC, FRAMEWORK = (
    "_pywrap_tensorflow_internal.so",
    "libtensorflow_cc.2.dylib",
    "libtensorflow_framework.2.dylib",
)
NEEDS = (SYSTEM, (f"@rpath/{CC}", "load"), (f"@rpath/{FRAMEWORK}", "load"))
FLAT_BIND = (("_TF_NewStatus", -2, False),)
FILLER = {"tensorflow/filler.bin": bytes(range(256)) * 2000}


def framework(version: str, python: str, *, log: bool = True, module: int = 0) -> FakeWheel:
    """A framework: a module that passes on what its libraries have, of which *log* may be gone."""
    own = {"_TF_NewStatus": (0, "")} | ({"__ZN3tsl3LogEv": (0, "")} if log else {})
    pywrap = Tiny(
        f"@rpath/{PYWRAP}",
        NEEDS,
        ("@loader_path/..", "/nowhere", "@loader_path/../../_solib"),
        {
            "_TF_NewStatus": (3, ""),
            "__ZN3tsl3LogEv": (3, ""),
            "_TF_Near": (2, "_TF_Far"),
            f"_m{module}": (0, ""),
        },
    )
    cc = Tiny(
        f"@rpath/{CC}", (SYSTEM, NEEDS[2]), ("@loader_path/",), {"_TF_Far": (0, ""), "_TF_Late": (2, "_x")}
    )
    return FakeWheel(
        "tensorflow",
        version,
        f"{python}-{python}-macosx_12_0_arm64",
        requires=("numpy >=1.2 ; python_version < '3.12'",),
        files={
            "tensorflow/python/" + PYWRAP: pywrap.build(),
            "tensorflow/" + CC: cc.build() + bytes(range(256)) * 400,
            "tensorflow/" + FRAMEWORK: Tiny(f"@rpath/{FRAMEWORK}", (SYSTEM,), (), own).build(),
            **FILLER,
        },
    )


def plugin(
    version: str,
    *binds: tuple[str, int, bool],
    library: bytes | None = None,
    name: str = "tensorflow-metal",
) -> FakeWheel:
    """A plugin that takes *binds*: flat (-2), or from the module (2)."""
    tiny = Tiny("bazel-out/p.dylib", (SYSTEM, (f"@rpath/{PYWRAP}", "load")), (), {"_TF_Own": (0, "")}, binds)
    files = {
        "tensorflow-plugins/libmetal_plugin.dylib": tiny.build() if library is None else library,
        "tensorflow-plugins/tools/other.dylib": b"not opened",
        "tensorflow-plugins/filler.bin": bytes(range(256)) * 600,
    }
    return FakeWheel(name, version, "cp311-cp311-macosx_12_0_arm64", files=files)


OLD = plugin(
    "1.0.0", ("_TF_NewStatus", 2, False), ("_free", 1, False), ("_TF_Own", -2, False), ("_TF_Near", 2, False)
)
NEW = plugin("1.1.0", ("__ZN3tsl3LogEv", 2, False), ("_TF_Far", -2, False), ("_TF_Late", -2, True))
WHEELS = (
    OLD,
    NEW,
    framework("2.17.0", "cp311"),
    framework("2.17.0", "cp312", module=1),
    framework("2.18.0", "cp311", log=False),
)


def listed(wheel: FakeWheel) -> releases.Wheel:
    """A wheel as the index lists it."""
    return releases.Wheel(wheel.file, wheel.digest, len(wheel.content))


def published(*wheels: FakeWheel) -> tuple[Release, ...]:
    """The releases that the index would list."""
    found: dict[tuple[str, str], list[FakeWheel]] = {}
    for wheel in wheels:
        found.setdefault((wheel.name, wheel.version), []).append(wheel)
    return tuple(
        Release(
            *key,
            "2024-01-01",
            yanked=False,
            wheels=tuple(listed(w) for w in group if not w.file.endswith("x86_64.whl")),
            intel=tuple(listed(w) for w in group if w.file.endswith("x86_64.whl")),
        )
        for key, group in found.items()
    )


def read(
    cache: Path, *wheels: FakeWheel, facts: Facts | None = None, told: list[str] | None = None
) -> tuple[Reading, FileServer]:
    """What reading *wheels* from a server gives, and the server."""
    lines = [] if told is None else told
    with FileServer({wheel.file: wheel.content for wheel in wheels}) as server:
        addresses = {wheel.digest: server.url(wheel.file) for wheel in wheels}
        facts = facts or Facts()
        reader = Reader(facts, lines.append, addresses, cache)
        return reader.read(missing(facts, published(*wheels))), server


def test_from_wheels_to_a_verdict(tmp_path: Path) -> None:
    """Plugins tell what to ask, frameworks answer, and the rules say what loads: all from the wheels."""
    told: list[str] = []
    reading, _ = read(tmp_path, *WHEELS, told=told)
    facts = reading.facts
    assert not reading.failed
    assert [symbol.name for symbol in facts.symbols] == [
        "_TF_NewStatus",
        "_TF_Near",
        "__ZN3tsl3LogEv",
        "_TF_Far",
        "_TF_Late",
    ]
    assert parse_facts(dump_facts(facts)) == facts
    wheel = facts.wheel("tensorflow", "2.17.0", "3.11")
    assert wheel is not None
    assert wheel.requires == ("numpy >=1.2 ; python_version < '3.12'",)
    module, cc, base = wheel.libraries
    assert (module.hidden, cc.hidden, base.hidden) == (True, False, False)
    assert module.rpaths == ("@loader_path/..",)
    assert module.exports == {"_TF_NewStatus", "__ZN3tsl3LogEv", "_TF_Near"}
    assert module.passes_on == 3
    assert cc.exports == {"_TF_Far"}  # _TF_Late is passed on from where it is not
    assert base.exports == {"_TF_NewStatus", "__ZN3tsl3LogEv"}
    assert link_release(facts, "3.11", "2.17.0", "1.0.0").outcome == "ok"
    assert link_release(facts, "3.11", "2.17.0", "1.1.0").outcome == "ok"
    # the module still lists what it passes on, but the library it came from has it no more
    found = link_release(facts, "3.11", "2.18.0", "1.1.0")
    assert (found.line, found.demangled) == ("Symbol not found: __ZN3tsl3LogEv", "tsl::Log()")
    assert len(told) == len(WHEELS)


def test_any_plugin_with_wheels_is_read_and_linked_by_the_same_rules(tmp_path: Path) -> None:
    """Another distribution's library gives link evidence of its own, and only adds lines to the data."""
    name = "tensorflow-metal-plugin"
    small = FakeWheel(
        name,
        "0.5.0",
        "cp311-cp311-macosx_12_0_arm64",
        files={"tensorflow-plugins/own.dylib": Tiny("@rpath/own", (SYSTEM,), binds=FLAT_BIND).build()},
    )
    same_version = plugin("1.0.0", ("_TF_Other", -2, False), name=name)
    wheels = (*WHEELS, small, same_version)
    assert len(small.content) < releases.BINARIES_FROM
    order = [item[1].file for item in missing(Facts(), published(*wheels))]
    assert order[:4] == [OLD.file, NEW.file, small.file, same_version.file]
    facts = read(tmp_path / "a", *wheels)[0].facts
    assert [symbol.name for symbol in facts.symbols][-1] == "_TF_Other"
    found = link_release(facts, "3.11", "2.17.0", "0.5.0", plugin_distribution=name)
    assert (found.outcome, found.plugin) == ("ok", "tensorflow-plugins/own.dylib")
    cell = Cell("3.11", "2.17.0", "1.0.0", "tensorflow", name)
    linked = from_linked(cell, facts)
    assert linked is not None
    assert linked.outcome == "fails"
    assert linked.message.startswith("symbol not found in flat namespace '_TF_Other'")
    metal = from_linked(replace(cell, plugin_distribution="tensorflow-metal"), facts)
    assert metal is not None
    assert metal.outcome == "ok"


def test_wheels_for_intel_macs_are_read_by_the_same_rules(tmp_path: Path) -> None:
    """The image of their own machine is read, binds included, for final frameworks from Python 3.8 on."""

    def intel(name: str, version: str, tag: str, **libraries: bytes) -> FakeWheel:
        files = {path.replace("__", "/"): data for path, data in libraries.items()}
        return FakeWheel(name, version, f"{tag}-macosx_12_0_x86_64", files=files)

    base = Tiny(f"@rpath/{PYWRAP}", (SYSTEM,), (), {"_TF_NewStatus": (0, "")}, cpu=X86_64).build()
    other = Tiny("bazel-out/arm", (SYSTEM,), binds=(("_TF_Arm", -2, False),)).build()
    own = Tiny("bazel-out/intel", (SYSTEM,), binds=(("_TF_NewStatus", -2, False),), cpu=X86_64).build()
    where = "tensorflow__python___pywrap_tensorflow_internal.so"
    library = {"tensorflow-plugins__own.dylib": fat((ARM64, other), (X86_64, own))}
    wheels = (
        intel("tensorflow-metal", "1.0.0", "cp38-cp38", **library),
        intel("tensorflow", "2.16.2", "cp38-cp38", **{where: base, "filler": bytes(200_000)}),
        intel("tensorflow", "2.16.0rc0", "cp38-cp38", **{where: base, "filler": bytes(200_000)}),
        intel("tensorflow", "2.16.2", "cp37-cp37m", **{where: base, "filler": bytes(200_000)}),
        intel("tensorflow-macos", "2.12.0", "cp38-cp38", **{where: base, "filler": bytes(200_000)}),
    )
    facts = read(tmp_path, *wheels)[0].facts
    assert [wheel.file for wheel in facts.wheels] == [wheels[1].file, wheels[0].file]
    assert [symbol.name for symbol in facts.symbols] == ["_TF_NewStatus"]
    names = {wheel.libraries[0].install_name for wheel in facts.wheels}
    assert names == {"bazel-out/intel", f"@rpath/{PYWRAP}"}
    assert parse_facts(dump_facts(facts)) == facts
    found = link_release(facts, "3.8", "2.16.2", "1.0.0", target="x86_64")
    # Python loads the module locally
    assert found.line == "symbol not found in flat namespace '_TF_NewStatus'"
    assert link_release(facts, "3.8", "2.16.2", "1.0.0").outcome == "unknown"


def test_shared_libraries_are_read_once(tmp_path: Path) -> None:
    """The second wheel of a release costs its directory and its own module, and no filler is ever read."""
    first, _ = read(tmp_path / "a", OLD, NEW, WHEELS[2])
    second, server = read(tmp_path / "b", WHEELS[3], facts=first.facts)
    assert second.bytes_read < 30_000 < len(WHEELS[3].content) // 10
    assert len(server.asked) < 7
    alone, _ = read(tmp_path / "c", OLD, NEW, WHEELS[3])
    assert second.facts.by_sha256[WHEELS[3].digest] == alone.facts.by_sha256[WHEELS[3].digest]


def test_what_passes_on_is_shared_only_with_the_same_company(tmp_path: Path) -> None:
    """An equal library whose neighbour is another one is looked at again: what it passes on may be gone."""
    first, _ = read(tmp_path, NEW, WHEELS[2])
    passing = [lib for wheel in first.facts.wheels for lib in wheel.libraries if PYWRAP in lib.path]
    second, _ = read(tmp_path, WHEELS[4], facts=first.facts)
    module = second.facts.by_sha256[WHEELS[4].digest].libraries[0]
    assert module.sha256 == passing[0].sha256
    assert "__ZN3tsl3LogEv" in passing[0].exports
    assert "__ZN3tsl3LogEv" not in module.exports


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    """What was read of frameworks is kept for the user: it is not fetched again, and gives the same facts."""
    first, _ = read(tmp_path, *WHEELS)
    again, server = read(tmp_path, *WHEELS)
    assert again.facts == first.facts
    assert set(server.names) == {OLD.file, NEW.file}
    for file in tmp_path.glob("*.json"):
        file.write_text("damaged", encoding="utf-8")
    assert read(tmp_path, *WHEELS)[0].facts == first.facts


def test_new_lines_only(tmp_path: Path) -> None:
    """What comes later only adds lines; of what the old frameworks were not asked, nothing is known."""
    first, _ = read(tmp_path, OLD, WHEELS[2])
    second, _ = read(tmp_path, NEW, WHEELS[4], facts=first.facts)
    lines = wheel_update.diff(first.facts, second.facts).splitlines()
    assert [line[0] for line in lines[2:]] == ["+"] * 5
    assert link_release(second.facts, "3.11", "2.17.0", "1.1.0").outcome == "unknown"
    assert missing(second.facts, published(*WHEELS[:3])) == []
    assert [item[1].file for item in missing(second.facts, published(*WHEELS[:3]), again=True)] == [
        WHEELS[2].file
    ]


@pytest.mark.parametrize(
    ("wheel", "words"),
    [
        (plugin("1.2.0", library=b"no library" * 9), "no Mach-O"),
        (plugin("1.2.0", library=Tiny(binds=(("_x", 7, False),)).build()), "dependency 7"),
        (
            FakeWheel("tensorflow-metal", "1.2.0", "cp311-cp311-macosx_12_0_arm64", files=FILLER),
            "it is no plugin",
        ),
        (
            FakeWheel("tensorflow", "2.19.0", "cp311-cp311-macosx_12_0_arm64", files=FILLER),
            "the wheel has no",
        ),
    ],
)
def test_a_wheel_that_cannot_be_read(wheel: FakeWheel, words: str, tmp_path: Path) -> None:
    """One bad wheel is told with the reason, adds nothing, and does not keep the others from being read."""
    reading, _ = read(tmp_path, wheel, *WHEELS[:3])
    assert [*reading.failed] == [wheel.file]
    assert words in str(reading.failed[wheel.file])
    assert len(reading.facts.wheels) == 3
    assert "_x" not in {symbol.name for symbol in reading.facts.symbols}


def test_a_wheel_that_installs_no_plugin_is_an_error_with_a_name(tmp_path: Path) -> None:
    """Of a distribution that turns out to be no plugin nothing is kept, and its cells are *unknown*."""
    wheel = FakeWheel(
        "tensorflow-metal-plugin", "1.0.0", "cp311-cp311-macosx_12_0_arm64", files={"a/b.dylib": b"x"}
    )
    told: list[str] = []
    reading, _ = read(tmp_path, wheel, *WHEELS[:3], told=told)
    assert type(reading.failed[wheel.file]) is NoPluginError
    assert f"{wheel.file}: the wheel installs no library into tensorflow-plugins/: it is no plugin" in told
    cell = Cell("3.11", "2.17.0", "1.0.0", "tensorflow", "tensorflow-metal-plugin")
    linked = from_linked(cell, reading.facts)
    assert linked is not None
    assert linked.outcome == "unknown"
    assert linked.message == "no wheel of tensorflow-metal-plugin 1.0.0 for Python 3.11 is known"


def test_from_the_index_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses come from the index, the file is written only on demand, what was taken out is put back."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(wheel_update, "cache_dir", lambda: tmp_path)
    path, told = tmp_path / "wheels.jsonl", list[str]()
    with FakeIndex(WHEELS) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        known = published(*WHEELS)
        assert not regenerate(told.append, force=False, path=path, known=known).failed
        assert not path.exists()
        regenerate(told.append, force=True, path=path, known=known)
        text = path.read_text(encoding="utf-8")
        # the newest taken out is put back
        lines = text.splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "2.18.0" not in line), encoding="utf-8")
        regenerate(told.append, force=True, path=path, known=known)
        assert path.read_text(encoding="utf-8") == text
    assert index.url not in text + "".join(told)
    told.clear()
    assert regenerate(told.append, force=True, path=path, known=known).wheels == 0
    assert told == []
    with pytest.raises(IndexUnreachableError):
        regenerate(told.append, force=False, path=path, known=published(plugin("1.3.0")))
    path.write_text("damaged", encoding="utf-8")
    with pytest.raises(MatrixError):
        regenerate(told.append, force=False, path=path, known=known)


@pytest.mark.index
def test_the_newest_plugin_gives_the_same_line_again(tmp_path: Path) -> None:
    """Reading the newest published plugin wheel gives the line of the data, byte for byte."""
    facts = load_facts()
    newest = [wheel for wheel in facts.wheels if wheel.distribution == releases.PLUGIN][-1]
    fewer = replace(facts, wheels=tuple(wheel for wheel in facts.wheels if wheel != newest))
    reading = Reader(fewer, lambda _: None, cache=tmp_path).read(missing(fewer, releases.load_releases()))
    again = reading.facts.by_sha256[newest.sha256]
    assert json.dumps(to_json(again, reading.facts.symbols)) in wheel_facts.DATA.read_text().splitlines()
    assert reading.facts == facts
