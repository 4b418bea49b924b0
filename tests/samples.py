"""Small hand-made facts for the tests of everything that is pure: locks, records, a realistic report."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metalmatrix.cells.cell import Cell
from metalmatrix.cells.matrix import Expect, Matrix, Per, Rehearse
from metalmatrix.resolving.floor import macos_floor
from metalmatrix.resolving.lock import Lock, Package, Wheel
from metalmatrix.resolving.repairs import Repair
from metalmatrix.running.conditions import Conditions
from metalmatrix.running.host import Host
from metalmatrix.running.limits import Limits
from metalmatrix.running.record import Record, Resolved, Run, SetRecord
from metalmatrix.running.results import Results
from metalmatrix.running.supervise import CheckInfo, CheckResult
from metalmatrix.verdicts.evidence import Evidence
from metalmatrix.verdicts.observe import from_resolved
from metalmatrix.verdicts.report import CellReport, Report, build, cell_report
from metalmatrix.wheels.wheel_facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.resolving.standin import Moved

DAY = dt.date(2026, 11, 20)
TIME = "2026-11-20T12:00:00Z"
DIGEST = "0123456789abcdef"
LINUX = Host("linux", "debian 12", "", "x86_64", "AMD EPYC", 2, 24, (), None)
QUIET = Conditions("Aqua", "normal", virtual=False, interpreter="arm64")
"""What a run that may vote is made under."""
RUNNER = Host(
    "macos",
    "14.7",
    "23H124",
    "arm64",
    "Apple M1 (Virtual)",
    3,
    7,
    ("Apple Paravirtual device",),
    translated=False,
)
MAC = Host("macos", "15.2", "24C101", "arm64", "Apple M2", 8, 16, ("Apple M2 (10 cores)",), translated=False)

CATALOG = (
    CheckInfo("import", "TensorFlow can be imported", "import", "breaks", "advice"),
    CheckInfo("device", "TensorFlow lists the GPU", "device", "breaks", "advice"),
    CheckInfo("fit", "A small Keras model trains", "fit", "breaks", "advice"),
    CheckInfo("save", "A model can be saved and loaded", "fit", "degrades", "advice"),
)
NUMPY = Repair(
    bound="numpy<2",
    frameworks="==2.14.0",
    python=">=3.9",
    check="import",
    message="Unable to convert function return value to a Python type!\n\t() -> handle",
    why="it was built for NumPy 1 and sets no upper bound",
    since="2024-06-16",
    upload="numpy 2.0.0",
    proof="py3.11-tf2.14.0-nometal",
    proved="2026-11-20",
)
HOSTILE = (
    "[red]x[/red]",
    "\x1b[31mred\x1b[0m\x1b]8;;https://example.com\x07link\x1b]8;;\x07\x9b31m",
    "<script>alert(1)</script><!--",
    "a|b || c",
    "`x` ``y`` ```",
    "\u202eevil\u2066 \u200bzero",
    "two\nlines\r\n# heading\n\n- item\n    code",
    "![i](https://example.com/x.png) [l](javascript:alert(1)) <https://example.com>",
    "see _https://example.com or www.example.com, ftp://example.com @someone #1",
    "*b* **b** ~~s~~ $m$ &lt; &#60; \\| \\",
    "half \ud800 a character",
)


def lock(*pins: str, tag: str = "py3-none-any") -> Lock:
    """A lock of ``name==version`` pins, each with one wheel."""
    packages = []
    for name, version in sorted(pin.split("==") for pin in pins):
        file = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        packages.append(Package(name, version, (Wheel(file, hashlib.sha256(file.encode()).hexdigest()),)))
    return Lock(tuple(packages))


def check(outcome: Any, info: CheckInfo = CATALOG[0], **more: Any) -> CheckResult:  # noqa: ANN401
    """What came of one check."""
    return CheckResult(info.id, info.title, info.stage, info.weight, outcome, **more)


PASSED = tuple(check("passed", info, seconds=1.5) for info in CATALOG)


def run(
    *checks: CheckResult,
    kind: Any = "rehearsed",  # noqa: ANN401
    failure: str = "",
    moved: tuple[Moved, ...] = (),
    inputs: str = DIGEST,
    date: str = TIME,
    conditions: Conditions | None = None,
) -> Run:
    """One run of the checks."""
    return Run(kind, inputs, date, failure, moved, 12.5, checks, conditions)


def ok(made: Lock | None = None) -> Resolved:
    """The resolver's answer with a lock."""
    macos, by = (macos_floor(made, Facts()) if made else None) or ("12.0", "tensorflow")
    return Resolved("ok", lock=made.digest if made else DIGEST, macos=macos, macos_by=by)


def record(
    cell: str,
    pinned: SetRecord,
    plain: SetRecord | None = None,
    *,
    date: str = TIME,
    inputs: str = DIGEST,
    as_of: str = "2026-11-20",
) -> Record:
    """What one host knows of one cell; the plain set is as the pinned one where it is not given."""
    return Record(cell, as_of, date, inputs, {"pinned": pinned, "plain": plain or pinned})


def matrix(
    cells: Iterable[Cell],
    per: Per = "framework",
    *expects: Expect,
    excluded: tuple[tuple[Cell, str], ...] = (),
) -> Matrix:
    """A matrix of these cells."""
    stand_in = {"linux-x86_64": "tensorflow-cpu"}
    return Matrix(DAY, tuple(cells), excluded, expects, Limits(), Rehearse(per, stand_in))


def evidence(kind: Any, outcome: Any, stage: str = "", **more: Any) -> Evidence:  # noqa: ANN401
    """One observation about the pinned set."""
    facts = {"set": "pinned", "message": f"{kind} {outcome}", "date": "2026-11-20", "source": "a test"}
    return Evidence(kind=kind, outcome=outcome, stage=stage, **{**facts, **more})


def tensorflow_error(kind: str, message: str) -> Exception:
    """An error as TensorFlow raises it, by the name of its class."""
    made: Exception = type(kind, (Exception,), {})(message)
    return made


def report_of(message: str) -> Report:
    """A report that says *message* wherever a text from elsewhere can stand."""
    cell = Cell.parse("py3.11-tf2.15.1-metal1.1.0")
    broken = from_resolved(Resolved("fails", message, message), "pinned", message)
    rest = (
        evidence("resolved", "ok", set="plain"),
        evidence("rehearsed", "fails", "import", set="plain", message=message, source=message),
        evidence("rehearsed", "unknown", message=message, notes=(message,)),
    )
    item = cell_report(
        cell,
        (broken, *rest),
        floor=("12.0", message),
        untested=message,
        expect=Expect("*", "works", message, message),
    )
    waiting = Cell.parse("py3.12-tf2.17.1-nometal")
    unasked = evidence("resolved", "unknown", message=message)
    worse = Cell.parse("py3.12-tf2.18.1-nometal")
    fine = (evidence("resolved", "ok"), *rest)
    cells = (
        item,
        cell_report(waiting, [unasked], floor=None),
        cell_report(worse, fine, floor=None),
    )
    return Report(DAY, cells, ((cell, message),), (message,), (message,), (message,))


def _not_installable(cell: Cell) -> SetRecord:
    abi = f"cp{cell.python.replace('.', '')}"
    blame = cell.distribution
    return SetRecord(
        Resolved(
            "fails",
            f"Because {blame}=={cell.framework} has no wheels with a matching Python ABI tag (e.g., `{abi}`) "
            f"and you require {blame}=={cell.framework}, we can conclude that your requirements are "
            f"unsatisfiable.",
            blame,
        ),
        untested="there is no set of wheels to install",
    )


def realistic() -> Report:
    """Every verdict, and each thing that a run can meet, on a Mac and on a machine that is none."""
    names = (
        "py3.11-tf2.14.0-nometal",  # likely, and broken when plain
        "py3.12-tf2.14.0-nometal",  # not installable
        "py3.11-tf2.15.1-nometal",  # degraded
        "py3.11-tf2.15.1-metal1.1.0",  # works, to somebody's surprise
        "py3.12-tf2.17.1-nometal",  # cannot be installed on the Mac
        "py3.11-tf2.17.1-nometal",  # a crash in a rehearsal, which says nothing of a Mac
        "py3.12-tf2.17.1-metal1.1.0",  # SIGSEGV
        "py3.11-tf2.17.1-metal1.1.0",  # a hang
        "py3.9-tf2.18.1-nometal",  # no Python
        "py3.12-tf2.18.1-metal1.1.0",  # installs, and nobody ran it on a Mac
        "py3.12-tf2.20.0-metal1.1.0",  # not resolved
    )
    cells = {name: Cell.parse(name) for name in names}
    rotten = lock("numpy==2.3.5", "tensorflow-macos==2.14.0")
    current = lock("numpy==2.3.5", "tensorflow==2.17.1")
    mended = lock("numpy==1.26.4", "tensorflow-macos==2.14.0", tag="cp311-cp311-macosx_12_0_arm64")
    elsewhere = SetRecord(
        ok(), untested='each framework is rehearsed on one Python (per = "framework" in matrix.toml)'
    )
    numpy = "Unable to convert function return value to a Python type! The signature was () -> handle"
    crash = check(
        "failed", CATALOG[1], how="signal", message="The process was ended by SIGSEGV.", signal="SIGSEGV"
    )
    hang = check("failed", CATALOG[2], how="hang", message="The check did not end within 180 s.")
    slow = check(
        "failed", CATALOG[3], how="mismatch", message="the result is off by 0.1 of the largest number"
    )
    slower = replace(PASSED[2], facts={"notes": ["The GPU is slower than the CPU: fit at 0.6 of its speed."]})
    no_gpu = check(
        "skipped", CATALOG[1], message="TensorFlow lists no GPU and no PluggableDevice plugin is installed."
    )
    rehearsed = run(PASSED[0], no_gpu, *PASSED[2:])
    broken = run(check("failed", how="exception", message=numpy, exception="builtins.TypeError"))

    def with_run(made: Run, environment: str = "aaaaaaaaaaaaaaaa") -> SetRecord:
        return SetRecord(ok(), environment, run=made)

    linux = {
        names[0]: record(
            names[0],
            SetRecord(ok(mended), "aaaaaaaaaaaaaaaa", run=rehearsed),
            SetRecord(ok(rotten), "bbbbbbbbbbbbbbbb", run=broken),
        ),
        names[1]: record(names[1], _not_installable(cells[names[1]])),
        names[2]: record(names[2], elsewhere),
        names[3]: record(names[3], elsewhere),
        names[4]: record(names[4], elsewhere),
        names[5]: record(names[5], with_run(run(PASSED[0], crash), "cccccccccccccccc")),
        names[6]: record(names[6], elsewhere),
        names[7]: record(names[7], elsewhere),
        names[8]: record(
            names[8],
            SetRecord(ok(), untested="no Python 3.9 on this machine; to install one: uv python install 3.9"),
        ),
        names[9]: record(names[9], with_run(rehearsed, "dddddddddddddddd")),
    }
    skipped = SetRecord(ok(), untested="the plain set runs with --plain")
    failure = (
        "it could not be installed: Failed to install: tensorflow: No space left on device (os error 28)"
    )
    mac = {
        names[2]: record(names[2], with_run(run(*PASSED[:3], slow, kind="ran")), skipped),
        names[3]: record(names[3], with_run(run(*PASSED[:2], slower, PASSED[3], kind="ran")), skipped),
        names[4]: record(names[4], with_run(run(kind="ran", failure=failure)), skipped),
        names[6]: record(names[6], with_run(run(PASSED[0], crash, kind="ran")), skipped),
        names[7]: record(names[7], with_run(run(*PASSED[:2], hang, kind="ran")), skipped),
    }
    # A hosted runner: what passes on its virtual GPU proves nothing.
    guest = replace(QUIET, virtual=True, session="Background")
    passed = run(*PASSED, kind="ran", conditions=guest)
    runner = {
        names[0]: record(
            names[0],
            SetRecord(ok(mended), "eeeeeeeeeeeeeeee", run=passed),
            SetRecord(ok(rotten), untested=skipped.untested),
            date="2026-11-20T11:00:00Z",
        ),
        names[9]: record(
            names[9], with_run(passed, "ffffffffffffffff"), skipped, date="2026-11-20T11:00:00Z"
        ),
    }
    hosts = (
        Results(
            LINUX.slug,
            linux,
            problems=(f"{LINUX.slug}/py3.10-tf2.15.1-nometal.json: it has schema 3, newer than 2",),
            missing=(names[10],),
        ),
        Results(MAC.slug, mac, machine=MAC),
        Results(RUNNER.slug, runner, machine=RUNNER),
    )
    left_out = Cell.parse("py3.9-tf2.20.0-nometal")
    made = matrix(
        cells.values(),
        "framework",
        Expect(names[3], "broken", "the first reports said so"),
        excluded=((left_out, "nobody asks for it"),),
    )
    return build(
        made,
        hosts,
        (NUMPY,),
        CATALOG,
        lambda _, digest: {DIGEST: current, rotten.digest: rotten, mended.digest: mended}.get(digest),
        lambda _: None,
    )


def cell_of(report: Report, cell_id: str) -> CellReport:
    """The report of one cell."""
    return next(item for item in report.cells if item.cell.id == cell_id)
