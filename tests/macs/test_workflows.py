"""The workflows: what they may do, that their commands exist, and that two shards make the whole table."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from metalmatrix.cli import parser
from metalmatrix.running.record import Resolved, SetRecord
from metalmatrix.running.results import Store
from tests.clone import HERE, MATRIX, ROOT, SIX, Clone, entries, framework
from tests.fake_index import FakeIndex, FakeWheel
from tests.macs.workflow import WORKFLOWS, Here, filled, load, steps
from tests.samples import LINUX, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = sorted(path.name for path in WORKFLOWS.glob("*.yml"))
SCRIPTS = [(name, job, step["run"]) for name in NAMES for job, step in steps(load(name)) if "run" in step]
USES = [
    (name, line.strip())
    for name in NAMES
    for line in (WORKFLOWS / name).read_text(encoding="utf-8").splitlines()
    if re.match(r"\s*(- )?uses: (?!\$/)", line)
]


class TestRules:
    def test_there_are_workflows(self) -> None:
        """The rules below hold something."""
        assert NAMES == ["ci.yml", "matrix.yml", "run.yml"]
        assert len(USES) > 10
        assert len(SCRIPTS) > 10

    @pytest.mark.parametrize(("name", "line"), USES)
    def test_an_action_is_pinned_by_its_commit(self, name: str, line: str) -> None:
        """A tag can be moved by whoever owns the action; the version stands beside, for whoever reads it."""
        pinned = r"(- )?uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+"
        assert re.fullmatch(pinned, line), name
        assert not re.fullmatch(pinned, line.split(" # ", maxsplit=1)[0])

    def test_an_action_has_one_version(self) -> None:
        """The same commit and version wherever it is used."""
        found = {line.partition("uses: ")[2] for _, line in USES}
        assert len(found) == len({text.partition("@")[0] for text in found})

    @pytest.mark.parametrize("name", NAMES)
    def test_nobody_may_more_than_is_needed(self, name: str) -> None:
        """Nothing by default; jobs read, and only the one that publishes writes, to Pages alone."""
        data = load(name)
        assert data["permissions"] == {}
        for job, body in data["jobs"].items():
            publishes = job == "publish"
            wanted = {"pages": "write", "id-token": "write"} if publishes else {"contents": "read"}
            assert body["permissions"] == wanted
            assert body.get("timeout-minutes", 0) > 0 or "uses" in body
        assert "secrets" not in (WORKFLOWS / name).read_text(encoding="utf-8")

    @pytest.mark.parametrize(("name", "job", "script"), SCRIPTS)
    def test_no_script_is_made_of_what_somebody_typed(self, name: str, job: str, script: str) -> None:
        """Expressions go into the environment, and never into the text of a script."""
        assert "${{" not in script, (name, job)

    def test_strangers_code_does_not_reach_a_self_hosted_mac(self) -> None:
        """What runs on machines of the repository's variable is started by no pull request."""
        texts = {name: (WORKFLOWS / name).read_text(encoding="utf-8") for name in NAMES}
        assert [name for name in NAMES if "vars.METALMATRIX_MACS" in texts[name]] == ["run.yml"]
        assert [name for name in NAMES if "/run.yml" in texts[name].replace("workflows/run.yml]", "")] == [
            "matrix.yml"
        ]
        assert set(load("run.yml")["on"]) == {"workflow_call"}
        assert set(load("matrix.yml")["on"]) == {"schedule", "push", "workflow_dispatch"}
        assert load("matrix.yml")["on"]["push"]["branches"] == ["main"]

    def test_it_runs_every_week_and_moves_the_day_beside_the_pinned_one(self) -> None:
        """One run as of the pinned day, one as of today, by the same jobs; the pinned one is published."""
        data = load("matrix.yml")
        assert [item["cron"].split()[4] for item in data["on"]["schedule"]] == ["1"]
        assert [data["jobs"][job]["with"]["day"] for job in ("pinned", "today")] == ["pinned", "today"]
        assert data["jobs"]["publish"]["needs"] == "gate"
        assert data["jobs"]["gate"]["needs"] == "pinned"


def _commands() -> list[str]:
    lines = [line for _, _, text in SCRIPTS for line in re.findall(r'uvx "nox\[uv\]" -s (.*)', text)]
    return [re.sub(r"\$\{\w+:\+.*?\}|[>|].*$", "", line).strip().removesuffix(" --") for line in lines]


@pytest.mark.parametrize("command", _commands())
def test_each_command_of_the_workflows_is_understood(command: str) -> None:
    """A session that exists, with arguments that it takes."""
    name, _, rest = command.partition(" -- ")
    if name.startswith("matrix") or not name:
        return
    known = {"$DAY": "2026-11-20", "$MINUTES": "60", "$BASE": "HEAD", "$RUNNERS": "macos-15", "$MACS": ""}
    text = rest.replace('"$(date -u +%F)"', "2026-11-20").replace("${FEED:-site}", "site")
    for variable, value in known.items():
        text = text.replace(variable, value)
    assert parser().parse_args([*name.split(), *shlex.split(text)]).command == name.split()[0]


BREAKS = "import six\nraise ImportError('it was built for another six')\n"
CRASHES = "import six\nprint(six.WORD)\nimport ctypes\nctypes.string_at(0)\n"
"""Of a crash in a rehearsal nothing follows for a Mac: the cell stays likely."""


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """Two frameworks with and without a plugin; since the pinned day, six has an upload that breaks one."""
    now = dt.datetime.now(dt.timezone.utc).date()
    good = FakeWheel("six", SIX.version, files={"six.py": "WORD = 'x'\n"})
    bad = FakeWheel(
        "six", "1.18.0", files={"six.py": "WORDS = 'x'\n"}, uploaded=str(now - dt.timedelta(days=1))
    )
    metal = FakeWheel("tensorflow-metal", "1.1.0", "py3-none-any", ("six",))
    wheels = [good, bad, metal, *framework("2.12.0", BREAKS), *framework("2.13.1", CRASHES)]
    text = MATRIX.format(
        pythons=entries([HERE]),
        frameworks=entries(["2.12.0", "2.13.1"]),
        plugins=entries(["none", "1.1.0"]),
        seconds=120,
        rest="",
    )
    with FakeIndex(wheels) as index:
        yield Here(tmp_path_factory.mktemp("github"), index.url, text)


def a_run(github: Here, day: str, minutes: float) -> int:
    """What run.yml does, on as many machines as it splits itself among; how many they were."""
    data = load("run.yml")
    inputs = {"day": day, "select": "matrix", "runners": "ubuntu-24.04", "minutes": minutes}
    variables = {"METALMATRIX_MACS": "", "METALMATRIX_FEED": ""}
    context: dict[str, Any] = {"inputs": inputs, "vars": variables, "needs": {}}
    context["needs"]["split"] = github.job(data["jobs"]["split"], f"{day}-split", context)
    machines = filled(data["jobs"]["run"]["strategy"]["matrix"], context)["include"]
    for machine in machines:
        github.job(data["jobs"]["run"], f"{day}-{machine['name']}", {**context, "matrix": machine})
    github.job(data["jobs"]["join"], f"{day}-join", context)
    return len(machines)


def table(path: Path) -> Any:  # noqa: ANN401 - JSON
    """A table without its days: a run may go past midnight."""
    text = (path / "compat.json").read_text(encoding="utf-8")
    return json.loads(re.sub(r'"date": "[0-9-]+"', '"date": ""', text))


def test_the_merge_of_two_shards_is_the_unsharded_table(github: Here, tmp_path: Path) -> None:
    """The commands of every job, on two machines: what is joined is what one machine finds alone."""
    assert a_run(github, "pinned", 0.14) == 2
    whole = Clone.make(tmp_path, github.index, github.matrix)
    code, output = whole.nox("-s", "matrix")
    assert code == 0, output
    made = table(github.artifacts["table-pinned"])
    assert made == table(whole.root / "site")
    words = {cell["cell"]: (cell["verdict"], cell["stage"]) for cell in made["cells"]}
    assert words[f"py{HERE}-tf2.12.0-nometal"] == ("broken", "import")
    assert words[f"py{HERE}-tf2.13.1-nometal"] == ("likely", "")
    runs = [item for cell in made["cells"] for item in cell["evidence"] if item["kind"] == "rehearsed"]
    assert any("SIGSEGV" in item["message"] for item in runs)
    assert any("another six" in item["message"] for item in runs)
    assert made["missing"] == []


def test_gitlabs_pipeline_makes_the_same_table(github: Here) -> None:
    """The scripts of docs/ci.md, word for word, on two machines that each work out their own shard."""
    if "table-pinned" not in github.artifacts:
        a_run(github, "pinned", 0.14)
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    data = yaml.safe_load(page.partition("## GitLab\n\n```yaml\n")[2].partition("```")[0])
    join, shims = github.machine("gitlab-join")
    for index in ("1", "2"):
        clone, own = github.machine(f"gitlab-{index}")
        script = [*data["run"]["script"], *data["run"]["after_script"]]
        github.script(script, clone, own, CI_NODE_INDEX=index, CI_NODE_TOTAL="2")
        shutil.move(clone.root / f"results-{index}", join.root)
    github.script(data["pages"]["script"], join, shims)
    assert table(join.root / "public") == table(github.artifacts["table-pinned"])


def test_a_file_that_is_not_taken_does_not_keep_the_table_back(github: Here) -> None:
    """Joining ends with an error, and what the others found is shown all the same."""
    store = Store(github.folder / "artifacts" / "results-damaged-linux")
    store.write(LINUX, record(f"py{HERE}-tf2.13.1-nometal", SetRecord(Resolved("fails", "no wheels"))))
    (store.root / LINUX.slug / f"py{HERE}-tf2.12.0-nometal.json").write_text("{", encoding="utf-8")
    github.artifacts[store.root.name] = store.root
    context = {
        "inputs": {"day": "damaged"},
        "vars": {"METALMATRIX_FEED": ""},
        "needs": {"split": {"outputs": {"day": "2026-11-20"}}},
    }
    github.job(load("run.yml")["jobs"]["join"], "damaged-join", context, fails=True)
    cells = {cell["cell"]: cell for cell in table(github.artifacts["table-damaged"])["cells"]}
    assert "no wheels" in str(cells[f"py{HERE}-tf2.13.1-nometal"]["evidence"])


def test_the_gate_lets_pass_what_nobody_expects_otherwise(github: Here) -> None:
    """Held against itself the table has no surprise, and it is what goes to Pages."""
    if "table-pinned" not in github.artifacts:
        a_run(github, "pinned", 0.14)
    github.job(load("matrix.yml")["jobs"]["gate"], "gate", {"vars": {"METALMATRIX_FEED": ""}})
    assert (github.artifacts["github-pages"] / "compat.json").is_file()
    assert "nothing has changed" in github.summary


def test_moving_the_day_tells_what_broke_and_which_pin_moved(github: Here) -> None:
    """The weekly run as of today, held against the pinned one: a cell is lost, by an upload since."""
    if "table-pinned" not in github.artifacts:
        a_run(github, "pinned", 0.14)
    assert a_run(github, "today", 60) == 1
    body = load("matrix.yml")["jobs"]["drift"]
    body["steps"] = [step for step in body["steps"] if "uses" in step or "diff" in step["run"]]
    github.job(body, "drift", {}, fails=True)
    lost = [line for line in github.summary.splitlines() if f"py{HERE}-tf2.13.1-nometal" in line]
    assert any("likely" in line and "broken" in line and "six 1.17.0 -\\> 1.18.0" in line for line in lost)
    assert "Stops the table: lost" in github.summary
