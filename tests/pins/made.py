"""Small sets of pins for the tests of their forms."""

from __future__ import annotations

from dataclasses import replace

from metalmatrix.cells.cell import Cell
from metalmatrix.pins.addresses import Address
from metalmatrix.pins.pins import PinSet
from metalmatrix.resolving.repairs import repairs_for
from metalmatrix.verdicts.report import CellReport, cell_report
from metalmatrix.verdicts.verdict import Verdict
from tests.samples import evidence, lock

LOCK = lock(
    "tensorflow==2.15.1", "tensorflow-metal==1.1.0", "setuptools==81.0.0", "six==1.17.0", "keras-hub==0.20.0"
)
ADDRESSES = {
    wheel.sha256: Address(f"https://index.test/{wheel.file}", 7) for p in LOCK.packages for wheel in p.wheels
}


def item(name: str, word: str, *, macos: str | None = "12.0") -> CellReport:
    """The report of a cell with this verdict."""
    floor = (macos, f"x 1 (tagged {macos})") if macos else None
    made = cell_report(Cell.parse(name), [evidence("resolved", "ok")], floor=floor)
    return replace(made, verdict=Verdict(word, "", f"it is {word}"))


def pin_set(message: str = "", **more: object) -> PinSet:
    """A set, into which somebody may have written *message* wherever there is room for it."""
    report = item("py3.11-tf2.15.1-metal1.1.0", "likely")
    if message:
        told = evidence("reported", "ok", message=message, source=message, date=message)
        report = replace(
            report,
            verdict=Verdict("likely", "", message),
            holds=(message,),
            macos_by=message,
            evidence=(*report.evidence, told),
        )
    repairs = tuple(
        replace(r, why=message or r.why, upload=message or r.upload) for r in repairs_for(report.cell)
    )
    made = PinSet(report, LOCK, repairs, "2026-11-20", said=(message,) if message else ())
    return replace(made, **more)  # type: ignore[arg-type]
