from __future__ import annotations

import json
import os
import platform
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from metalmatrix.errors import ResultError
from metalmatrix.running import host
from metalmatrix.running.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What the commands print, rebuilt from their documentation and public bug reports: no one machine's.
SW_VERS = "ProductName:\t\tmacOS\nProductVersion:\t\t15.2\nBuildVersion:\t\t24C101\n"
SW_VERS_RAPID = SW_VERS.replace("15.2", "13.4.1\nProductVersionExtra:\t(c)").replace("24C101", "22F770820d")
DISPLAY = {
    "_name": "Color LCD",
    "_spdisplays_display-serial-number": "00000000",
    "spdisplays_main": "spdisplays_yes",
}


def displays(*cards: dict[str, Any]) -> str:
    """What ``system_profiler SPDisplaysDataType -json`` prints for these GPUs."""
    return json.dumps({"SPDisplaysDataType": cards}, indent=2)


M1 = displays(
    {
        "_name": "Apple M1",
        "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
        "spdisplays_ndrvs": [DISPLAY],
        "spdisplays_vendor": "sppci_vendor_Apple",
        "sppci_bus": "spdisplays_builtin",
        "sppci_cores": "8",
        "sppci_device_type": "spdisplays_gpu",
        "sppci_model": "Apple M1",
    }
)
M3_PRO = M1.replace("Apple M1", "Apple M3 Pro").replace('"8"', '"18"')
RUNNER = displays(
    {
        "_name": "Apple Paravirtual device",
        "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
        "spdisplays_vendor": "sppci_vendor_Apple",
        "sppci_bus": "spdisplays_builtin",
        "sppci_device_type": "spdisplays_gpu",
        "sppci_model": "Apple Paravirtual device",
    }
)
INTEL = displays(
    {"_name": "kHW_IntelUHDGraphics630Item", "sppci_model": "Intel UHD Graphics 630"},
    {"_name": "kHW_AMDRadeonPro5500MItem", "sppci_model": "AMD Radeon Pro 5500M"},
)
XEON = "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"
CPUINFO_X86 = (
    f"processor\t: 0\nmodel\t\t: 106\nmodel name\t: {XEON}\n\nprocessor\t: 1\nmodel name\t: another\n"
)
CPUINFO_ARM = (
    "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\nCPU revision\t: 1\n"
)

MAC = Host(
    os="macos",
    os_version="15.2",
    os_build="24C101",
    arch="arm64",
    chip="Apple M2 Max",
    cores=12,
    memory_gb=64,
    gpu=("Apple M2 Max (38 cores)",),
    translated=False,
)
LINUX = Host("linux", "debian 12", "", "x86_64", "AMD EPYC 7763 64-Core Processor", 2, 24, (), None)


class TestParsing:
    def test_sw_vers(self) -> None:
        """Version and build are told apart, and a rapid security response does not get between."""
        assert host.parse_sw_vers(SW_VERS) == ("15.2", "24C101")
        assert host.parse_sw_vers(SW_VERS_RAPID) == ("13.4.1", "22F770820d")

    @pytest.mark.parametrize(
        ("text", "gpus"),
        [
            pytest.param(M1, ("Apple M1 (8 cores)",), id="M1"),
            pytest.param(M3_PRO, ("Apple M3 Pro (18 cores)",), id="M3 Pro"),
            pytest.param(RUNNER, ("Apple Paravirtual device",), id="GitHub runner"),
            pytest.param(INTEL, ("Intel UHD Graphics 630", "AMD Radeon Pro 5500M"), id="Intel"),
        ],
    )
    def test_system_profiler(self, text: str, gpus: tuple[str, ...]) -> None:
        """Each GPU is named with the cores it has; the displays below it are not looked at."""
        assert host.parse_system_profiler(text) == gpus

    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "{}", "null", '{"SPDisplaysDataType": null}', '{"SPDisplaysDataType": ["x"]}']
    )
    def test_no_displays(self, text: str) -> None:
        """Output that is none gives no GPU and raises nothing."""
        assert host.parse_system_profiler(text) == ()

    def test_output_is_cleaned(self) -> None:
        """A name is bounded and without control characters, and there are not many."""
        cards = [{"_name": "A\x1b[31m\n\u202eGPU" + "x" * 500}] * 20
        gpus = host.parse_system_profiler(displays(*cards))
        assert len(gpus) == host.MAX_GPUS
        assert gpus[0].startswith("A[31m GPUxx")
        assert len(gpus[0]) == host.MAX_TEXT

    def test_sysctl(self) -> None:
        """Values come by name; a value may hold a colon."""
        told = host.parse_sysctl("hw.optional.arm64: 1\nmachdep.cpu.brand_string: Apple M1: (Virtual)\n")
        assert told == {"hw.optional.arm64": "1", "machdep.cpu.brand_string": "Apple M1: (Virtual)"}

    def test_cpuinfo(self) -> None:
        """The first core names the CPU; on arm64 its numbers do; an empty file names none."""
        assert host.parse_cpuinfo(CPUINFO_X86) == XEON
        assert host.parse_cpuinfo(CPUINFO_ARM) == "implementer 0x41 part 0xd0c"
        assert host.parse_cpuinfo("") == ""

    def test_os_release(self) -> None:
        """Distribution and version are told; a rolling distribution has no version."""
        assert host.parse_os_release({"ID": "debian", "VERSION_ID": "12", "NAME": "Debian"}) == "debian 12"
        assert host.parse_os_release({"ID": "arch"}) == "arch"
        assert host.parse_os_release({}) == "linux"

    @pytest.mark.parametrize(
        ("machine", "arch"), [("aarch64", "arm64"), ("arm64", "arm64"), ("AMD64", "x86_64")]
    )
    def test_normalised(self, machine: str, arch: str) -> None:
        """An architecture has one name, whoever is asked."""
        assert host.normalised(machine) == arch


class TestSlug:
    @pytest.mark.parametrize(
        ("one", "slug"),
        [
            (MAC, "macos-15.2-apple-m2-max-64gb"),
            (replace(MAC, chip="Apple M1 (Virtual)", memory_gb=7), "macos-15.2-apple-m1-virtual-7gb"),
            (replace(MAC, arch="x86_64", translated=True), "macos-15.2-apple-m2-max-64gb"),
            (LINUX, "linux-debian-12-x86-64-amd-epyc-7763-64-core-24gb"),
            (
                replace(LINUX, chip=XEON),
                "linux-debian-12-x86-64-intel-xeon-platinum-8375c-24gb",
            ),
            (replace(LINUX, chip="", os_version=""), "linux-x86-64-24gb"),
        ],
    )
    def test_examples(self, one: Host, slug: str) -> None:
        """The folder says system, chip and memory, and is the same for a translated Python."""
        assert one.slug == slug

    @pytest.mark.parametrize(
        "text", ["../../etc", "..", "x" * 100, "é\u202e/\\:*?", "-.-.-", "a..b", "CON", "\u212a"]
    )
    def test_is_always_one_folder(self, text: str) -> None:
        """Whatever the facts say, the slug is one plain and bounded folder name that keeps the memory."""
        for one in (replace(LINUX, chip=text, os_version=text), replace(MAC, chip=text, os_version=text)):
            assert re.fullmatch(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{0,59}", one.slug)
            assert one.slug.endswith(f"-{one.memory_gb}gb")


class TestWhatItIs:
    def test_apple_silicon(self) -> None:
        """An M-series Mac is one also when Rosetta 2 runs us; an Intel Mac and arm64 Linux are none."""
        assert MAC.is_apple_silicon
        assert replace(MAC, arch="x86_64", translated=True).is_apple_silicon
        assert not replace(MAC, arch="x86_64", translated=False).is_apple_silicon
        assert not replace(MAC, arch="x86_64", translated=None).is_apple_silicon
        assert not replace(LINUX, arch="arm64").is_apple_silicon

    def test_virtual(self) -> None:
        """A virtual machine is recognised by its GPU's name and by its chip's, each alone."""
        assert not MAC.is_virtual
        assert replace(MAC, gpu=host.parse_system_profiler(RUNNER)).is_virtual
        assert replace(MAC, chip="Apple M1 (Virtual)", gpu=()).is_virtual

    @pytest.mark.parametrize(
        ("one", "key"),
        [
            (LINUX, "linux-x86_64"),
            (replace(LINUX, arch="arm64"), "linux-aarch64"),
            (MAC, "macos-arm64"),
            (replace(MAC, arch="x86_64", translated=True), "macos-arm64"),
            (replace(MAC, arch="x86_64", translated=False), "macos-x86_64"),
        ],
    )
    def test_platform_key(self, one: Host, key: str) -> None:
        """The keys are those of matrix.toml, where Linux calls arm64 aarch64."""
        assert one.platform_key == key


class TestJson:
    @pytest.mark.parametrize("one", [MAC, LINUX])
    def test_round_trip(self, one: Host) -> None:
        """A host comes back from JSON as it went."""
        assert Host.from_json(json.loads(json.dumps(one.to_json()))) == one

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("os", "Mac OS"),
            ("os", "../.."),
            ("os_version", 15.2),
            ("os_build", None),
            ("arch", ""),
            ("chip", "x" * 101),
            ("chip", "Apple\nM2"),
            ("chip", "\x1b[2J"),
            ("chip", "\ud800"),
            ("cores", True),
            ("cores", 0),
            ("cores", "12"),
            ("memory_gb", 64.0),
            ("memory_gb", 2**80),
            ("gpu", "Apple M2"),
            ("gpu", [1]),
            ("gpu", ["GPU"] * 9),
            ("translated", 0),
            ("translated", "no"),
        ],
    )
    def test_wrong_facts(self, name: str, value: object) -> None:
        """A fact of the wrong type, over-long or unprintable is refused by its name."""
        with pytest.raises(ResultError, match=f"{name} cannot be"):
            Host.from_json({**MAC.to_json(), name: value})

    @pytest.mark.parametrize("data", [None, [], "host", {}, {**MAC.to_json(), "hostname": "mine"}, {1: 2}])
    def test_other_facts(self, data: object) -> None:
        """Missing facts are damage, and facts that nobody asked for are not let in."""
        with pytest.raises(ResultError, match="the host facts are damaged: they must be arch, chip, cores, "):
            Host.from_json(data)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Facts that are gathered anew, before the test and after it."""
    caches = (host.this_host, host.native_arch, host._translated)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.usefixtures("fresh")
class TestGathering:
    @pytest.fixture
    def mac(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
        """A Mac: what its programs print, by the program's last argument."""
        printed: dict[str, str | None] = {
            "/usr/bin/sw_vers": SW_VERS,
            "-json": M3_PRO,
            "machdep.cpu.brand_string": "machdep.cpu.brand_string: Apple M3 Pro\n",
            "hw.optional.arm64": "hw.optional.arm64: 1\n",
        }

        def output_of(command: Sequence[str], seconds: float) -> str | None:
            assert 0 < seconds <= 20
            assert command[0].startswith("/usr/")
            return printed[command[-1]]

        monkeypatch.setattr(host, "output_of", output_of)
        monkeypatch.setattr(platform, "system", lambda: "Darwin")
        monkeypatch.setattr(platform, "machine", lambda: "arm64")
        return printed

    @pytest.mark.usefixtures("mac")
    def test_mac(self) -> None:
        """A Mac is told by sw_vers, sysctl and system_profiler together."""
        found = host.this_host()
        expected = replace(MAC, chip="Apple M3 Pro", gpu=("Apple M3 Pro (18 cores)",))
        assert replace(found, cores=12, memory_gb=64) == expected
        assert host.native_arch() == "arm64"

    def test_rosetta(self, mac: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
        """Under Rosetta 2 the CPU calls itself VirtualApple: the chip is then named after its GPU."""
        mac["machdep.cpu.brand_string"] = "machdep.cpu.brand_string: VirtualApple @ 2.50GHz\n"
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        found = host.this_host()
        assert (found.arch, found.translated, found.chip) == ("x86_64", True, "Apple M3 Pro")
        assert host.native_arch() == "arm64"

    def test_intel_mac(self, mac: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
        """An Intel Mac does not know the setting that an arm64 one has."""
        mac |= {"hw.optional.arm64": "", "-json": INTEL, "machdep.cpu.brand_string": None}
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        found = host.this_host()
        assert (found.translated, found.chip, len(found.gpu)) == (False, "", 2)
        assert host.native_arch() == "x86_64"

    def test_silent_mac(self, mac: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no program answers, the facts are empty or unknown, still valid, and make a folder."""
        mac.update(dict.fromkeys(mac))
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        found = host.this_host()
        assert found.translated is None
        assert Host.from_json(found.to_json()) == found
        assert found.slug.startswith("macos-x86-64-")

    def test_no_os_release(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A system that has no os-release file is told without a version."""

        def missing() -> dict[str, str]:
            raise OSError

        monkeypatch.setattr(platform, "system", lambda: "FreeBSD")
        monkeypatch.setattr(platform, "freedesktop_os_release", missing)
        found = host.this_host()
        assert (found.os, found.os_version, found.translated) == ("freebsd", "", None)

    def test_this_machine(self) -> None:
        """The machine of the test has valid facts, the same ones every time, and not its name."""
        found = host.this_host()
        assert Host.from_json(found.to_json()) == found
        assert host.this_host() is found
        assert os.uname().nodename not in json.dumps(found.to_json()) or len(os.uname().nodename) < 4


class TestOutputOf:
    def test_output(self) -> None:
        """Output is had whatever the exit code: sysctl fails for one name of several."""
        assert host.output_of(["sh", "-c", "echo out; echo err >&2; exit 3"], 5) == "out\n"

    @pytest.mark.parametrize("command", [["/no/such/program"], ["/"], ["sh\0"]])
    def test_cannot_be_run(self, command: list[str]) -> None:
        """What cannot be run prints nothing."""
        assert host.output_of(command, 5) is None

    @pytest.mark.parametrize(
        "script",
        [
            pytest.param("sleep 60 & sleep 60", id="with a child"),
            pytest.param("exec >&-; sleep 60", id="with its output closed"),
            pytest.param("trap '' TERM INT HUP; while :; do sleep 1; done", id="deaf"),
        ],
    )
    def test_hanging(self, script: str) -> None:
        """A program that hangs is killed at its time limit, with what it started."""
        started = time.monotonic()
        assert host.output_of(["sh", "-c", script], 0.3) is None
        assert time.monotonic() - started < 3

    def test_endless(self) -> None:
        """A program that never stops printing is stopped at the limit of its output."""
        assert host.output_of(["yes"], 30, limit=10_000) is None

    def test_no_text(self) -> None:
        """Output that is no UTF-8 is read all the same."""
        assert host.output_of(["printf", r"\377ok"], 5) == "\ufffdok"
