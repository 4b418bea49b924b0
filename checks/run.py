"""Runs checks inside the environment they are about, and tells the supervisor through a pipe.

Started as ``PYTHON -I -X faulthandler run.py FD`` with the job as a line of JSON on stdin: ``token``,
``checks`` (their ids, in order), ``prefix`` (of their modules) and ``limits``.  Each line on FD is one event:
``start``, ``facts``, ``done`` or ``fresh``, always with the token, so that what the environment itself writes
there by accident counts for nothing.  After each check it waits for a line on stdin: by then the supervisor
has read what was printed, and what a crash prints next is the next check's.

One process runs all checks, since importing TensorFlow is what costs; when it dies, the supervisor
starts another for the checks that are left.
"""

import contextlib
import faulthandler
import importlib
import json
import math
import os
import signal
import sys
import traceback

# In the order of the stages, but for those that want a process of their own: they come last.
ORDER = (
    "packages",
    "import",
    "device",
    "placement",
    "ops",
    "matmul",
    "fit",
    "save",
    "tensorboard",
    "speed",
    "numerics",
    "memory-limit",
    "memory-growth",
)

# The checks of LiteRT, which are modules of their own: some ids are the same.
LITERT = ("import", "model", "delegates")

LINE = 60000  # bytes; the supervisor throws away lines over 64 KiB
STDERR = 2


def main(argv):
    channel = int(argv[1])
    os.set_inheritable(channel, False)  # noqa: FBT003 - it has no name
    orders = take_stdin()
    job = json.loads(orders.readline())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    def send(event, check, **more):
        line = to_line(dict(more, token=job["token"], event=event, check=check))
        while line:
            line = line[os.write(channel, line) :]

    checks, lib = load(job["checks"], job["prefix"])
    for check in job["checks"]:
        watch_over(job["limits"]["seconds"])
        send("start", check)
        if run(checks[check], check, job, send, lib) == "failed" and check == "import":
            break  # the others would each say the same
        if check != job["checks"][-1] and not orders.readline():
            break  # the supervisor is gone
    # Nothing of the environment gets a say after the last event: atexit hooks and threads may hang.
    os._exit(0)


def take_stdin():
    """The pipe that was stdin; a check that reads stdin finds its end at once."""
    orders = os.fdopen(os.dup(0), "rb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return orders


def load(ids, prefix):
    """The check functions by id, and `checklib`.

    This folder is on ``sys.path`` for just so long, and leaves no bytecode: the environment must be
    the same with and without us.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, here)
    try:
        lib = importlib.import_module("checklib")
        return {i: importlib.import_module(prefix + i.replace("-", "_")).check for i in ids}, lib
    finally:
        sys.path.remove(here)
        sys.dont_write_bytecode = bytecode


def watch_over(seconds):
    """Shows where a check hangs shortly before it is killed, and ends an orphan."""
    faulthandler.dump_traceback_later(seconds - min(1.0, seconds / 4), file=STDERR)
    # Should the supervisor itself be killed, nobody else would ever end a check that hangs.
    signal.alarm(math.ceil(seconds) + 15)


def run(function, check, job, send, lib):
    """Runs one check, sends what came of it, and gives back the outcome."""
    report = lib.Report(
        job["limits"],
        alone=len(job["checks"]) == 1,
        send=lambda facts: send("facts", check, facts=facts),
    )
    outcome = {"outcome": "passed", "how": "", "message": "", "exception": ""}
    try:
        function(report)
    except lib.FreshProcess:
        send("fresh", check)
        os._exit(0)
    except lib.Skipped as reason:
        outcome.update(outcome="skipped", message=str(reason))
    except lib.Failed as finding:
        outcome.update(outcome="failed", how="mismatch", message=str(finding))
    except SystemExit as end:
        message = f"The check ended the process by itself: sys.exit({end.code!r})."
        outcome.update(outcome="failed", how="exit", message=message)
        traceback.print_exc()
    except BaseException as error:
        kind = type(error)
        name = (kind.__module__ + "." + kind.__qualname__).replace("builtins.", "", 1)
        outcome.update(outcome="failed", how="exception", message=text_of(error), exception=name)
        traceback.print_exc()
    faulthandler.cancel_dump_traceback_later()
    flush()
    send("done", check, facts=report.facts, **outcome)
    return outcome["outcome"]


def text_of(error):
    """The error's message; a broken ``__str__`` is no reason to lose the error."""
    try:
        return str(error)
    except Exception:
        return "(the message of this exception cannot be had)"


def flush():
    """Puts what was printed into the pipe, so that it belongs to this check's tail."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # closed or replaced by the environment: nothing to flush
            stream.flush()


def to_line(event):
    """``event`` as one line of JSON, shortened by what is largest if it would not fit."""
    line = encode(event)
    if len(line) > LINE:
        event["message"] = event.get("message", "")[:4000]
        line = encode(event)
    if len(line) > LINE:
        line = encode(dict(event, facts={"dropped": "The facts of this check take too much room."}))
    return line


def encode(event):
    return json.dumps(to_json(event)).encode("ascii") + b"\n"


def to_json(value):
    """``value`` in JSON's types: TensorFlow's facts hold tuples, NumPy numbers and objects of its own."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    return str(value)


if __name__ == "__main__":
    main(sys.argv)
