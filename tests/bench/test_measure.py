from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.measure import Contestant, FailedError, median, plain_environment, run, side_by_side, used_bytes
from bench.tunnel import Tunnel

ENV = dict(os.environ)
BURN = "import time\nwhile time.process_time() < 0.4: pass\n"


def python(code: str) -> list[str]:
    """The command line of a little program."""
    return [sys.executable, "-I", "-c", code]


class TestRun:
    def test_processor_time_is_that_of_the_whole_tree(self, tmp_path: Path) -> None:
        """What a child's child did is counted; what it waited is not."""
        inner = (
            f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {BURN!r}]); time.sleep(0.3)"
        )
        sample, said = run(python(f"{inner}; print('done')"), cwd=tmp_path, env=ENV)
        assert 0.4 <= sample.cpu < sample.seconds
        assert sample.seconds >= 0.7
        assert said == "done\n"

    def test_a_command_that_fails_is_no_time(self, tmp_path: Path) -> None:
        """It is told with the end of what it said; a code that is expected is a sample."""
        failing = python("import sys; print('why'); sys.exit(3)")
        with pytest.raises(FailedError, match=r"ended with 3: why"):
            run(failing, cwd=tmp_path, env=ENV)
        assert run(failing, cwd=tmp_path, env=ENV, codes=(0, 3))[0].code == 3

    def test_a_command_that_hangs_is_ended(self, tmp_path: Path) -> None:
        """After its time the whole group is killed."""
        with pytest.raises(FailedError, match="ended with -9"):
            run(python("import time; time.sleep(60)"), cwd=tmp_path, env=ENV, limit=0.3)


def test_contestants_take_turns(tmp_path: Path) -> None:
    """Each round begins with another, and each is prepared each time; one may stop earlier."""
    log = tmp_path / "log"

    def note(text: str) -> None:
        log.write_text((log.read_text(encoding="utf-8") if log.exists() else "") + text, encoding="utf-8")

    def contestant(name: str, times: int = 9) -> Contestant:
        code = f"open({str(log)!r}, 'a').write({name!r})"
        return Contestant(name, "shown", python(code), tmp_path, ENV, lambda: note("."), times=times)

    found = side_by_side([contestant("a"), contestant("b"), contestant("c", 1)], 3, lambda _: None)
    assert log.read_text(encoding="utf-8") == ".a.b.c" + ".b.a" + ".a.b"
    assert [len(entry["samples"]) for entry in found] == [3, 3, 1]
    assert median({"samples": [{"seconds": 3.0}, {"seconds": 1.0}, {"seconds": 2.0}]}) == 2.0


def test_the_shell_decides_where_the_index_is_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that change what a tool does are not those of whoever measures."""
    for name in ("UV_RESOLUTION", "PIP_FIND_LINKS", "NOXSESSION", "VIRTUAL_ENV", "UV_INDEX_URL", "PIP_CERT"):
        monkeypatch.setenv(name, "x")
    env = plain_environment(MORE="y")
    assert {"UV_INDEX_URL", "PIP_CERT", "MORE", "PATH"} <= set(env)
    assert not {"UV_RESOLUTION", "PIP_FIND_LINKS", "NOXSESSION", "VIRTUAL_ENV"} & set(env)


def test_a_file_with_two_names_takes_its_place_once(tmp_path: Path) -> None:
    """Hard links are one file, and a link to a folder is not walked."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 100_000)
    once = used_bytes(tmp_path / "a", tmp_path / "b")
    assert once >= 100_000
    os.link(tmp_path / "a" / "file", tmp_path / "b" / "file")
    (tmp_path / "b" / "link").symlink_to(tmp_path)
    assert used_bytes(tmp_path / "a", tmp_path / "b") < once + 10_000
    assert used_bytes(tmp_path / "nothing") == 0


class TestTunnel:
    def test_what_comes_through_is_counted(self) -> None:
        """Bytes from outside count, those that go out do not, and nothing is changed."""
        with socket.create_server(("127.0.0.1", 0)) as far, Tunnel() as tunnel:

            def serve() -> None:
                peer, _ = far.accept()
                with peer:
                    peer.recv(100)
                    peer.sendall(b"y" * 300_000)

            threading.Thread(target=serve, daemon=True).start()
            proxy = tunnel.variables["HTTPS_PROXY"].rpartition(":")[2]
            with socket.create_connection(("127.0.0.1", int(proxy)), 10) as near:
                near.sendall(f"CONNECT 127.0.0.1:{far.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
                got = near.recv(1000)
                assert got.startswith(b"HTTP/1.1 200")
                near.sendall(b"x" * 100)
                got = got.partition(b"\r\n\r\n")[2]
                while part := near.recv(100_000):
                    got += part
            assert got == b"y" * 300_000
            assert tunnel.received == 300_000

    def test_nothing_but_a_tunnel_is_given(self) -> None:
        """A request that is not for a tunnel is refused."""
        with Tunnel() as tunnel:
            proxy = tunnel.variables["https_proxy"].rpartition(":")[2]
            with socket.create_connection(("127.0.0.1", int(proxy)), 10) as near:
                near.sendall(b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n")
                assert near.recv(1000).startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize(("arguments", "code"), [(("nonsense",), 2), (("--help",), 0)])
def test_the_command_line_tells_its_parts(arguments: tuple[str, ...], code: int) -> None:
    """`--help` has examples, and a slip is told with what there is."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert all(part in done.stdout + done.stderr for part in ("job", "static", "facts", "growth"))
    assert ("nox -s bench -- static growth" in done.stdout) == (code == 0)
