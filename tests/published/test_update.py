from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.errors import IndexUnreachableError, MatrixError
from metalmatrix.published import releases, update
from metalmatrix.published.releases import Release, Sdist, Wheel
from tests.fake_index import FakeIndex, FakeWheel
from tests.tiny_sdist import FakeSdist

if TYPE_CHECKING:
    from pathlib import Path

MAC = "cp311-cp311-macosx_12_0_arm64"
SHA = "ab" * 32
SOURCE = FakeSdist(
    "tensorflow-metal-plugin", "0.4.1", requires=("tensorflow == 2.21.*",), requires_python=">=3.10"
)
WHEELS = (
    FakeWheel("tensorflow", "2.4.1", MAC),
    FakeWheel("tensorflow", "2.17.0", "cp311-cp311-manylinux_2_17_x86_64", uploaded="2024-07-11"),
    FakeWheel("tensorflow", "2.17.0", MAC, uploaded="2024-07-12", size=236_132_222, sha256=SHA),
    FakeWheel(
        "tensorflow", "2.17.0rc0", "py3-none-macosx_12_0_universal2", uploaded="2024-06-18T23:59:59.9Z"
    ),
    FakeWheel("tensorflow-macos", "2.16.2", MAC, size=2134),
    FakeWheel("tensorflow-cpu", "2.17.0", "cp311-cp311-manylinux_2_17_x86_64"),
    FakeWheel("tensorflow-metal", "0.1.0", "cp38-cp38-macosx_11_0_x86_64"),
    FakeWheel("tensorflow-metal", "1.1.0", MAC, size=1_424_879, yanked=True),
    FakeWheel("ai-edge-litert", "1.0.1", MAC),
    FakeWheel("tflite-runtime", "2.5.0", "cp38-cp38-macosx_10_15_x86_64"),
    SOURCE,
)
UNIVERSAL = WHEELS[3]
ODD = (
    FakeWheel("tensorflow-metal", "1.2.0", MAC, filename="<script>alert(1)</script>.whl"),
    FakeWheel("tensorflow-metal", "1.2.1", MAC, filename="../../etc/passwd"),
    FakeWheel("tensorflow-metal", "1.2.2", MAC, filename="tensorflow_metal-1.2.2; rm -rf.tar.gz"),
    FakeWheel("tensorflow-metal", "1.2.3", MAC, filename=f"numpy-1.2.3-{MAC}.whl"),
    FakeWheel("tensorflow-metal", "1.2.4", MAC, sha256="no digest"),
    FakeWheel("tensorflow-metal", "1.2.5", MAC, size=0),
)
both_kinds = pytest.mark.parametrize("as_html", [False, True], ids=["json", "html"])


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    """No index but the one a test names."""
    for variable in update.INDEX_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def by_name(found: update.Found) -> dict[str, Release]:
    """Releases by distribution and version."""
    return {f"{release.distribution} {release.version}": release for release in found.releases}


@both_kinds
def test_what_is_kept(*, as_html: bool) -> None:
    """JSON and HTML pages give the same releases: early days, yanks, and wheels for Macs only."""
    with FakeIndex(WHEELS, as_html=as_html) as index:
        found = update.fetch_releases(index=index.url)
    assert found.odd == {}
    assert [(release.distribution, release.version) for release in found.releases] == [
        ("ai-edge-litert", "1.0.1"),
        ("tensorflow", "2.17.0rc0"),
        ("tensorflow", "2.17.0"),
        ("tensorflow-cpu", "2.17.0"),
        ("tensorflow-macos", "2.16.2"),
        ("tensorflow-metal", "0.1.0"),
        ("tensorflow-metal", "1.1.0"),
        ("tensorflow-metal-plugin", "0.4.1"),
        ("tflite-runtime", "2.5.0"),
    ]
    kept = by_name(found)
    wheel = Wheel(f"tensorflow-2.17.0-{MAC}.whl", SHA, 236_132_222)
    assert kept["tensorflow 2.17.0"] == Release(
        "tensorflow", "2.17.0", "2024-07-11", yanked=False, wheels=(wheel,)
    )
    assert kept["tensorflow 2.17.0rc0"].uploaded == "2024-06-18"
    assert kept["tensorflow 2.17.0rc0"].wheels == (
        Wheel(UNIVERSAL.file, UNIVERSAL.digest, len(UNIVERSAL.content)),
    )
    intel = WHEELS[6]
    assert kept["tensorflow-metal 0.1.0"].wheels == ()
    assert kept["tensorflow-metal 0.1.0"].intel == (Wheel(intel.file, intel.digest, len(intel.content)),)
    assert kept["tensorflow 2.17.0rc0"].intel == ()  # a universal2 wheel is kept once
    assert kept["tensorflow-metal 1.1.0"].yanked
    assert kept["tensorflow-metal-plugin 0.4.1"].wheels == ()
    assert kept["tensorflow-metal-plugin 0.4.1"].sdist == Sdist(
        "tensorflow_metal_plugin-0.4.1.tar.gz",
        SOURCE.digest,
        len(SOURCE.content),
        ("tensorflow==2.21.*",),
        ">=3.10",
        ("requires-dist",),
    )


def test_sizes_are_asked_once() -> None:
    """Pages without sizes cost one HEAD request a new wheel, and none for a wheel that is known."""
    with FakeIndex(WHEELS, as_html=True) as index:
        found = update.fetch_releases(index=index.url)
        asked = [path for method, path in index.requests if method == "HEAD"]
        again = update.fetch_releases(found.releases, index=index.url)
        asked_again = [path for method, path in index.requests if method == "HEAD"]
        fetched = [path for method, path in index.requests if method == "GET" and "/files/" in path]
    assert len(asked) == 8
    assert asked_again == asked
    assert fetched == [f"/files/{SOURCE.file}"]
    assert again == found


@pytest.mark.parametrize("tag", [MAC, "py3-none-any"])
def test_an_sdist_beside_a_wheel_is_not_read(tag: str) -> None:
    """Where a Mac can take a wheel, nobody compiles: what the sdist declares is not asked for."""
    wheel = FakeWheel("tensorflow-metal-plugin", "0.4.1", tag)
    with FakeIndex((*WHEELS, wheel)) as index:
        found = by_name(update.fetch_releases(index=index.url))["tensorflow-metal-plugin 0.4.1"]
    assert found.sdist is None
    assert f"/files/{SOURCE.file}" not in {path for _, path in index.requests}
    assert len(found.wheels) == (tag == MAC)


def test_only_sdists_of_plugins_are_read() -> None:
    """A framework without a wheel for a Mac is not to be had: nobody compiles it."""
    source = FakeSdist("tensorflow", "2.99.0")
    with FakeIndex((*WHEELS, source)) as index:
        found = by_name(update.fetch_releases(index=index.url))["tensorflow 2.99.0"]
    assert found.sdist is None
    assert found.wheels == ()


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"sha256": SHA}, "an sdist that is not read: the server sent another file than the index lists"),
        ({"requires": ("x @ file:///x",)}, "an sdist that is not read: it requires a file at an address"),
        ({"size": 2**40}, "an sdist that is not read: the index says that an sdist has"),
        ({"sha256": "no digest"}, "no sha256"),
        ({"size": 0}, "no size"),
    ],
)
def test_an_sdist_that_lies(odd: dict[str, Any], why: str) -> None:
    """The release is kept without what its sdist declares, the reason is counted, the others are read."""
    with FakeIndex((*WHEELS[:-1], replace(SOURCE, **odd))) as index:
        found = update.fetch_releases(index=index.url)
    [(reason, count)] = found.odd.items()
    assert reason.startswith(why)
    assert count == 1
    assert by_name(found)["tensorflow-metal-plugin 0.4.1"].sdist is None
    assert len(found.releases) == 9


@both_kinds
def test_odd_names_are_left_out_and_counted(*, as_html: bool) -> None:
    """Whatever an index calls its files, only real names, digests and sizes come through."""
    with FakeIndex((*WHEELS, *ODD), as_html=as_html) as index:
        found = update.fetch_releases(index=index.url)
    assert found.odd == {"odd file name": 3, "another project's file": 1, "no sha256": 1, "no size": 1}
    assert [one.version for one in found.releases if one.distribution == "tensorflow-metal"] == [
        *("0.1.0", "1.1.0", "1.2.4", "1.2.5"),
    ]
    assert by_name(found)["tensorflow-metal 1.2.4"].wheels == ()


def test_no_upload_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that dates nothing cannot be used, and is not taken for one that has nothing."""
    monkeypatch.setattr(FakeWheel, "upload_time", "")
    with (
        FakeIndex(WHEELS, as_html=True) as index,
        pytest.raises(IndexUnreachableError, match="no usable file"),
    ):
        update.fetch_releases(index=index.url)


def test_stalling_index() -> None:
    """An index that takes the request and says nothing is out of reach after the time limit."""
    with (
        FakeIndex(WHEELS, stall=True) as index,
        pytest.raises(
            IndexUnreachableError, match=r"could not be asked about tensorflow \(ReadTimeout\)\n  hint: "
        ),
    ):
        update.fetch_releases(index=index.url, timeout=0.2)


def test_partial_mirror() -> None:
    """An index without one of the projects is an error: its silence must not empty the data file."""
    with (
        FakeIndex(WHEELS[:5]) as index,
        pytest.raises(IndexUnreachableError, match=r"tensorflow-cpu \(answered 404\)"),
    ):
        update.fetch_releases(index=index.url)


@pytest.mark.parametrize("address", ["http://user:secret@127.0.0.1:9/simple", "file:///secret", "secret"])
def test_no_address_in_errors(address: str) -> None:
    """Addresses of indexes hold passwords, so an error does not quote them."""
    with pytest.raises(IndexUnreachableError) as caught:
        update.fetch_releases(index=address, timeout=1)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("page", [b"[]", b'{"files": 1}', b"{", b"\xff\xfe"])
def test_unreadable_page(monkeypatch: pytest.MonkeyPatch, page: bytes) -> None:
    """A page that is no page is the index's failure, told as such."""
    monkeypatch.setattr(FakeIndex, "_page", lambda *_: (page, "application/vnd.pypi.simple.v1+json"))
    with (
        FakeIndex(WHEELS) as index,
        pytest.raises(IndexUnreachableError, match="page of tensorflow cannot be read"),
    ):
        update.fetch_releases(index=index.url)


class TestDefaultIndex:
    def test_first_variable_wins(self) -> None:
        """The variables of uv come before those of pip."""
        environment = {
            "PIP_INDEX_URL": "http://c/",
            "UV_INDEX_URL": "http://b/",
            "UV_DEFAULT_INDEX": "http://a/",
        }
        assert update.default_index(environment) == "http://a/"
        assert update.default_index({"PIP_INDEX_URL": "http://c/", "UV_INDEX_URL": ""}) == "http://c/"

    def test_named_index(self) -> None:
        """An index may carry a name in front for uv; a `=` within the address makes none."""
        assert update.default_index({"UV_DEFAULT_INDEX": "mirror=http://a/simple"}) == "http://a/simple"
        assert update.default_index({"UV_DEFAULT_INDEX": "http://a/?b=http://c"}) == "http://a/?b=http://c"

    def test_nothing_set(self) -> None:
        """Without a setting it is the index that everybody uses."""
        assert update.default_index({}).startswith("https://")


def test_diff_is_for_people() -> None:
    """A new wheel and a yank show as one line each, and nothing else does."""
    wheel = Wheel("tensorflow_metal-1.3.0-py3-none-macosx_12_0_arm64.whl", SHA, 1_234_567)
    same = Release("tensorflow", "2.17.0", "2024-07-11", yanked=False, wheels=())
    old = Release("tensorflow-metal", "1.3.0", "2026-11-20", yanked=False, wheels=())
    new = Release("tensorflow-metal", "1.3.0", "2026-11-20", yanked=True, wheels=(wheel,))
    assert update.diff([same, old], [new, same]) == (
        "--- known\n"
        "+++ published\n"
        "-tensorflow-metal 1.3.0: uploaded 2026-11-20, macOS arm64 wheels: 0\n"
        "+tensorflow-metal 1.3.0: uploaded 2026-11-20, yanked, macOS arm64 wheels: 1\n"
        f"+tensorflow-metal 1.3.0: {wheel.file}, 1,234,567 bytes, sha256 {SHA}\n"
    )
    assert update.diff([same, new], [new, same]) == ""


def test_diff_shows_what_an_sdist_declares() -> None:
    """Whatever changes in what an sdist declares is a line."""
    sdist = Sdist("x-1.0.tar.gz", SHA, 1234, ("tensorflow>=2.16",), "", ("requires-dist",))
    old = Release("tensorflow-metal-plugin", "1.0", "2026-11-20", yanked=False, wheels=(), sdist=sdist)
    for change, line in (
        ({"file": "y-1.0.tar.gz"}, f"y-1.0.tar.gz, 1,234 bytes, sha256 {SHA}"),
        ({"sha256": "cd" * 32}, f"x-1.0.tar.gz, 1,234 bytes, sha256 {'cd' * 32}"),
        ({"size": 7}, f"x-1.0.tar.gz, 7 bytes, sha256 {SHA}"),
        ({"requires": ("tensorflow==2.21.*",)}, "requires tensorflow==2.21.*"),
        ({"requires_python": ">=3.10"}, "requires Python >=3.10"),
        ({"dynamic": ()}, "dynamic: nothing"),
    ):
        new = replace(old, sdist=replace(sdist, **change))
        assert f"\n+tensorflow-metal-plugin 1.0: {line}\n" in update.diff([old], [new])


class TestMain:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch, index: None) -> object:
        del index
        with FakeIndex((*WHEELS, ODD[0])) as served:
            monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
            yield served

    @pytest.mark.usefixtures("served")
    def test_writes_only_with_force(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The difference is printed; the file changes with force only; then there is nothing new."""
        path = tmp_path / "releases.jsonl"
        assert update.main(force=False, path=path) == 0
        printed = capsys.readouterr().out
        assert printed.startswith(
            "left out: 1 files (odd file name)\n--- known\n+++ published\n+ai-edge-litert 1.0.1: "
        )
        assert printed.endswith("not written; to write it: python -m metalmatrix update --force\n")
        assert not path.exists()

        assert update.main(force=True, path=path) == 0
        assert capsys.readouterr().out.endswith("wrote releases.jsonl: 9 releases\n")
        written = path.read_bytes()
        assert releases.parse_releases(written.decode())[0].version == "1.0.1"

        assert update.main(force=True, path=path) == 0
        assert capsys.readouterr().out.endswith("nothing new\n")
        assert path.read_bytes() == written

    @pytest.mark.usefixtures("served")
    def test_damaged_file(self, tmp_path: Path) -> None:
        """A damaged data file stops the update, and force replaces it."""
        path = tmp_path / "releases.jsonl"
        path.write_text("{", encoding="utf-8")
        with pytest.raises(MatrixError, match="damaged"):
            update.main(force=False, path=path)
        assert update.main(force=True, path=path) == 0
        assert len(releases.parse_releases(path.read_text(encoding="utf-8"))) == 9


@pytest.mark.index
def test_data_is_up_to_date() -> None:
    """The newest of each plugin on the real index is the newest of the data; else the difference is told."""
    known = releases.load_releases()
    found = update.fetch_releases(known).releases

    def newest(among: tuple[Release, ...]) -> list[Release]:
        found = {release.distribution: release for release in among}
        return [found[name] for name in releases.PLUGINS]

    changes = update.diff(newest(known), newest(found))
    assert not changes, f"{changes}run: {releases.REGENERATE}"
