"""Wheels as they are published: read anew, and held against what the data says of them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from requests import Session

from metalmatrix.kernels.image import EmulationError, read_image
from metalmatrix.kernels.kernel_facts import KernelFacts, PluginLibrary, load_kernels
from metalmatrix.kernels.kernel_update import read
from metalmatrix.kernels.registration import BEGINS, registration
from metalmatrix.published.releases import PLUGIN
from metalmatrix.wheels.wheel_facts import Facts, WheelFacts, load_facts
from metalmatrix.wheels.wheel_reader import Wheel
from metalmatrix.wheels.wheel_update import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

lief = pytest.importorskip("lief")
pytest.importorskip("unicorn")
pytestmark = pytest.mark.index

# The oldest, with chained fixups; the build that is another; the newest.
WHEELS = (("0.1.0", "3.9"), ("0.8.0", "3.11"), ("1.2.0", "3.12"))
NOP = struct.pack("<I", 0xD503201F)


@pytest.fixture(scope="module")
def wheels() -> list[WheelFacts]:
    """The wheels that are read."""
    found = [load_facts().wheel(PLUGIN, version, python) for version, python in WHEELS]
    return [wheel for wheel in found if wheel is not None]


@pytest.fixture(scope="module")
def where() -> Mapping[str, str]:
    """Where the index has them."""
    return addresses({PLUGIN})


@pytest.fixture(scope="module")
def libraries(
    wheels: list[WheelFacts], where: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The plugins' libraries, by version."""
    folder: Path = tmp_path_factory.mktemp("plugins")
    found = {}
    with Session() as session:
        for wheel in wheels:
            path = folder / wheel.version
            with (
                Wheel(where[wheel.sha256], wheel.size, wheel.sha256, session) as archive,
                path.open("wb") as file,
            ):
                archive.extract(wheel.libraries[0].path, file)
            found[wheel.version] = path.read_bytes()
    return found


def test_what_is_read_is_what_the_data_says(wheels: list[WheelFacts], where: Mapping[str, str]) -> None:
    """By the path of `nox -s update`: ranges, a child, one line of the data each."""
    lines: list[str] = []
    reading = read(KernelFacts(), Facts((), tuple(wheels)), lines.append, where)
    assert reading.failed == {}
    known = load_kernels().by_sha256
    found: list[PluginLibrary] = list(reading.facts.libraries)
    assert len(found) == len(lines) == len(WHEELS)
    assert found == [known[library.sha256] for library in found]


def branches(data: bytes, symbol: str) -> int:
    """How many instructions of the code branch to an import, by the table of indirect symbols."""
    image = lief.MachO.parse(list(data)).at(0)
    names = [str(entry.name) for entry in image.dynamic_symbol_command.indirect_symbols]
    stubs = next(section for section in image.sections if section.name == "__stubs")
    text = next(section for section in image.sections if section.name == "__text")
    targets = {
        stubs.virtual_address + stubs.reserved2 * number
        for number in range(stubs.size // stubs.reserved2)
        if names[stubs.reserved1 + number] == symbol
    }
    assert len(targets) == 1
    count = 0
    for number, (word,) in enumerate(struct.iter_unpack("<I", bytes(text.content))):
        if word >> 26 in {0b000101, 0b100101}:
            offset = (word & 0x3FFFFFF) - ((word & 0x2000000) << 1)
            count += text.virtual_address + 4 * (number + offset) in targets
    return count


@pytest.mark.parametrize("version", [version for version, _ in WHEELS])
def test_every_place_that_begins_a_kernel_was_reached(version: str, libraries: dict[str, bytes]) -> None:
    """A run that misses one is an error, so the number in the data is that of those reached: it is all."""
    wheel = load_facts().wheel(PLUGIN, version, dict(WHEELS)[version])
    assert wheel is not None
    library = load_kernels().by_sha256[wheel.libraries[0].sha256]
    assert library.sites == branches(libraries[version], BEGINS) > 150
    assert len(library.kernels) >= library.sites - len(library.unfinished)


def test_a_plugin_that_skips_a_part_is_refused(libraries: dict[str, bytes]) -> None:
    """A call in its `TF_InitKernel` that is taken out leaves places that are not reached: no shorter list."""
    data = libraries["1.2.0"]
    image = read_image(data)
    (segment,) = (one for one in image.segments if one.executable)
    start = image.exports["_TF_InitKernel"] - segment.address
    calls = [at for at in range(start, start + 4000, 4) if data[at + 3] >> 2 == 0b100101]
    damaged = bytearray(data)
    damaged[calls[5] : calls[5] + 4] = NOP
    with pytest.raises(EmulationError, match="places that begin a kernel were not reached"):
        registration(read_image(bytes(damaged)))
