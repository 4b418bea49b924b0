"""What can go wrong in the tool itself: every error says what happened and what to type next.

A broken cell is no error: finding it is the job.  Each class has an exit code of its own, so that
a script can tell a typo from an index out of reach.
"""

from __future__ import annotations

import errno


class MetalmatrixError(Exception):
    """An error of the tool, told to the user without a traceback.

    Args:
        what: What happened and why, one or more sentences.
        hint: What to type next; empty where there is nothing to type.
    """

    exit_code = 2

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}" if self.hint else self.what


class UsageError(MetalmatrixError):
    """The command line names something that does not exist."""

    exit_code = 2


class MatrixError(MetalmatrixError):
    """``matrix.toml`` or another data file says something that cannot be meant."""

    exit_code = 2


class IndexUnreachableError(MetalmatrixError):
    """The package index did not answer: what needed it is *unknown*."""

    exit_code = 3


class ResultError(MetalmatrixError):
    """A result file is damaged, or written by a newer metalmatrix."""

    exit_code = 4


class ToolMissingError(MetalmatrixError):
    """A program this one needs (uv, an interpreter) is not on this machine."""

    exit_code = 5


class RehearsalError(ToolMissingError):
    """A set could not be installed or run on this machine: what it does is *unknown*."""


_NO_PLACE = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM))


def told(error: OSError) -> str:
    """What the system refused, as a sentence for the user: no traceback helps against a full disk."""
    where = f": {error.filename}" if error.filename else ""
    hint = "\n  hint: is there room, and may you write there?" if error.errno in _NO_PLACE else ""
    return f"{error.strerror or error}{where}{hint}"
