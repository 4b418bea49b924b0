"""What a path on the command line is: a ``.keras`` file, a SavedModel or a GraphDef; and the model in it."""

from __future__ import annotations

import mmap
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from metalmatrix.models.keras_file import read_keras
from metalmatrix.models.saved_graphs import read_graph
from metalmatrix.models.wire import ModelError

if TYPE_CHECKING:
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
    if path.is_dir():
        path /= "saved_model.pb"
    try:
        with path.open("rb") as file:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ModelError(f"{path.name} is no file", _HINT)
            if not 0 < found.st_size <= MAX_FILE:
                raise ModelError(f"{path.name} has {found.st_size:,} bytes: it is no model", _HINT)
            head = file.read(4)
            file.seek(0)
            if head == _HDF5:
                raise ModelError(
                    f"{path.name} is HDF5, which is not read", "save it as .keras: model.save('x.keras')"
                )
            if head == _ZIP:
                return read_keras(file, facts)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
                return read_graph(view)
    except ModelError as error:
        raise ModelError(error.what, error.hint or _HINT) from error
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror or error}", _HINT) from error
