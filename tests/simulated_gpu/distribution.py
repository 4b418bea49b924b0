"""Puts the simulated GPU into an environment, as ``pip install tensorflow-metal`` puts the real plugin.

A distribution with its files in ``tensorflow-plugins/``, an ``__init__.py`` among them, so that
TensorFlow and the checks find it where they look.  Beside it a ``.pth`` file, see `TOLD_DARWIN`.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

from metalmatrix.running.record import SIMULATED
from tests.simulated_gpu.build import library

NAME = SIMULATED
VERSION = "0"
VARIABLE = "METALMATRIX_SIMULATED_GPU"
"""The environment variable that says how the device misbehaves: see ``faults.c``."""

LIBRARY = f"tensorflow-plugins/lib{NAME}.so"
MODULE = "_metalmatrix_simulated_gpu"

# Keras 3 turns XLA on for every GPU that is not a Mac's, and a PluggableDevice has no XLA compiler. It asks
# `platform`, in one function of one module: that caller, and no other, is told that this is a Mac. Keras 2
# asks elsewhere and hears the truth, or it would take its legacy optimizers, whose kernels this device lacks.
TOLD_DARWIN = '''\
"""Tells one function of Keras 3 that this is a Mac with Apple silicon: no XLA on its GPU."""

import platform
import sys

CALLER = "keras.src.trainers.trainer"


def told(name, answer):
    truth = getattr(platform, name)

    def function():
        caller = sys._getframe(1).f_globals.get("__name__")
        return answer if caller == CALLER else truth()

    setattr(platform, name, function)


told("system", "Darwin")
told("processor", "arm")
'''


def install(python: Path, *, undefined_symbol: bool = False) -> Path:
    """Install the double into the environment of *python*, over one that is there; gives back the library.

    ``pip uninstall metalmatrix-simulated-gpu`` takes it away again.

    Raises:
        CannotBuildError: It cannot be built on this machine.
    """
    built = library(python, undefined_symbol=undefined_symbol)
    site = _site_packages(python)
    info = f"{NAME.replace('-', '_')}-{VERSION}.dist-info"
    files = {
        LIBRARY: built.read_bytes(),
        "tensorflow-plugins/__init__.py": b"",
        f"{MODULE}.py": TOLD_DARWIN.encode(),
        f"{MODULE}.pth": f"import {MODULE}\n".encode(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: metalmatrix\nRoot-Is-Purelib: false\n",
        f"{info}/INSTALLER": b"metalmatrix\n",
    }
    record = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    for name, content in files.items():
        path = site / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)  # a process that runs keeps the file it has loaded
        path.write_bytes(content)
    return site / LIBRARY


def _site_packages(python: Path) -> Path:
    code = "import sysconfig; print(sysconfig.get_path('platlib'))"
    done = subprocess.run([str(python), "-IBc", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def _digest(content: bytes) -> str:
    """The digest as RECORD has it (packaging.python.org, the file RECORD)."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
