"""What is wrong by a text alone: its messages, and what the table knows of the pairs behind them.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metalmatrix.doctor.finding import Finding, finding
from metalmatrix.doctor.known import is_final
from metalmatrix.doctor.look import checks_module
from metalmatrix.doctor.rules import recognised

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from metalmatrix.doctor.diagnose import Diagnosis
    from metalmatrix.doctor.known import Known
    from metalmatrix.doctor.rules import Rules
    from metalmatrix.doctor.text import Clues

_GROUPS = 3
_OF_PAIRS = frozenset({"does-not-link", "refused-plugin"})
"""Diagnoses of which the table knows the pairs."""


def findings(text: str, clues: Clues, rules: Rules, known: Known) -> list[Finding]:
    """What the messages in *text* mean."""
    found = []
    satisfies = checks_module("checkdists").satisfies
    for item, words in recognised(rules, f"\n{text}\n", satisfies):
        more: list[str] = []
        if item.id == "does-not-link":
            more = list(_linking(words.get("symbol", ""), clues, known))
        elif item.id == "refused-plugin":
            more = list(_refusing(clues, known))
        found.append(finding(item.id, (*item.saw, *more)))
    return found


def asks(diagnoses: Iterable[Diagnosis], clues: Clues) -> list[str]:
    """What would make *diagnoses* of a text alone surer, as sentences with what to type."""
    said = []
    found = {item.id: item for item in diagnoses}
    if not clues.python:
        said.append("The text does not name the Python: `python3 -V` does.")
    if found.keys() & _OF_PAIRS and not (clues.framework and clues.plugin):
        said.append(
            "The text does not name the versions: `python3 -m pip list` does; add its lines to the text."
        )
    if "macos-too-old" in found and not clues.macos:
        pins = found["macos-too-old"].pins
        only = f"{pins.cell} is for macOS {pins.macos} or later only. " if pins else ""
        said.append(
            f"{only}The text does not name the macOS: `sw_vers -productVersion` does; add it to the text, "
            "as in `macOS 11.7`."
        )
    return said


def _linking(symbol: str, clues: Clues, known: Known) -> Iterator[str]:
    """Of which pairs dyld prints that line."""
    pair = clues.framework, clues.plugin
    line = known.links.get(pair)
    if line is not None:
        loads = "dyld loads that pair, and TensorFlow refuses it" if pair in known.refused else ""
        answer = f"dyld says {line}" if line else f"{loads or 'that pair loads'}, so it is another"
        yield _named(clues, answer)
    if not symbol:
        return
    pairs = known.printing(symbol, clues.python)
    if pairs:
        yield f"dyld prints that for {'; '.join(ranges(pairs, known))}"
    else:
        python = f" and Python {clues.python}" if clues.python else ""
        yield f"no pair of wheels for Apple silicon{python} is known to lack {symbol}"


def _refusing(clues: Clues, known: Known) -> Iterator[str]:
    """Of which pairs TensorFlow says that."""
    pair = clues.framework, clues.plugin
    if pair in known.refused:
        yield _named(clues, f"TensorFlow says {known.refused[pair]}")
    elif pair in known.links:
        line = known.links[pair]
        yield _named(clues, f"{f'dyld says {line}' if line else 'TensorFlow takes it'}, so it is another")
    pairs = known.installable(known.refused, clues.python)
    if pairs:
        yield f"TensorFlow says that for {'; '.join(ranges(pairs, known))}"
    else:
        yield f"no pair of wheels for Apple silicon and Python {clues.python} is known to be refused"


def _named(clues: Clues, answer: str) -> str:
    return f"the text names TensorFlow {clues.framework} with tensorflow-metal {clues.plugin}: {answer}"


def ranges(pairs: list[tuple[str, str]], known: Known) -> list[str]:
    """Pairs as ranges: ``tensorflow-metal 0.8.0 to 1.0.1 in TensorFlow 2.14.0 to 2.19.1``."""
    final = [item.version for item in known.frameworks if is_final(item.version)]
    plugins = [item.version for item in known.plugins]
    by_plugin: dict[str, list[str]] = {}
    for framework, plugin in pairs:
        by_plugin.setdefault(plugin, []).append(framework)
    by_range: dict[str, list[str]] = {}
    for plugin in sorted(by_plugin, key=plugins.index):
        frameworks = by_plugin[plugin]
        by_range.setdefault(_spans(frameworks, final) or ", ".join(frameworks), []).append(plugin)
    found = [
        f"tensorflow-metal {_spans(group, plugins)} in TensorFlow {span}" for span, group in by_range.items()
    ]
    return found[:_GROUPS] + ([f"{len(found) - _GROUPS} more"] if len(found) > _GROUPS else [])


def _spans(versions: list[str], order: list[str]) -> str:
    """Those of *versions* that are in *order*, as runs: ``0.8.0 to 1.0.1, 1.2.0``."""
    runs: list[list[str]] = []
    for index, version in enumerate(order):
        if version in versions:
            if runs and index and order[index - 1] == runs[-1][-1]:
                runs[-1].append(version)
            else:
                runs.append([version])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
