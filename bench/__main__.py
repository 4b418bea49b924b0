"""``nox -s bench``: measure some parts, keep what was measured, and make the page of it.

nox -s bench                          all parts; the first takes an hour, and wants a machine that is quiet
nox -s bench -- static growth         some of them: the others stay as they were measured
nox -s bench -- facts --quick         one turn of little, to see that it works; nothing is kept
nox -s bench -- --render              only the page again, from bench/measured.json
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from bench import growth, job, machine, page, static, tricks, wheels
from bench.machine import ROOT
from bench.measure import FailedError
from metalmatrix.errors import MetalmatrixError
from metalmatrix.files import write_atomic
from metalmatrix.output import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "job": job.measure,
    "static": static.measure,
    "facts": wheels.measure,
    "growth": growth.measure,
    "tricks": tricks.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; the exit code."""
    parser = argparse.ArgumentParser(
        prog="nox -s bench --",
        description=(__doc__ or "").partition("\n")[0],
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all where none is named"
    )
    parser.add_argument("--quick", action="store_true", help="one turn of little; nothing is kept")
    parser.add_argument("--render", action="store_true", help="only make docs/performance.md again")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs is ended, and its folder removed
    measured = page.load()
    for name in () if options.render else options.parts or PARTS:
        tell(f"{name}: {machine.load()} processes wait for {machine.facts()['cores']} cores")
        facts, started = machine.facts(), time.monotonic()
        try:
            found = PARTS[name](tell, quick=options.quick)
        except (FailedError, MetalmatrixError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 1
        facts |= {"load_after": machine.load(), "minutes": round((time.monotonic() - started) / 60, 1)}
        if options.quick:
            print(json.dumps(found, indent=1))
            continue
        measured[name] = {"machine": facts, **found}
        write_atomic(page.DATA, page.dump(measured))
    if not options.quick:
        write_atomic(ROOT / page.PAGE, page.render(measured))
        tell(f"written: {page.PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
