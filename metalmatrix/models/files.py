"""What a path on the command line is: a ``.keras`` file, a SavedModel or a GraphDef; and the model in it."""

from __future__ import annotations

import mmap
import stat
from typing import TYPE_CHECKING

from metalmatrix.models.keras_file import read_keras
from metalmatrix.models.saved_graphs import read_graph
from metalmatrix.models.wire import ModelError
from metalmatrix.text import plain

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from metalmatrix.kernels.framework_facts import FrameworkFacts
    from metalmatrix.models.graphs import Model

MAX_FILE = 4 * 2**30
"""Bytes; protobuf itself ends at 2 GiB."""

_ZIP, _HDF5 = b"PK\x03\x04", b"\x89HDF"
_HINT = "give a .keras file, the folder of a SavedModel, its saved_model.pb, or a GraphDef"


def read_model(path: Path, facts: FrameworkFacts) -> Model:
    """The model at *path*; nothing of it is executed.

    Raises:
        ModelError: There is none, it is damaged or too large, or of another kind.
    """
    name = plain(path.name, 80)
    if path.is_dir():
        path /= "saved_model.pb"
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would wait, before it is opened
            problem = "no file"
        elif not 0 < found.st_size <= MAX_FILE:
            problem = f"no model: it has {found.st_size:,} bytes"
        else:
            with path.open("rb") as file:
                return _read(file, facts)
        raise ModelError(f"{name} is {problem}")  # noqa: TRY301 - it gets its hint below
    except ModelError as error:
        raise ModelError(error.what, error.hint or _HINT) from error
    except OSError as error:
        raise ModelError(f"{name} cannot be read: {error.strerror or error}", _HINT) from error


def _read(file: BinaryIO, facts: FrameworkFacts) -> Model:
    """The model in an open file, by how it begins."""
    head = file.read(4)
    file.seek(0)
    if head == _HDF5:
        raise ModelError("it is HDF5, which is not read", "save it as .keras: model.save('x.keras')")
    if head == _ZIP:
        return read_keras(file, facts)
    # No `with`: closing it would raise a BufferError where the frames of a ModelError still hold parts of it.
    # It is unmapped with the last of them.
    return read_graph(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
