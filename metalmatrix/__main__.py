"""``python -m metalmatrix``: written so that any Python can read it, and say what it lacks."""

import sys

TOOL_MISSING = 5  # `ToolMissingError.exit_code`, whose module an old Python cannot read


def end(said):  # noqa: ANN001, ANN201 - Python 2 knows no annotations
    # type: (str) -> None
    """Say what is missing, and end."""
    sys.stderr.write(said + "\n")
    sys.exit(TOOL_MISSING)


if sys.version_info < (3, 8):  # noqa: UP036 - somebody runs a clone with whatever `python` is
    end(
        "error: this is Python %d.%d; metalmatrix needs 3.10 or later, and its doctor 3.8\n"  # noqa: UP031
        "  hint: python3 -m metalmatrix doctor --python %s" % (sys.version_info[:2] + (sys.executable,))  # noqa: RUF005
    )

if __name__ == "__main__":
    try:
        from metalmatrix.cli import main

        sys.exit(main())
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("metalmatrix"):
            raise
        # Somebody runs a clone with a Python that has none of what the project needs.
        needs = "" if sys.version_info >= (3, 10) else " Python 3.10 or later, and then"
        end("error: " + str(error.name) + " is not installed\n  hint:" + needs + " python3 -m pip install .")
