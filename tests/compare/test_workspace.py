"""The W&B workspace: its panels as they go over the wire, and every name in it is one that runs have."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from wandb_workspaces.workspaces import Workspace

import nolab
from nolab.compare.workspace import build_workspace, save_workspace
from nolab.errors import InputError

AXES = {"cost/train_s", "_step"}


@pytest.fixture(scope="module")
def sections() -> dict[str, list[dict]]:
    """Section -> its panels, as they go over the wire."""
    spec = json.loads(wire(build_workspace("me", "mine")))
    return {part["name"]: part["panels"] for part in spec["section"]["panelBankConfig"]["sections"]}


def wire(workspace: Workspace) -> str:
    return workspace._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)


def configs(panels: list[dict], kind: str) -> list[dict]:
    return [panel["config"] for panel in panels if panel["viewType"] == kind]


def test_the_sections_and_their_panels(sections):
    kinds = {name: [panel["viewType"] for panel in panels] for name, panels in sections.items()}
    assert kinds == {
        "Pareto": ["Scatter Plot"] * 3,
        "Curves": ["Run History Line Plot"] * 4,
        "What matters": ["Parameter Importance", "Parallel Coordinates Plot"],
        "MLMC": ["Run History Line Plot"] * 3,
        "Pictures": ["Media Browser"],
    }


def test_scatter_plots_show_the_front(sections):
    fronts = configs(sections["Pareto"], "Scatter Plot")
    costs = ["summary:cost/train_s", "summary:cost/flops", "summary:cost/peak_mem_gib"]
    assert [front["xAxis"] for front in fronts] == costs
    for front in fronts:
        assert front["yAxis"] == "summary:final/rel_l2"
        assert [front[key] for key in ("xAxisLogScale", "yAxisLogScale", "showMinYAxisLine")] == [True] * 3


def test_curves_have_both_axes_and_error_bands(sections):
    curves = configs(sections["Curves"], "Run History Line Plot")
    shown = {(curve["xAxis"], *curve["metrics"]) for curve in curves}
    assert shown == {
        ("cost/train_s", "eval/rel_l2"),
        ("_step", "eval/rel_l2"),
        ("cost/train_s", "train/loss"),
    }
    assert all(curve["yLogScale"] for curve in curves)
    (grouped,) = [curve for curve in curves if "groupBy" in curve]
    assert (grouped["groupBy"], grouped["groupAgg"]) == ("sampling.value.estimator", "mean")
    assert grouped["groupArea"] == "minmax"
    assert grouped["aggregate"]


def test_the_library_reads_back_what_it_writes():
    workspace = build_workspace("me", "mine")
    again = Workspace._from_model(workspace._to_model())
    assert wire(again) == wire(workspace)
    assert (again.entity, again.project, again.name) == ("me", "mine", "nolab")
    assert wire(again).count('"viewType"') == 13


@pytest.mark.pictures
def test_every_name_is_one_that_a_run_has(sections, tiny):
    run_dir = nolab.train(nolab.compose(tiny())).path
    records = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    history = {name for record in records for name, value in record.items() if value is not None}
    figures = json.loads((run_dir / "summary.json").read_text())
    summary = {name for name, value in figures.items() if value is not None}
    config = yaml.safe_load((run_dir / "config.yaml").read_text())

    panels = [panel["config"] for section in sections.values() for panel in section]
    plotted = {name for panel in panels for name in panel.get("metrics", ())}
    axes = {panel["xAxis"] for panel in panels if "metrics" in panel}
    assert len(plotted) == 2
    assert plotted <= history
    assert axes == AXES
    assert "cost/train_s" in history  # and W&B's step is there always
    for pattern in (panel["metricRegex"] for panel in panels if "metricRegex" in panel):
        levels = {name.rpartition("/")[2] for name in history if re.search(pattern, name)}
        assert levels == {"9x9", "17x17"}

    points = [
        panel[axis]
        for panel in panels
        for axis in ("xAxis", "yAxis")
        if "metrics" not in panel and axis in panel
    ]
    points += [column["accessor"] for panel in panels for column in panel.get("columns", ())]
    points += [f"config:{panel['groupBy']}" for panel in panels if "groupBy" in panel]
    points += [f"summary:{panel['targetKey']}" for panel in panels if "targetKey" in panel]
    points += [f"summary:{key['key']['name']}" for key in sort_keys()]
    assert len(points) == 6 + 6 + 1 + 1 + 1
    for point in points:
        kind, _, name = point.partition(":")
        if kind == "summary":
            assert name in summary
        else:
            assert kind == "config"
            at(stored(config), name)
    media = [name for panel in panels for name in panel.get("mediaKeys", ())]
    assert [(run_dir / f"{name}.png").is_file() for name in media] == [True]


def sort_keys() -> list[dict]:
    (runs,) = json.loads(wire(build_workspace("me", "mine")))["section"]["runSets"]
    return runs["sort"]["keys"]


def stored(config: dict[str, Any]) -> dict[str, Any]:
    """A run's config as W&B keeps it: each top-level value in an envelope."""
    return {key: {"value": value} for key, value in config.items()}


def at(tree: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        tree = tree[key]  # KeyError: the panel would be empty
    return tree


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = "import sys, nolab.compare.workspace; print({'torch', 'wandb', 'wandb_workspaces'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("call", [build_workspace, save_workspace])
def test_a_missing_package_is_named(monkeypatch, call):
    for name in [name for name in sys.modules if name.startswith("wandb_workspaces")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'nolab\[dashboard\]'"):
        call("me", "mine")
