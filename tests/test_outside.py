"""Parts of the user's own, one of each kind: those of docs/extending.md, outside the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import nolab
from nolab.cli import main
from nolab.config import SELECTORS
from nolab.data.store import Store

PAGE = Path(nolab.__file__).parents[1] / "docs" / "extending.md"
LEFT_OUT = """from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from nolab.schema import check

"""
"""The imports that the page says it leaves out."""

SECTION = re.compile(
    r"^## [^\n]*: `nolab/\w+/(?P<name>\w+)\.py`, `conf/(?P<group>\w+)/\w+\.yaml`$"
    r".*?^```python\n(?P<code>.*?)^```$.*?^```yaml\n(?P<keys>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PARTS = {
    "model": "mine.low_rank",
    "dataset": "mine.heat_ring",
    "sampling": "mine.single_term",
    "points": "mine.independent",
}
CHOICES = [f"{group}={name.removeprefix('mine.')}" for group, name in PARTS.items()]
TINY = [
    *(
        "dataset.n_train=12",
        "dataset.n_test=4",
        "dataset.resolution=16",
        "hierarchy=two",
        "model.rank=3",
        "neval=5",
    ),
    *("sampling.batch_size=2", "budget.steps=4", "evaluation.times=2", "tracking=none", "device=cpu"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's parts as a user has them: modules in mine/, YAML in my/."""
    home = tmp_path_factory.mktemp("home")
    (home / "mine").mkdir()
    for section in SECTION.finditer(PAGE.read_text(encoding="utf-8")):
        name, group = section["name"], section["group"]
        (home / "mine" / f"{name}.py").write_text(LEFT_OUT + section["code"], encoding="utf-8")
        keys = section["keys"].replace(f"{SELECTORS[group]}: {name}\n", f"{SELECTORS[group]}: mine.{name}\n")
        (home / "my" / group).mkdir(parents=True)
        (home / "my" / group / f"{name}.yaml").write_text(keys, encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def arguments(home: Path) -> list[str]:
    """Arguments of a tiny run whose parts are all the user's own."""
    places = (f"data_dir={home / 'data'}", f"output_dir={home / 'outputs'}")
    return ["--config-dir", str(home / "my"), *CHOICES, *TINY, *places]


@pytest.fixture(scope="module")
def command(home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in a process of its own, away from the user's folder, which is on the Python path."""
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    path = os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))

    def run(*given: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "nolab", *given],
            cwd=elsewhere,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def trained(command: Callable[..., subprocess.CompletedProcess[str]], arguments: list[str]) -> Path:
    """Directory of a finished run."""
    return Path(command("train", *arguments, "hierarchy.restriction=solve").stdout.splitlines()[-1])


@pytest.fixture
def importable(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The user's modules can be imported in this process."""
    monkeypatch.syspath_prepend(home)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "mine"]:
        del sys.modules[name]


@pytest.fixture
def here(
    importable: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """The command line in this process: its exit code, and what it said on stdout, or on stderr where it failed."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # what the command sets ends with the test
    monkeypatch.setattr(sys, "argv", [])

    def run(*given: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(given))
        said = capsys.readouterr()
        return code, (said.err.strip().splitlines()[-1] if code else said.out.strip())

    return run


def test_a_run_with_one_of_each(trained, home):
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["cost/steps"] == 4
    assert summary["points/neval/16"] == 5
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert {group: config[group][SELECTORS[group]] for group in PARTS} == PARTS
    stores = [Store(path) for path in (home / "data" / "mine.heat_ring").glob("*.h5")]
    assert {store.meta.problem for store in stores} == {"mine.heat_ring"}
    assert sorted(store.shapes("train") for store in stores) == [[(8,)], [(16,)]]  # each solved


def test_it_opens_with_trust_only(trained, here):
    code, said = here("evaluate", str(trained))
    assert code == 2
    assert "its model is code outside nolab (mine.low_rank)" in said
    assert "--trust" in said
    code, said = here("evaluate", str(trained), "--trust", "--json")
    assert code == 0, said
    assert list(json.loads(said)) == ["8", "16"]
    assert nolab.load_run(trained, trust=True).predict([[0.0] * 16]).shape == (1, 1, 16)


def test_it_resumes_with_trust_only(trained, here, home):
    shutil.copytree(trained, run := home / "outputs" / "resumed", dirs_exist_ok=True)
    code, said = here("train", f"resume={run}", "budget.steps=6")
    assert code == 2
    assert "trust=true" in said
    code, said = here("train", f"resume={run}", "budget.steps=6", "trust=true")
    assert code == 0, said
    assert nolab.load_run(run).summary["cost/steps"] == 6


def test_its_data_are_made_once_and_anew_for_another_version(trained, here, arguments, monkeypatch):
    import mine.heat_ring

    code, first = here("generate", *arguments)
    assert code == 0, first
    before = Path(first).stat().st_mtime_ns
    assert here("generate", *arguments) == (0, first)
    assert Path(first).stat().st_mtime_ns == before
    monkeypatch.setattr(mine.heat_ring, "VERSION", "2")
    code, second = here("generate", *arguments)
    assert code == 0, second
    assert Path(second) != Path(first)
    assert Store(second).meta.version == "2"
    monkeypatch.setattr(mine.heat_ring, "VERSION", 3)
    code, said = here("generate", *arguments)
    assert (code, said) == (2, "nolab: mine.heat_ring.VERSION: must be a text, got 3")


def test_info(here, arguments):
    code, said = here("info", *arguments)
    assert code == 0, said
    assert "model mine.low_rank:" in said
    assert "A quadrature and functions of true coordinates" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+model.ranks=2", "model.ranks: 'ranks' is not known. Did you mean 'rank'? Valid: rank."),
        ("model.rank=0", "model.rank: must be at least 1, got 0"),
        ("+sampling.delta=2", "sampling.delta: 'delta' is not known. Valid: batch_size."),
        ("+dataset.viscosity=2", "dataset.viscosity: 'viscosity' is not known."),
        (
            "points.scheme=mine.single_term",
            "must extend PointOptions",
        ),
    ],
)
def test_options_and_names_are_checked(here, arguments, override, said):
    code, message = here("train", *arguments, *override.split())
    assert code == 2
    assert said in message


def test_the_estimator_is_unbiased(importable):
    import mine.single_term

    estimator = mine.single_term.build(mine.single_term.Options(2), 12, 3, seed=0)
    sums = [0.0, 0.0, 0.0]
    for chance, plan in estimator.outcomes():
        for term in plan:
            sums[term.level] += chance * term.weights.sum()
    assert sums == pytest.approx([0, 0, 1], abs=1e-14)


@pytest.mark.slow
def test_a_plan(here, arguments, trained):
    fast = ("plan.samples=4", "plan.resamples=20", "plan.steps=[0]", "budget.steps=2", f"plan.run={trained}")
    code, said = here("plan", *arguments, *fast)
    assert code == 0, said
    (recommended,) = (line for line in said.splitlines() if line.startswith("recommended: nolab train"))
    assert "model=low_rank" in recommended


@pytest.mark.slow
def test_a_sweep_in_other_processes(command, arguments, home):
    sweep = ("-m", *arguments, "seed=1,2", "name=swept", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    command("train", *sweep)
    runs = sorted((home / "outputs" / "swept").glob("*/summary.json"))
    assert len(runs) == 2
    assert command("train", *sweep).stdout.count("finished before") == 2
    assert sorted((home / "outputs" / "swept").glob("*/summary.json")) == runs
