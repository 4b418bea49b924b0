"""Where a table comes from: a file, a folder, a revision of this repository, the published feed.

The edge of `diff`.  Whatever comes is bounded in size and time and goes through `document.parse` before
anything looks at it.  A revision is asked for its own table: it is unpacked into a folder of its own, and
its own ``python -m metalmatrix table --json`` says what it says of the results that were committed with it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from metalmatrix.diff.document import parse, validated
from metalmatrix.errors import IndexUnreachableError, ResultError, ToolMissingError, UsageError
from metalmatrix.files import MAX_READ, PACKAGE, read_bounded
from metalmatrix.running.results import Store
from metalmatrix.table import feed, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from requests import Response

FEED = "compat.json"
MAX_ARCHIVE = 256 * 2**20
"""Bytes that a revision may take unpacked."""
REVISION_SECONDS = 180.0
FEED_SECONDS = 60.0
MAX_REDIRECTS = 5
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@^~{}+-]{0,199}")
_FORMS = "a compat.json, a folder with one or with results, a git revision, or the https address of a feed"


def table_of(word: str, tell: Callable[[str], None]) -> Mapping[str, Any]:
    """The table that *word* means.

    Raises:
        UsageError: It means none.
        ResultError: What is there is no table that can be read.
        ToolMissingError: git is needed, or a revision's own metalmatrix does not tell its table.
        IndexUnreachableError: The feed could not be had.
    """
    try:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", word):
            return parse(_fetched(word, tell))
        path = Path(word)
        if path.is_file():
            return parse(_text(path))
        if path.is_dir():
            return _of_folder(path)
        return _of_revision(word, tell)
    except ResultError as error:
        raise ResultError(f"{_shown(word)}: {error.what}", error.hint) from error


def current() -> Mapping[str, Any]:
    """The table of what is known now."""
    return feed.render(show.current_report())


def _shown(word: str) -> str:
    """A source as it is told: an address without the password that it may hold."""
    try:
        parts = urlsplit(word)
    except ValueError:
        return re.sub(r"//.*@", "//", word, flags=re.DOTALL)[:200]
    return (
        f"{parts.scheme}://{parts.hostname}{parts.path}"[:200]
        if parts.scheme and parts.netloc
        else word[:200]
    )


def _text(path: Path) -> str:
    try:
        return read_bounded(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(f"it cannot be read: {error}") from error


def _of_folder(path: Path) -> Mapping[str, Any]:
    """A folder's ``compat.json``; else the table that today's data gives with the results in it."""
    if (path / FEED).is_file():
        return parse(_text(path / FEED))
    for folder in (path, path / "results"):
        store = Store(folder)
        if any(next((folder / host).glob("py3*.json"), None) for host in store.hosts()):
            return validated(feed.render(show.current_report(store=store)))
    raise UsageError(f"{str(path)[:200]} holds neither a {FEED} nor results", f"give {_FORMS}")


# A revision ------------------------------------------------------------------------------------


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's own git
            cwd=PACKAGE.parent,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=REVISION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolMissingError(f"git could not be asked: {error}", "git --version") from error


def _of_revision(word: str, tell: Callable[[str], None]) -> Mapping[str, Any]:
    found = None
    if _REVISION.fullmatch(word):
        found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}")
    if found is None or found.returncode != 0:
        raise UsageError(
            f"{word[:200]!r} is no file, no folder and no revision of this repository", f"give {_FORMS}"
        )
    commit = found.stdout.strip()
    tell(f"{word[:200]}: its own table, by its own code ({commit[:12]})")
    with tempfile.TemporaryDirectory(prefix="metalmatrix-diff-") as folder:
        place = Path(folder, "clone")
        _unpack(commit, Path(folder, "archive.tar"), place)
        if not (place / "metalmatrix" / "__init__.py").is_file():  # else the installed one would answer
            raise ResultError("that revision has no metalmatrix in it", "give a later one")
        return parse(_asked(place))


def _unpack(commit: str, archive: Path, place: Path) -> None:
    done = _git("archive", "--format=tar", f"--output={archive}", commit)
    if done.returncode != 0:
        raise ToolMissingError(f"git could not unpack it: {done.stderr[-300:].strip()}", "git fsck")
    with tarfile.open(archive) as files:
        members = [member for member in files.getmembers() if member.isfile() or member.isdir()]
        if sum(member.size for member in members) > MAX_ARCHIVE:
            raise ResultError(f"that revision takes more than {MAX_ARCHIVE >> 20} MiB")
        for member in members:  # no link is followed or made; names come from git, which allows no `..`
            target = place / member.name
            if place.resolve() not in target.resolve().parents and target.resolve() != place.resolve():
                raise ResultError("that revision has a file outside of itself")
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif content := files.extractfile(member):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())


def _asked(place: Path) -> str:
    """What the metalmatrix in *place* prints as its table; a surprise in it, code 1, is its own business."""
    # GITHUB_STEP_SUMMARY is this job's, and no place for an old table.
    ours = ("METALMATRIX", "PYTHON", "GITHUB_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    output = place.parent / "table.json"
    try:
        with output.open("wb") as stream:
            done = subprocess.run(
                [sys.executable, "-m", "metalmatrix", "table", "--json"],
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.PIPE,
                timeout=REVISION_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise ToolMissingError(
            f"its table took more than {REVISION_SECONDS:g} s", "give its compat.json"
        ) from error
    if done.returncode not in (0, 1):
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ToolMissingError(
            f"its own metalmatrix does not tell its table: {last[:300]}", "give its compat.json"
        )
    return _text(output)


# The published feed ----------------------------------------------------------------------------


def _fetched(address: str, tell: Callable[[str], None]) -> str:
    """The feed at an address, or in the folder that it names, within `FEED_SECONDS` and `MAX_READ`.

    Raises:
        UsageError: That is no address, or what it redirects to is none.
    """
    from requests import RequestException, Session  # noqa: PLC0415 - not needed for files

    end = time.monotonic() + FEED_SECONDS
    try:
        if not urlsplit(address).path.endswith(".json"):
            address = f"{address.rstrip('/')}/{FEED}"
        tell(f"reading {_shown(address)}")
        with Session() as session:
            encrypted = False
            for _ in range(MAX_REDIRECTS + 1):
                encrypted = _allowed(address, encrypted=encrypted)
                answer = session.get(address, timeout=FEED_SECONDS / 3, stream=True, allow_redirects=False)
                with answer:
                    if not answer.is_redirect:
                        answer.raise_for_status()
                        return _body(answer, end)
                    address = urljoin(address, answer.headers["Location"])
    except ValueError as error:  # of urllib, of requests or of urllib3
        raise UsageError(
            f"{_shown(address)} is no address, or redirects to what is none", f"give {_FORMS}"
        ) from error
    except RequestException as error:
        code = error.response.status_code if error.response is not None else type(error).__name__
        raise IndexUnreachableError(
            f"{_shown(address)} could not be read ({code})", "is that address right?"
        ) from error
    raise IndexUnreachableError(
        f"{_shown(address)} redirects without end", "give the address that it ends at"
    )


def _allowed(address: str, *, encrypted: bool) -> bool:
    """Whether an address is encrypted; one on this machine need not be, unless an *encrypted* one led there.

    Raises:
        UsageError: It is neither.
    """
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and (encrypted or not here):
        raise UsageError(
            f"{_shown(address)} is not read: only https is, and http on this machine", f"give {_FORMS}"
        )
    return parts.scheme == "https"


def _body(answer: Response, end: float) -> str:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

    read = bytearray()
    while True:
        try:
            part = answer.raw.read1(2**16, decode_content=True)  # what has come, and not a whole block of it
        except (HTTPError, OSError) as error:
            raise IndexUnreachableError(
                f"the feed broke off ({type(error).__name__})", "try again"
            ) from error
        if not part:
            break
        read += part
        if len(read) > MAX_READ:
            raise ResultError(f"it is larger than {MAX_READ >> 20} MiB")
        if time.monotonic() > end:
            raise IndexUnreachableError(
                f"the feed took more than {FEED_SECONDS:g} s", "try again, or give a file"
            )
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise ResultError("it is no UTF-8") from error
