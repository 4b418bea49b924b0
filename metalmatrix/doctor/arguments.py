"""What `doctor` takes on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.arguments import json_too

if TYPE_CHECKING:
    from metalmatrix.arguments import Add


def add_to(add: Add) -> None:
    """Add them."""
    doctor = add(
        "doctor",
        "Say what is wrong with a TensorFlow, and what to type: of an environment, or of a traceback.",
        """\
  python3 -m metalmatrix doctor                              the environment that is active
  python3 -m metalmatrix doctor --python .venv               another one
  python3 -m metalmatrix doctor --traceback -                paste a message, then Ctrl-D; on any machine
  python3 -m metalmatrix doctor --python .venv --traceback error.txt --json
  python3 -m metalmatrix doctor --deep                       run the checks as well
Python 3.8 or later with nothing installed is enough; --deep needs the whole package.
It ends with 0 where all is well, 1 where a problem is found, 2 where it could not look,
where a text holds no message that it knows, or where --deep could not be done.""",
    )
    doctor.add_argument("--python", metavar="PATH", help="an interpreter, or the folder of an environment")
    doctor.add_argument("--traceback", metavar="FILE", help="a text to read instead; - is standard input")
    doctor.add_argument("--deep", action="store_true", help="run the checks: numbers, GPU, training")
    doctor.add_argument(
        "--write", action="store_true", help="only make the data that it goes by anew, from the table"
    )
    json_too(doctor)
