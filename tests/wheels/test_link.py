from __future__ import annotations

from dataclasses import replace

import pytest

from metalmatrix.published.targets import TARGETS
from metalmatrix.wheels import link as rules
from metalmatrix.wheels.link import FLAT_NAMESPACE, gone_since, link, link_release
from metalmatrix.wheels.macho import Dependency
from metalmatrix.wheels.wheel_facts import Bind, Facts, Library, Symbol, WheelFacts, load_facts

PYWRAP, CC, FRAMEWORK = (
    "@rpath/_pywrap_tensorflow_internal.so",
    "@rpath/libtensorflow_cc.2.dylib",
    "@rpath/libtensorflow_framework.2.dylib",
)
SYSTEM = "/usr/lib/libSystem.B.dylib"
SYMBOLS = {
    "_TF_A": Symbol("_TF_A"),
    "_TF_B": Symbol("_TF_B"),
    "_TF_NEW": Symbol("_TF_NEW"),
    "_odd": Symbol("_odd"),
    "_objc_msgSend": Symbol("_objc_msgSend"),
    "__ZN3tsl1CEv": Symbol("__ZN3tsl1CEv", "tsl::C()"),
}
ASKED = frozenset(SYMBOLS) - {"_TF_NEW"}
MODULE = "tensorflow/python/_pywrap_tensorflow_internal.so"


def image(name: str, path: str, *exports: str, hidden: bool = False) -> Library:
    """A library of the framework."""
    return Library(
        path,
        "0" * 64,
        name,
        f"UUID-{path[-6:]}",
        "12.0",
        (),
        ("@loader_path/",),
        exports=frozenset(exports),
        asked=ASKED,
        hidden=hidden,
    )


def framework(*libraries: Library, version: str = "2.17.0", tag: str = "cp311-cp311") -> WheelFacts:
    """A framework of those libraries."""
    file = f"tensorflow-{version}-{tag}-macosx_12_0_arm64.whl"
    return WheelFacts("tensorflow", version, file, f"{version}-{tag}", 1, (), libraries)


def plugin(
    *binds: tuple[str, int], needs: tuple[str, ...] = (SYSTEM, PYWRAP), rpaths: tuple[str, ...] = ()
) -> WheelFacts:
    """A plugin with those binds, none of them weak."""
    library = Library(
        "tensorflow-plugins/libmetal_plugin.dylib",
        "1" * 64,
        "bazel-out/libmetal_plugin.dylib",
        "UUID-PLUGIN",
        "13.0",
        tuple(
            Dependency(need.removeprefix("weak "), "weak" if need != need.removeprefix("weak ") else "load")
            for need in needs
        ),
        rpaths,
        tuple(Bind(SYMBOLS[name], ordinal) for name, ordinal in binds),
    )
    file = "tensorflow_metal-1.1.0-cp311-cp311-macosx_12_0_arm64.whl"
    return WheelFacts("tensorflow-metal", "1.1.0", file, "plugin", 1, (), (library,))


WHOLE = framework(
    image(PYWRAP, MODULE, "_TF_A", hidden=True),
    image(CC, "tensorflow/libtensorflow_cc.2.dylib", "_TF_B"),
    image(FRAMEWORK, "tensorflow/libtensorflow_framework.2.dylib", "__ZN3tsl1CEv"),
)


def outcome(tensorflow: WheelFacts, metal: WheelFacts) -> tuple[str, str]:
    """The outcome and its line."""
    found = link(tensorflow, metal)
    return found.outcome, found.line


OK = ("ok", "dyld finds every library and symbol it asks for")


def test_a_library_by_its_install_name() -> None:
    """A dependency is there when a loaded image has exactly that install name, wherever its file is."""
    assert outcome(WHOLE, plugin()) == OK
    renamed = replace(WHOLE.libraries[0], install_name="@rpath/_pywrap_tensorflow_internal.so.2")
    assert outcome(framework(renamed, *WHOLE.libraries[1:]), plugin()) == (
        "fails",
        "Library not loaded: @rpath/_pywrap_tensorflow_internal.so",
    )


def test_a_library_by_an_rpath() -> None:
    """An rpath of the plugin, or of the library that calls dlopen, may lead to a file of the wheels."""
    nameless = replace(WHOLE.libraries[0], install_name="bazel-out/other.dylib")
    moved = framework(nameless, *WHOLE.libraries[1:])
    leads = "@loader_path/../tensorflow/python/"
    assert outcome(moved, plugin(rpaths=("/nowhere", leads))) == OK
    caller = replace(WHOLE.libraries[2], rpaths=("@loader_path/python",))
    assert outcome(framework(nameless, WHOLE.libraries[1], caller), plugin()) == OK
    # the rpaths of any other library do not count: its own would lead to it
    assert outcome(moved, plugin())[0] == "fails"
    assert outcome(moved, plugin(rpaths=(leads.rstrip("/") + "3",)))[0] == "fails"


def test_a_library_by_its_place() -> None:
    """A dependency may also be said by its place beside the plugin."""
    there = "@loader_path/../tensorflow/libtensorflow_cc.2.dylib"
    assert outcome(WHOLE, plugin(("_TF_B", 1), needs=(there,))) == OK
    assert outcome(WHOLE, plugin(needs=(there + "x",)))[0] == "fails"


def test_libraries_elsewhere() -> None:
    """What the system has is there; what another folder of the Mac may have is unknown."""
    assert outcome(WHOLE, plugin(needs=("/System/Library/Frameworks/Metal.framework/Metal",))) == OK
    assert outcome(WHOLE, plugin(needs=("/opt/lib/libx.dylib",))) == (
        "unknown",
        "whether /opt/lib/libx.dylib is there depends on the Mac",
    )
    assert outcome(WHOLE, plugin(("_TF_A", 2), needs=("/opt/lib/libx.dylib", CC)))[0] == "fails"


def test_two_level_symbols() -> None:
    """A symbol of a numbered dependency must be that library's: another one's does not count."""
    assert outcome(WHOLE, plugin(("_TF_A", 2))) == OK
    assert outcome(WHOLE, plugin(("_TF_B", 2))) == ("fails", "Symbol not found: _TF_B")
    assert outcome(WHOLE, plugin(("_odd", 1))) == OK


def test_flat_symbols() -> None:
    """A flat symbol is found in what is loaded globally, and not in the module that Python loads."""
    assert outcome(WHOLE, plugin(("_TF_B", -2), ("__ZN3tsl1CEv", -2), ("_objc_msgSend", -2))) == OK
    assert outcome(WHOLE, plugin(("_TF_A", -2))) == ("fails", "symbol not found in flat namespace '_TF_A'")


def test_what_no_tensorflow_has_may_be_the_systems() -> None:
    """A flat symbol that is neither TensorFlow's nor known to be the system's is unknown."""
    assert outcome(WHOLE, plugin(("_odd", -2))) == (
        "unknown",
        "_odd is not TensorFlow's; the system may have it",
    )


def test_weak_symbols_and_libraries() -> None:
    """What is weak may be missing; a symbol that is not weak may not, even of a weak library."""
    assert outcome(WHOLE, plugin(("_TF_B", -3))) == OK
    metal = plugin(("_TF_B", 2))
    library = metal.libraries[0]
    weak = replace(
        library, binds=(Bind(SYMBOLS["_TF_B"], 2, weak=True), Bind(SYMBOLS["_odd"], -2, weak=True))
    )
    assert outcome(WHOLE, replace(metal, libraries=(weak,))) == OK
    assert outcome(WHOLE, plugin(needs=("weak @rpath/libno.dylib",))) == OK
    found = link(WHOLE, plugin(("_TF_A", 1), needs=("weak @rpath/libno.dylib",)))
    assert found.line == "Symbol not found: _TF_A"
    assert found.message.endswith("Expected in:     <no uuid> unknown")


def test_the_first_in_bind_order_is_named() -> None:
    """Libraries come before symbols, and symbols in the order of the binds."""
    found = link(WHOLE, plugin(("_TF_A", 2), ("_TF_A", -2), ("_TF_B", 2)))
    assert (found.line, found.library) == ("symbol not found in flat namespace '_TF_A'", FLAT_NAMESPACE)
    found = link(WHOLE, plugin(("_TF_B", 2), ("_TF_A", -2)))
    assert (found.line, found.library) == ("Symbol not found: _TF_B", PYWRAP)
    found = link(WHOLE, plugin(("_TF_B", 1), needs=(PYWRAP, "@rpath/libno.dylib")))
    assert (found.line, found.library) == ("Library not loaded: @rpath/libno.dylib", "@rpath/libno.dylib")


def test_what_is_not_known_is_unknown() -> None:
    """A symbol that the framework was never asked for is unknown, unless something else fails for certain."""
    for ordinal in (2, -2):
        assert outcome(WHOLE, plugin(("_TF_NEW", ordinal)))[0] == "unknown"
        assert outcome(WHOLE, plugin(("_TF_NEW", ordinal), ("_TF_B", 2)))[0] == "fails"
    assert outcome(WHOLE, plugin(("_TF_A", -1)))[0] == "unknown"
    assert outcome(WHOLE, plugin(("_TF_A", 9)))[0] == "unknown"
    assert outcome(framework(), plugin()) == ("unknown", "tensorflow 2.17.0 has no library that is known")
    empty = replace(plugin(), libraries=())
    assert outcome(WHOLE, empty) == ("unknown", "tensorflow-metal 1.1.0 has no library that is known")


def test_every_library_of_the_plugin_is_opened() -> None:
    """A plugin's wheel with several libraries fails if one of them does."""
    good, bad = plugin(("_TF_A", 2)).libraries[0], plugin(("_TF_B", 2)).libraries[0]
    both = replace(plugin(), libraries=(good, replace(bad, path="tensorflow-plugins/second.dylib")))
    found = link(WHOLE, both)
    assert (found.outcome, found.plugin) == ("fails", "tensorflow-plugins/second.dylib")


def test_the_message() -> None:
    """The message has the lines that dyld prints, without the user's folders."""
    assert link(WHOLE, plugin(("_TF_B", 2))).message == (
        "dlopen(tensorflow-plugins/libmetal_plugin.dylib, 0x0006): Symbol not found: _TF_B\n"
        "  Referenced from: <UUID-PLUGIN> tensorflow-plugins/libmetal_plugin.dylib\n"
        "  Expected in:     <UUID-nal.so> tensorflow/python/_pywrap_tensorflow_internal.so"
    )
    assert link(WHOLE, plugin(("_TF_A", -2))).message == (
        "dlopen(tensorflow-plugins/libmetal_plugin.dylib, 0x0006): symbol not found in flat namespace '_TF_A'"
    )
    assert link(framework(WHOLE.libraries[1]), plugin()).message == (
        "dlopen(tensorflow-plugins/libmetal_plugin.dylib, 0x0006): "
        "Library not loaded: @rpath/_pywrap_tensorflow_internal.so\n"
        "  Referenced from: <UUID-PLUGIN> tensorflow-plugins/libmetal_plugin.dylib"
    )


def test_gone_since() -> None:
    """What is missing is gone since the first release of the last run of releases without it."""
    lacks = framework(*WHOLE.libraries[:2])
    history = {
        "2.9.0": lacks,
        "2.10.0rc0": WHOLE,
        "2.10.0": WHOLE,
        "2.11.0rc1": lacks,
        "2.11.0": lacks,
        "2.12.0": WHOLE,
    }
    facts = Facts(
        tuple(SYMBOLS.values()),
        tuple(framework(*wheel.libraries, version=version) for version, wheel in history.items()),
    )

    def since(version: str, metal: WheelFacts) -> str:
        wheel = facts.wheel("tensorflow", version, "3.11")
        assert wheel is not None
        return gone_since(facts, link(wheel, metal), wheel)

    metal = plugin(("__ZN3tsl1CEv", -2))
    assert link(lacks, metal).demangled == "tsl::C()"
    assert [since(version, metal) for version in history] == ["", "", "", "2.11.0rc1", "2.11.0rc1", ""]
    assert since("2.11.0", plugin(needs=(FRAMEWORK,))) == "2.11.0rc1"
    assert since("2.11.0", plugin(("__ZN3tsl1CEv", 1), needs=(CC,))) == ""


def test_a_release_that_is_not_known() -> None:
    """A release, or a Python, without facts is unknown, with the reason."""
    found = link_release(load_facts(), "3.11", "2.99.0", "1.1.0")
    assert (found.outcome, found.line) == (
        "unknown",
        "no wheel of tensorflow-macos 2.99.0 for Python 3.11 is known",
    )
    found = link_release(load_facts(), "3.12", "2.17.0", "1.1.0")
    assert (found.outcome, found.line) == (
        "unknown",
        "no wheel of tensorflow-metal 1.1.0 for Python 3.12 is known",
    )


ISSUE, KERAS = (
    "https://github.com/tensorflow/tensorflow/issues/",
    "https://github.com/keras-team/keras/issues/",
)
LOG = "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii"
NOT_LOADED = "Library not loaded: @rpath/_pywrap_tensorflow_internal.so"


@pytest.mark.parametrize(
    ("python", "framework", "plugin", "line", "source"),
    [
        ("3.9", "2.18.0", "1.1.0", LOG, f"{ISSUE}81987"),
        ("3.11", "2.18.0", "1.1.0", LOG, f"{ISSUE}84167"),
        ("3.11", "2.17.0", "1.1.0", "", f"{ISSUE}84167"),
        ("3.11", "2.19.0rc0", "1.2.0", "", f"{ISSUE}87972 (fails later, in an op)"),
        ("3.11", "2.16.2", "1.2.0", "", "https://developer.apple.com/forums/thread/818015 (wrong numbers)"),
        ("3.11", "2.16.2", "1.2.0", "", f"{KERAS}21668 (trains)"),
        ("3.11", "2.14.0", "1.1.0", "", f"{ISSUE}92686 (wrong numbers)"),
        ("3.11", "2.14.0", "1.1.0", "", f"{KERAS}19009 (trains)"),
        ("3.11", "2.14.0", "1.1.0", "", f"{ISSUE}64507 (trains)"),
        ("3.9", "2.7.0", "0.3.0", "", "https://github.com/mrdbourke/m1-machine-learning-test/issues/8"),
        ("3.9", "2.7.0", "0.3.0", "", f"{ISSUE}53441 (fails later, in fit)"),
        ("3.9", "2.9.1", "0.5.0", "", "https://github.com/OHBA-analysis/osl-dynamics/issues/247"),
        ("3.8", "2.8.0", "0.5.0", "", f"{ISSUE}56782 (slow)"),
        ("3.11", "2.20.0", "1.2.0", NOT_LOADED, "https://github.com/tensorflow/tensorflow/pull/126254"),
        ("3.12", "2.21.0", "1.2.0", NOT_LOADED, "https://github.com/tensorflow/tensorflow/pull/126254"),
    ],
)
def test_reports(python: str, framework: str, plugin: str, line: str, source: str) -> None:
    """The rules say of each publicly reported pair what its reporter saw: it loads, or that very line."""
    found = link_release(load_facts(), python, framework, plugin)
    assert (found.outcome, found.line if line else "") == ("fails" if line else "ok", line), source


def test_a_report_that_names_no_plugin() -> None:
    """Issue 58869: what loaded in 2.10 was refused after an upgrade to 2.11, with any plugin of that time."""
    for plugin_version in ("0.5.0", "0.5.1", "0.6.0"):
        assert link_release(load_facts(), "3.10", "2.10.0", plugin_version).outcome == "ok"
        assert link_release(load_facts(), "3.10", "2.11.0", plugin_version).outcome == "fails"


def test_an_intel_mac() -> None:
    """Issue 50541, an iMac with an AMD GPU: its symbol, where Apple's own build of that release has it."""
    for plugin_version in ("0.1.0", "0.1.1", "0.1.2"):
        found = link_release(load_facts(), "3.8", "2.5.0", plugin_version, target="x86_64")
        assert (found.outcome, found.symbol) == ("fails", Symbol("_TF_AssignUpdateVariable"))
    assert link_release(load_facts(), "3.8", "2.5.0", "0.1.0").outcome == "ok"
    found = link_release(load_facts(), "3.11", "2.18.0", "1.1.0", target="x86_64")
    assert found == rules.Linked(
        "unknown", "no wheel of tensorflow 2.18.0 for Python 3.11 on x86_64 is known"
    )


def test_wheels_of_one_kind_of_mac_are_never_linked_with_the_other() -> None:
    """A release has wheels for both under one Python: each is found for its own, and for nothing else."""
    facts = load_facts()
    found = {target: facts.wheel("tensorflow-metal", "0.8.0", "3.9", target) for target in TARGETS}
    assert [wheel.file.rsplit("-", 1)[1] for wheel in found.values() if wheel] == [
        "macosx_12_0_arm64.whl",
        "macosx_12_0_x86_64.whl",
    ]
    for target in TARGETS:
        assert {wheel.target for wheel in facts.frameworks("3.9", target)} == {target}
    assert all(len(f"{wheel.tags} arm64".split("x86_64")) == 1 for wheel in facts.frameworks("3.9"))


def test_the_known_break_is_told_whole() -> None:
    """TensorFlow 2.18.0 with tensorflow-metal 1.1.0: the message, the C++ name, the place, and since when."""
    facts = load_facts()
    found = link_release(facts, "3.11", "2.18.0", "1.1.0")
    wheel = facts.wheel("tensorflow", "2.18.0", "3.11")
    assert wheel is not None
    assert found.message == (
        "dlopen(tensorflow-plugins/libmetal_plugin.dylib, 0x0006): "
        "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii\n"
        "  Referenced from: <D2EF42E3-3A7F-39DD-9982-FB6BCDC2853C> tensorflow-plugins/libmetal_plugin.dylib\n"
        f"  Expected in:     <{wheel.libraries[0].uuid}> tensorflow/python/_pywrap_tensorflow_internal.so"
    )
    assert found.demangled == "tsl::internal::LogMessage::LogMessage(char const*, int, int)"
    assert found.library == PYWRAP
    assert gone_since(facts, found, wheel) == "2.18.0rc0"


def test_system_symbols_are_bound_to_the_system_elsewhere() -> None:
    """What counts as the system's is no symbol that any TensorFlow exports."""
    exported = {name for wheel in load_facts().wheels for lib in wheel.libraries for name in lib.exports}
    assert not rules.SYSTEM_SYMBOLS & exported
