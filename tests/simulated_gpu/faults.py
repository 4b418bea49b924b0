"""What each fault looks like from outside: the first check that fails, and how, under every TensorFlow.

The tests hold a real TensorFlow against this table, ``docs/simulated-gpu.md`` shows it, and its words
are those of ``faults.c``.
"""

from __future__ import annotations

from dataclasses import dataclass

UNDEFINED_SYMBOL = "undefined-symbol"
"""The fault that is a build of its own: no variable can be read before the linker fails."""


@dataclass(frozen=True)
class Fault:
    """A fault and what the checks make of it.

    Attributes:
        word: Its name in ``METALMATRIX_SIMULATED_GPU``.
        check: The id of the first check that fails.
        how: What the failure is, see `running.supervise.CheckResult`.
        message: A regular expression for what stays the same of its message.
        verdict: What the matrix would say, were this a Mac.
        raised: The class of the exception, without its module; or the signal.
    """

    word: str
    check: str
    how: str
    message: str
    verdict: str = "broken"
    raised: str = ""


FAULTS = (
    Fault(
        UNDEFINED_SYMBOL,
        "import",
        "exception",
        r"^<env>/.*/tensorflow-plugins/libmetalmatrix-simulated-gpu\.so: "
        r"undefined symbol: _ZN3tsl8internal10LogMe",
        raised="NotFoundError",
    ),
    Fault("segv", "import", "signal", r"^The process was ended by SIGSEGV", raised="SIGSEGV"),
    Fault("sigill", "import", "signal", r"^The process was ended by SIGILL", raised="SIGILL"),
    Fault("init-error", "import", "signal", r"^The process was ended by SIGABRT", raised="SIGABRT"),
    Fault(
        "no-device",
        "device",
        "mismatch",
        r"^The plugin is installed \(metalmatrix-simulated-gpu 0\), TensorFlow lists no GPU: "
        r"/physical_device:CPU:0\.$",
    ),
    Fault(
        "no-kernels",
        "placement",
        "mismatch",
        r"^TensorFlow lists /physical_device:GPU:0, has no matrix product for /GPU:0, and would compute it ",
    ),
    Fault("hang", "placement", "hang", r"^The check did not end within \d+ s\.$"),
    Fault(
        "wrong-matmul",
        "matmul",
        "mismatch",
        # Without the last product of each sum, 4 * 8 + 5 * 10 = 82 stands for 4 * 8 + 5 * 10 + 6 * 12 = 154.
        r"^2x3 by 3x2 on /GPU:0: .* off by 0\.47 of the largest expected number",
    ),
    Fault("nan", "matmul", "mismatch", r"^2x3 by 3x2 on /GPU:0: .* not finite"),
    Fault("fit", "fit", "exception", r"^Graph execution error", raised="InternalError"),
    Fault(
        "slow",
        "speed",
        "mismatch",
        r"^The GPU is far slower than the CPU: matmul at 0\.0\d+ of its speed",
        "degraded",
    ),
    Fault(
        "relu-graph",
        "numerics",
        "mismatch",
        r"model\.predict on /GPU:0 does not apply relu after a dense layer: the least number is -11 ",
        "degraded",
    ),
)
