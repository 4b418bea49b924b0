"""An environment of small fake distributions, installed as an installer does: files, METADATA, RECORD."""

from __future__ import annotations

import sys
import venv
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

ENDING = ".dylib" if sys.platform == "darwin" else ".so"
PLUGIN = f"tensorflow-plugins/libmetal_plugin{ENDING}"
GPU = b"\xcf\xfa\xed\xfe" + b"x" * 5000 + b"\0SE_InitPlugin\0\0METAL\0GPU\0"
"""What the check looks for in a plugin, as it stands among the strings of tensorflow-metal 1.1.0."""
OLD = "import distutils as _distutils\nos.getenv('TF_PLUGGABLE_DEVICE_LIBRARY_PATH', '')\n"
NEW = (
    "for _scheme in _sysconfig.get_scheme_names(): pass\n_os.getenv('TF_PLUGGABLE_DEVICE_LIBRARY_PATH', '')\n"
)


class Fake:
    """An environment to put distributions into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, symlinks=True)
        self.python = folder / "bin/python"
        self.site = next(folder.glob("lib/python*/site-packages"))

    def put(
        self,
        name: str,
        version: str,
        files: dict[str, bytes | str] | None = None,
        requires: Iterable[str] = (),
        site: Path | None = None,
        more: Mapping[str, str] | None = None,
    ) -> Path:
        """Installs a distribution as an installer does: files, METADATA, RECORD with sizes.

        *more* are files of its ``dist-info`` folder: WHEEL, INSTALLER.
        """
        site = site or self.site
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        content: dict[str, bytes | str] = {
            **(files or {}),
            f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {r}" for r in requires), "", "text\n"]),
            **{f"{info}/{key}": text for key, text in (more or {}).items()},
        }
        record = []
        for path, body in content.items():
            data = body.encode() if isinstance(body, str) else body
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_bytes(data)
            record.append(f"{path},sha256=x,{len(data)}")
        (site / info / "RECORD").write_text("\n".join([*record, f"{info}/RECORD,,"]) + "\n")
        return site / info

    def tensorflow(self, version: str = "2.15.1", name: str = "tensorflow", **more: Any) -> Path:  # noqa: ANN401
        """Installs a TensorFlow with code of its own."""
        files = {
            "tensorflow/__init__.py": more.pop("source", OLD) + "#" * int(version.replace(".", "")),
            f"tensorflow/_pywrap{ENDING}": b"x" * int(version.replace(".", "")),
            "tensorflow/the_same.py": "",
        }
        return self.put(name, version, files, more.pop("requires", ["keras (<2.16,>=2.15.0)"]))
