"""A simulated GPU: a PluggableDevice for the tests, in C, installed as the real plugin is.

`library` builds it, `install` puts it into an environment; the C sources say what it is and how it
misbehaves on purpose.  ``python -m tests.simulated_gpu PYTHON`` does both for a person.
"""

from tests.simulated_gpu.build import CannotBuildError, library
from tests.simulated_gpu.distribution import VARIABLE, install

__all__ = ["VARIABLE", "CannotBuildError", "install", "library"]
