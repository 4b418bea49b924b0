"""One child process under watch: what it may take, what it sends, and how it ended.

The child gets a process group of its own and two pipes, one for its events and one for whatever it
prints.  One selector loop reads both, keeps a bounded part, and kills the whole group when the time,
the memory or the output is used up.  No threads, and nothing here knows what the events mean.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import psutil
    from typing_extensions import Self

LINE_BYTES = 64 * 1024  # a longer event is thrown away
EVENT_BYTES = 1024 * 1024  # events of one process, all together
OUTPUT_BYTES = 16 * 1024 * 1024  # what may be printed before the process is killed for it
KEPT_BYTES = 32 * 1024  # of what was printed
CHUNK_BYTES = 64 * 1024
MEMORY_POLL = 0.25  # seconds
DRAIN = 0.5  # seconds given to what is still in the pipes of a process that has ended
SILENT_POLL = 0.02  # seconds between looks at a process that has closed both pipes


@dataclass(frozen=True)
class Ending:
    """How a process ended.

    Attributes:
        killed: Which limit it was killed for: ``hang``, ``memory``, ``output``; empty if it ended itself.
        code: Its return code; negative is the number of the signal that ended it.
    """

    killed: str
    code: int

    @property
    def signal(self) -> str:
        """The name of the signal that ended the process; empty if none did."""
        if self.code >= 0:
            return ""
        try:
            return signal.Signals(-self.code).name
        except ValueError:  # a real-time signal
            return f"signal {-self.code}"


class Child:
    """A process in a group of its own, which does not outlive the ``with`` block.

    Args:
        command: The command line; the number of the event pipe is appended to it.
        job: The first line for the child's stdin; it must fit into a pipe, 16 KiB on macOS.
        cwd: The folder to run in.
        env: The whole environment of the child.
        memory_mb: Resident MiB that the child and its descendants may hold together.

    Raises:
        OSError: The command cannot be started.
    """

    def __init__(
        self, command: Sequence[str], *, job: bytes, cwd: Path, env: Mapping[str, str], memory_mb: int
    ) -> None:
        self._memory_mb = memory_mb
        self._selector = selectors.DefaultSelector()
        self._line = b""
        self._event_bytes = 0
        self._output_bytes = 0
        self._output = bytearray()
        self._deadline = float("inf")
        self._ended = False
        self._next_poll = 0.0
        self._tree: dict[int, psutil.Process] = {}
        events, events_in = os.pipe()
        output, output_in = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, str(events_in)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=output_in,
                stderr=output_in,
                pass_fds=[events_in],
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
        except BaseException:
            os.close(events)
            os.close(output)
            raise
        finally:
            os.close(events_in)
            os.close(output_in)
        assert self._process.stdin is not None  # noqa: S101 - asked for above; told to the type checker
        self._stdin = self._process.stdin
        self._events_fd, self._output_fd = events, output
        for fd in (events, output):
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ)
        self.send(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self._kill()
            self._process.wait()
        self._stdin.close()
        self._selector.close()
        os.close(self._events_fd)
        os.close(self._output_fd)

    def send(self, line: bytes) -> None:
        """Writes a line to the child's stdin; a child that has ended need not read it."""
        with suppress(BrokenPipeError):
            self._stdin.write(line + b"\n")

    def allow(self, seconds: float) -> None:
        """Gives the child ``seconds`` from now on, and a new budget of output."""
        self._deadline = time.monotonic() + seconds
        self._output_bytes = 0

    def take_output(self) -> bytes:
        """The end of what was printed since the last call, `KEPT_BYTES` at most."""
        while self._output_bytes <= OUTPUT_BYTES and self._read_output():
            pass  # what was printed before the event at hand is in the pipe already
        taken = bytes(self._output)
        self._output.clear()
        return taken

    def watch(self, on_line: Callable[[bytes], None]) -> Ending:
        """Waits for the end, hands each event to ``on_line``, and leaves nobody of the group behind.

        An event that is too long is handed over as an empty line.
        """
        killed = ""
        while self._process.poll() is None and not killed:
            self._step(on_line)
            killed = self._excess()
        self._kill()
        self._process.wait()
        self._ended = True
        # A descendant in a session of its own may still hold the pipes: do not wait for their end.
        self._deadline = self._next_poll = until = time.monotonic() + DRAIN
        while self._selector.get_map() and time.monotonic() < until:
            self._step(on_line)
        return Ending(killed, self._process.returncode)

    def _step(self, on_line: Callable[[bytes], None]) -> None:
        until = min(self._deadline, self._next_poll or self._deadline) - time.monotonic()
        timeout = min(MEMORY_POLL, max(0.0, until))
        if not self._selector.get_map():
            timeout = min(timeout, SILENT_POLL)
        for key, _ in self._selector.select(timeout):
            if key.fd == self._output_fd:
                self._read_output()
            else:
                self._read_events(on_line)

    def _read(self, fd: int) -> bytes:
        """One chunk; empty when there is none now.  At the end of the pipe it is no longer selected."""
        try:
            chunk = os.read(fd, CHUNK_BYTES)
        except BlockingIOError:
            return b""
        if not chunk and fd in self._selector.get_map():
            self._selector.unregister(fd)
        return chunk

    def _read_output(self) -> bool:
        chunk = self._read(self._output_fd)
        self._output_bytes += len(chunk)
        self._output += chunk
        del self._output[:-KEPT_BYTES]
        return bool(chunk)

    def _read_events(self, on_line: Callable[[bytes], None]) -> None:
        chunk = self._read(self._events_fd)
        self._event_bytes += len(chunk)
        *lines, self._line = (self._line + chunk).split(b"\n")
        for line in lines:
            on_line(line if len(line) <= LINE_BYTES else b"")
        # An endless line keeps one byte more than is allowed: enough to be thrown away at its end.
        self._line = self._line[: LINE_BYTES + 1]

    def _excess(self) -> str:
        now = time.monotonic()
        if now >= self._deadline:
            return "hang"
        if self._output_bytes > OUTPUT_BYTES or self._event_bytes > EVENT_BYTES:
            return "output"
        if now >= self._next_poll:
            self._next_poll = now + MEMORY_POLL
            if self._resident_mb() > self._memory_mb:
                return "memory"
        return ""

    def _resident_mb(self) -> float:
        """MiB held by the child and its descendants; they are remembered, to be ended with it."""
        import psutil  # noqa: PLC0415 - a listing of checks does not need it

        total = 0
        with suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.Error):
                    total += process.memory_info().rss
                    self._tree[process.pid] = process
        return total / 2**20

    def _kill(self) -> None:
        # EPERM is what macOS says of a group in which only the unreaped leader is left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in self._tree.values():
            # Those that left the group; psutil makes sure that the number was not given away meanwhile.
            with suppress(Exception):
                process.kill()
        self._tree.clear()
