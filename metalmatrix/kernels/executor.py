"""Whether TensorFlow takes the struct that a plugin fills: what it says of a plugin after dyld has loaded it.

``SP_StreamExecutor`` got ``mem_zero``, ``memset`` and ``memset32`` before ``host_callback`` with TensorFlow
2.7 (its header in the wheels of 2.6.2 and 2.7.0), and each TensorFlow insists on ``host_callback`` at its
own place: ``ValidateSPStreamExecutor``, which every release has, runs while the plugin is registered, and
an error there ends the process.  So a plugin of the older struct cannot be used from 2.7 on.  It was
seen: a plugin built with the header of 2.6.2 serves TensorFlow 2.6.2, and ends 2.7.0 and 2.10.0 at import
with these very words (on Linux, November 2026; the code is the same on a Mac).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalmatrix.kernels.kernel_facts import PluginLibrary

CHANGED = Version("2.7")
OLDER, NEWER = 32, 35
"""The 8-byte word of the struct in which ``host_callback`` stands."""

MESSAGE = "FAILED_PRECONDITION: 'host_callback' field in SP_StreamExecutor must be set."


def refusal(libraries: Iterable[PluginLibrary], framework: str) -> str:
    """Why TensorFlow *framework* ends at the sight of a plugin, in its own words; empty where it does not."""
    wanted = OLDER if Version(framework).release[:2] < CHANGED.release else NEWER
    for library in libraries:
        if wanted not in library.platform.executor:
            size = library.platform.executor_size
            why = f"the plugin fills a struct of {size} bytes, as TensorFlow had it before {CHANGED}"
            return f"{MESSAGE} ({why}; the process aborts)"
    return ""
