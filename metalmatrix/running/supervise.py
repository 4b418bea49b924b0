"""Runs the checks of ``checks/`` in an environment's own Python and says what came of each.

One process runs all of them.  When it crashes, hangs or takes too much, that is the outcome of the
check it was in, and a new process takes up the ones that are left; each process retires at least one
check, which bounds their number.  Whatever the environment sends is bounded, its shape is validated,
and events count only for the check that is running.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from metalmatrix.errors import ToolMissingError, UsageError
from metalmatrix.running.checklist import CheckInfo, check_catalog, checks_digest, checks_dir, prefix_of
from metalmatrix.running.watch import OUTPUT_BYTES, Child, Ending
from metalmatrix.text import plain, scrub, tail_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from metalmatrix.running.limits import Limits

__all__ = ["CheckInfo", "CheckResult", "check_catalog", "checks_digest", "checks_dir", "run_checks"]

Outcome = Literal["passed", "failed", "skipped"]
How = Literal["", "exception", "mismatch", "signal", "hang", "memory", "output", "exit"]

MESSAGE_CHARS = 1000
TAIL_CHARS = 4000
LAST_WORDS = 2.0  # seconds to end in, once every check has reported


@dataclass(frozen=True)
class CheckResult:
    """What came of one check.

    Attributes:
        check: The id of the check.
        title: Its title.
        stage: The stage it counts for.
        weight: ``breaks`` or ``degrades``.
        outcome: ``passed``, ``failed`` or ``skipped`` (the message says why).
        how: What a failure was: an ``exception``; a ``mismatch`` with what is right; a ``signal``; a
            ``hang``; too much ``memory`` or ``output``; or an ``exit`` before the check had reported.
        message: One line for the user; empty when passed.
        exception: The qualified class name of the exception, or empty.
        signal: The name of the signal that ended the process, or empty.
        tail: The end of what the check printed, or the stack of a crash or a hang.
        facts: What the check saw, in JSON's types.
        seconds: Wall-clock seconds from its start to its end.
    """

    check: str
    title: str
    stage: str
    weight: str
    outcome: Outcome
    how: How = ""
    message: str = ""
    exception: str = ""
    signal: str = ""
    tail: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def notes(self) -> tuple[str, ...]:
        """What the check noted: sentences for the user that change no verdict."""
        found = self.facts.get("notes", ())
        return tuple(note for note in found if isinstance(note, str)) if isinstance(found, list) else ()


def run_checks(
    python: Path,
    limits: Limits,
    only: Sequence[str] | None = None,
    on_event: Callable[[str], None] | None = None,
    *,
    sealed: bool = False,
    lite: bool = False,
) -> tuple[CheckResult, ...]:
    """The results of the checks in the environment of ``python``, in the catalog's order.

    Args:
        python: The interpreter of the environment, 3.8 or later.
        limits: What one check may take; importing TensorFlow counts for the check that does it first.
        only: The ids of the checks to run; all of them if None.
        on_event: Called with a line for each thing that happens: ``process N, ...``, ``start ID``,
            ``done ID OUTCOME SECONDS``, ``ignored ...``.
        sealed: Keep out what the shell says to TensorFlow, and the user's own packages.
        lite: Run the checks of LiteRT, and not those of TensorFlow.

    Raises:
        UsageError: ``only`` names a check that does not exist.
        ToolMissingError: ``python`` cannot be started.
    """
    catalog = check_catalog(lite=lite)
    known = [info.id for info in catalog]
    if unknown := sorted(set(only or ()) - {*known}):
        raise UsageError(
            f"There is no check named {', '.join(unknown)}.", f"the checks are {', '.join(known)}"
        )
    pending = [info for info in catalog if only is None or info.id in only]
    with tempfile.TemporaryDirectory(prefix="metalmatrix-checks-", ignore_cleanup_errors=True) as folder:
        tell = on_event or (lambda _: None)
        run = _Run(python.absolute(), limits, Path(folder), tell, sealed=sealed, lite=lite)
        results = run.all(pending)
    return tuple(results[info.id] for info in pending)


class _Run:
    """The processes of one call of `run_checks`."""

    def __init__(
        self, python: Path, limits: Limits, folder: Path, tell: Callable[[str], None], **how: bool
    ) -> None:
        self.limits, self.tell, self.lite = limits, tell, how["lite"]
        self.folder, self.sealed = folder, how["sealed"]
        # -I: neither the user's site-packages nor PYTHON* variables belong to the environment.
        self.command = [str(python), "-I", "-X", "faulthandler", str(checks_dir() / "run.py")]
        self.replacements = _replacements(python.parent.parent, folder)

    def all(self, checks: Sequence[CheckInfo]) -> dict[str, CheckResult]:
        results: dict[str, CheckResult] = {}
        alone: CheckInfo | None = None
        count = 0
        while pending := [info for info in checks if info.id not in results]:
            if _cannot_import(results):
                why = f"{'LiteRT' if self.lite else 'TensorFlow'} cannot be imported."
                results |= {info.id: _skipped(info, why) for info in pending}
                break
            count += 1
            left = f"for {alone.id} alone" if alone else f"checks left: {len(pending)}"
            self.tell(f"process {count}, {left}")
            process = _Process(self, [alone] if alone else pending, may_ask=alone is None)
            process.run()
            results |= process.results
            alone = process.wants_to_be_alone
        return results

    def clean(self, text: str, limit: int = MESSAGE_CHARS) -> str:
        return plain(scrub(text, self.replacements), limit)


class _Process:
    """One process and the checks it is to run: events in, results out."""

    def __init__(self, run: _Run, checks: Sequence[CheckInfo], *, may_ask: bool) -> None:
        self.run_ = run
        self.pending = list(checks)
        self.may_ask = may_ask
        self.token = secrets.token_hex(8)
        self.current: CheckInfo | None = None
        self.started = time.monotonic()
        self.facts: dict[str, Any] = {}
        self.results: dict[str, CheckResult] = {}
        self.wants_to_be_alone: CheckInfo | None = None

    def run(self) -> None:
        run = self.run_
        checks, prefix = [info.id for info in self.pending], prefix_of(lite=run.lite)
        job = {"token": self.token, "checks": checks, "limits": asdict(run.limits), "prefix": prefix}
        try:
            self.child = Child(
                run.command,
                job=json.dumps(job).encode(),
                cwd=run.folder,
                env=_environment(run.folder, sealed=run.sealed),
                memory_mb=run.limits.memory_mb,
            )
        except OSError as error:
            what = f"The interpreter {run.command[0]} cannot be started: {error.strerror}."
            raise ToolMissingError(what, "make the environment anew") from error
        with self.child:
            self.child.allow(run.limits.seconds)
            ending = self.child.watch(self.on_line)
            self.on_end(ending)

    def on_line(self, line: bytes) -> None:
        event = _parse(line)
        if event is None or event.get("token") != self.token:
            self.run_.tell("ignored a line on the event pipe that is not an event")
            return
        name, check = event.get("event"), event.get("check")
        running = self.current is not None and check == self.current.id
        if name == "start" and self.current is None and self.pending and check == self.pending[0].id:
            self.on_start()
        elif name == "facts" and running:
            self.facts = self.facts_of(event)
        elif name == "done" and running and event.get("outcome") in ("passed", "failed", "skipped"):
            self.on_done(event)
        elif name == "fresh" and running and self.may_ask:
            self.wants_to_be_alone, self.current = self.current, None
            self.pending.clear()
        else:
            self.run_.tell("ignored an event for a check that is not running")

    def on_start(self) -> None:
        self.child.allow(self.run_.limits.seconds)
        self.current = self.pending.pop(0)
        self.started = time.monotonic()
        self.facts = {}
        self.run_.tell(f"start {self.current.id}")

    def on_done(self, event: Mapping[str, Any]) -> None:
        self.facts = self.facts_of(event)
        how = event.get("how") if event["outcome"] == "failed" else ""
        self.report(
            outcome=event["outcome"],
            how=how if how in ("exception", "mismatch", "exit") else "",
            message=self.text_of(event, "message"),
            exception=self.text_of(event, "exception"),
        )
        if _cannot_import(self.results):
            self.pending.clear()
        self.child.allow(self.run_.limits.seconds if self.pending else LAST_WORDS)
        self.child.send(b"go on")

    def on_end(self, ending: Ending) -> None:
        """Blames the end of the process on the check it was in, or on the one it did not get to."""
        before = ""
        if self.current is None:
            if not self.pending:
                return
            if self.results and ending.killed:
                return  # between two checks: the ones that are left get a process of their own
            self.current = self.pending.pop(0)  # what was printed so far is the tail of this one
            before = " before the check began"
        self.report(outcome="failed", **_blame(ending, self.run_.limits, before))

    def report(self, outcome: Outcome, **more: Any) -> None:  # noqa: ANN401 - the fields of CheckResult
        info, self.current = self.current, None
        assert info is not None  # noqa: S101 - both callers looked
        seconds = round(time.monotonic() - self.started, 3)
        tail = tail_of(self.child.take_output(), TAIL_CHARS, self.run_.replacements)
        result = replace(_result(info, outcome), tail=tail, facts=self.facts, seconds=seconds, **more)
        self.results[info.id] = result
        self.started, self.facts = time.monotonic(), {}
        self.run_.tell(f"done {info.id} {outcome} {seconds:.1f} s")

    def text_of(self, event: Mapping[str, Any], key: str) -> str:
        text = event.get(key)
        return self.run_.clean(text) if isinstance(text, str) else ""

    def facts_of(self, event: Mapping[str, Any]) -> dict[str, Any]:
        facts = event.get("facts")
        cleaned = _bounded(facts, self.run_.clean) if isinstance(facts, dict) else {}
        return cleaned if isinstance(cleaned, dict) else {}


def _cannot_import(results: Mapping[str, CheckResult]) -> bool:
    """Whether the other checks would each repeat why TensorFlow cannot be imported."""
    return "import" in results and results["import"].outcome == "failed"


def _result(info: CheckInfo, outcome: Outcome) -> CheckResult:
    return CheckResult(info.id, info.title, info.stage, info.weight, outcome)


def _skipped(info: CheckInfo, reason: str) -> CheckResult:
    return replace(_result(info, "skipped"), message=reason)


def _blame(ending: Ending, limits: Limits, before: str) -> dict[str, str]:
    """The ``how``, ``message`` and ``signal`` of a check whose process ended like that."""
    if ending.killed == "hang":
        return {"how": "hang", "message": f"The check did not end within {limits.seconds:g} s{before}."}
    if ending.killed == "memory":
        held = f"The check held more than {limits.memory_mb} MiB of memory{before}."
        return {"how": "memory", "message": held}
    if ending.killed == "output":
        message = f"The check printed more than {OUTPUT_BYTES // 2**20} MiB, or flooded its events{before}."
        return {"how": "output", "message": message}
    if ending.signal == "SIGKILL":
        killed = f"The process was killed from outside{before}, most likely for want of memory."
        return {"how": "memory", "message": killed, "signal": ending.signal}
    if ending.signal:
        meaning = ""
        with suppress(ValueError):
            meaning = f" ({signal.strsignal(-ending.code)})"
        message = f"The process was ended by {ending.signal}{meaning}{before}."
        return {"how": "signal", "message": message, "signal": ending.signal}
    return {"how": "exit", "message": f"The process ended early{before}, with exit code {ending.code}."}


def _environment(folder: Path, *, sealed: bool) -> dict[str, str]:
    """The environment variables of a check: the user's, without what would change the answer.

    Keras' configuration file, its backend and its legacy switch belong to the user's shell, not to the
    set of versions that is checked; temporary files go where they are removed even after a kill.  Sealed,
    no plugin but the set's is seen: TensorFlow 2.20 looks into the user's site-packages even under ``-I``.
    """
    left_out = ("TF_", "XLA_") if sealed else ("TF_USE_LEGACY_KERAS",)
    env = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    if sealed:
        env["PYTHONUSERBASE"] = str(folder / "user")
    env.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return env | {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(folder / "keras"), "TMPDIR": str(folder)}


def _replacements(prefix: Path, folder: Path) -> dict[str, str]:
    """The paths that nobody needs to read, and what stands for them."""
    found: dict[str, str] = {}
    for path, name in (
        (os.path.expanduser("~"), "~"),  # noqa: PTH111 - Path.home() raises where there is none
        (str(checks_dir()), "checks"),
        (str(prefix), "<env>"),
        (str(folder), "<tmp>"),
    ):
        if os.path.isabs(path):  # noqa: PTH117
            found |= {path.rstrip("/"): name, os.path.realpath(path): name}
    return found


def _parse(line: bytes) -> dict[str, Any] | None:
    """The JSON object on ``line``; None for anything else."""
    try:
        event = json.loads(line, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _bounded(value: object, clean: Callable[[str], str], depth: int = 6) -> Any:  # noqa: ANN401 - JSON
    """``value`` with every string cleaned, at most ``depth`` levels and 256 items a level."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, str):
        return clean(value)
    if depth == 0:
        return "…"
    if isinstance(value, dict):
        return {clean(key): _bounded(item, clean, depth - 1) for key, item in list(value.items())[:256]}
    assert isinstance(value, list)  # noqa: S101 - JSON has no other type
    return [_bounded(item, clean, depth - 1) for item in value[:256]]
