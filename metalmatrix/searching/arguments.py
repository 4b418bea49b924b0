"""What `when` and `repair` take on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import day, json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    when = add(
        "when",
        "Say since which day a plain install of cells is broken, and which upload did it.",
        """\
  python -m metalmatrix when py3.11-tf2.14.0-nometal
  python -m metalmatrix when py3.10-tf2.9.0-nometal --json
  python -m metalmatrix when --force        each framework on its newest Python here, into data/breaks.jsonl
  python -m metalmatrix when --as-of 2026-11-24   only what is new since the data: 1 where something is
A search that was cut off goes on where it stopped: what was rehearsed once is not rehearsed again.""",
    )
    when.add_argument("--force", action="store_true", help="write what is found into the data")

    repair = add(
        "repair",
        "Find the fewest and widest bounds that mend a plain install.",
        """\
  python -m metalmatrix repair py3.11-tf2.14.0-nometal
  python -m metalmatrix repair py3.11-tf2.14.0-nometal --force     write them into data/repairs.toml
  python -m metalmatrix repair --check                             prove each entry, name the needless""",
    )
    repair.add_argument("--force", action="store_true", help="write them into the data")
    repair.add_argument("--check", action="store_true", help="prove each entry of the data anew")
    for command in (when, repair):
        command.add_argument(
            "--as-of",
            type=day,
            metavar="DAY",
            help="the last day whose uploads count; matrix.toml's if not given",
        )
        command.add_argument("cells", nargs="*", metavar="CELL", help="ids, like py3.11-tf2.14.0-nometal")

    json_too(when, repair)
