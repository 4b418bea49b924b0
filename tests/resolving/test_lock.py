from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metalmatrix.errors import ResultError
from metalmatrix.resolving.lock import Lock, Package, Wheel, digest_of, from_pylock
from tests.samples import lock

SHA = "ab" * 32
NAMES = st.sampled_from(["keras", "ml-dtypes", "numpy"])
VERSIONS = st.sampled_from(["1.0", "1.1"])  # few of both, so that two locks are often the same
LOCKS = st.dictionaries(NAMES, VERSIONS, max_size=3).map(
    lambda pins: lock(*(f"{name}=={version}" for name, version in pins.items()))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "version", "wheels", "file", "sha256"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def package(
    file: str, name: str = "numpy", version: str = "1.26.4", sha256: object = SHA
) -> list[dict[str, Any]]:
    """A lock of one wheel as plain data."""
    return [{"name": name, "version": version, "wheels": [{"file": file, "sha256": sha256}]}]


@given(LOCKS)
def test_a_lock_survives_json(made: Lock) -> None:
    """What is written is what is read, down to the digest."""
    read = Lock.from_json(json.loads(json.dumps(made.to_json())))
    assert read == made
    assert read.digest == made.digest


@given(LOCKS, LOCKS)
def test_equal_digests_mean_equal_locks(one: Lock, other: Lock) -> None:
    """A digest names one environment."""
    assert (one.digest == other.digest) == (one == other)


@given(JSON)
def test_damaged_data_is_refused_and_nothing_else_happens(data: object) -> None:
    """Whatever stands in the file, it is a lock of valid parts or a `ResultError`."""
    with contextlib.suppress(ResultError):
        assert Lock.from_json(data).to_json() == data


@pytest.mark.parametrize(
    "data",
    [
        None,
        5,
        [5],
        [{}],
        {"name": "numpy"},
        package("numpy-1.26.4-py3-none-any.whl", sha256=5),
        package("numpy-1.26.4-py3-none-any.whl", sha256="AB" * 32),
        package("numpy-1.26.4-py3-none-any.whl", sha256=SHA + "\n"),
        package("numpy-1.26.4-py3-none-any.whl", sha256=SHA + " --index-url=x"),
        package("numpy-1.26.5-py3-none-any.whl"),
        package("scipy-1.26.4-py3-none-any.whl"),
        package("numpy-1.26.4.tar.gz"),
        package("numpy-1.26.4-py3-none-any/../../x.whl"),
        package("../numpy-1.26.4-py3-none-any.whl"),
        package("numpy-1.26.4-py3-none-any .whl"),
        package("numpy-1.26.4-py3-none-any\n.whl"),
        package("numpy-1.26.4-py3-none-any.whl", name="numpy --pre"),
        package("numpy-1.26.4-py3-none-any.whl", version="1.26.4; x"),
        [{"name": "numpy", "version": "1.26.4", "wheels": [{"file": 5, "sha256": SHA}]}],
        [{"name": "numpy", "version": "1.26.4", "wheels": []}],
    ],
)
def test_no_part_carries_a_path_a_blank_or_an_option(data: object) -> None:
    """A name, version, file or hash that is not what it is to be spoils the whole lock."""
    with pytest.raises(ResultError, match="a damaged lock"):
        Lock.from_json(data)


class TestPylock:
    def test_the_addresses_are_dropped(self) -> None:
        """Of a wheel its name and its hash are kept, whether the name is told or only in the address."""
        data = {
            "packages": [
                {
                    "name": "Ml_Dtypes",
                    "version": "0.5.0",
                    "wheels": [
                        {
                            "url": "https://example.com/a%20b/ml_dtypes-0.5.0-cp311-cp311-macosx_12_0_arm64.whl?x#y",
                            "hashes": {"sha256": SHA},
                        }
                    ],
                },
                {
                    "name": "keras",
                    "version": "3.0",
                    "wheels": [{"name": "keras-3.0-py3-none-any.whl", "hashes": {"sha256": SHA}}],
                },
                {
                    "name": "six",
                    "version": "1.17.0",
                    "wheels": [{"path": "wheels/six-1.17.0-py3-none-any.whl", "hashes": {"sha256": SHA}}],
                },
            ]
        }
        made = from_pylock(data)
        assert made.versions == {"keras": "3.0", "ml-dtypes": "0.5.0", "six": "1.17.0"}
        assert list(made.versions) == sorted(made.versions)
        assert "example.com" not in json.dumps(made.to_json())

    def test_a_package_without_a_wheel_is_refused(self) -> None:
        """Only wheels are installed, so a package that has none cannot be in a lock."""
        with pytest.raises(ValueError, match="six has no wheel"):
            from_pylock({"packages": [{"name": "six", "version": "1.17.0", "sdist": {}}]})

    def test_no_packages_are_an_empty_lock(self) -> None:
        """A set of nothing is a set."""
        assert from_pylock({}) == Lock(())


class TestMacos:
    @pytest.mark.parametrize(
        ("tags", "floor"),
        [
            (["py3-none-any"], (0, 0)),
            (["cp311-cp311-macosx_12_0_arm64"], (12, 0)),
            (["cp311-cp311-macosx_14_0_arm64", "cp311-cp311-macosx_11_0_arm64"], (11, 0)),
            (["cp311-cp311-macosx_10_9_universal2"], (11, 0)),
            (["cp311-cp311-macosx_13_1_arm64.macosx_12_3_arm64"], (12, 3)),
            (["1-cp311-cp311-macosx_12_0_arm64"], (12, 0)),
            (["cp311-cp311-manylinux_2_17_x86_64"], (0, 0)),
            (["cp311-cp311-macosx_12_0_arm64", "py3-none-any"], (0, 0)),
        ],
    )
    def test_the_floor_of_a_package_is_its_most_modest_wheel(
        self, tags: list[str], floor: tuple[int, int]
    ) -> None:
        """A release needs what the wheel with the lowest tag needs, and never less than macOS 11."""
        wheels = tuple(Wheel(f"numpy-1.26.4-{tag}.whl", SHA) for tag in tags)
        assert Package("numpy", "1.26.4", wheels).macos_floor() == floor


class TestUnion:
    def test_it_holds_the_packages_of_both(self) -> None:
        """Where two locks agree about what they share, both in one are a set."""
        made = lock("a==1", "c==3").union(lock("a==1", "b==2"))
        assert made is not None
        assert made == lock("a==1", "b==2", "c==3")

    def test_there_is_none_where_they_disagree(self) -> None:
        """One package in two versions is no set."""
        assert lock("a==1", "b==2").union(lock("b==3")) is None


def test_the_requirements_have_every_hash_and_nothing_else() -> None:
    """Pip's hash-checking mode: a package a line, each wheel by its hash."""
    wheels = (Wheel("a-1-py3-none-any.whl", "11" * 32), Wheel("a-1-py2-none-any.whl", "22" * 32))
    made = Lock((Package("a", "1", wheels), *lock("b==2").packages))
    first, second = made.requirements().splitlines()
    assert first == f"a==1 --hash=sha256:{'11' * 32} --hash=sha256:{'22' * 32}"
    assert second.startswith("b==2 --hash=sha256:")


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    """Equal data have equal digests: sixteen hexadecimal digits, the same in every process."""
    assert digest_of({"a": 1, "b": "ä"}) == digest_of({"b": "ä", "a": 1}) == "1c46bbb6dc18e032"
    assert digest_of({"a": 1}) != digest_of({"a": 2})
