"""Several processes as one run: their gradients, their files, their agreement."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tests_support import TINY

import nolab
from nolab.plan import Term
from nolab.training.checkpoint import load_checkpoint
from nolab.training.ranks import ALONE, Ranks

HERE = Path(__file__).parent


def torchrun(*arguments: str, cwd: Path, processes: int = 2) -> subprocess.CompletedProcess:
    launcher = (sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}")
    paths = [str(HERE), str(HERE.parent), str(HERE.parents[1])]
    return subprocess.run(
        [*launcher, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def plan_of(*sizes: int) -> tuple[Term, ...]:
    return tuple(Term(level, np.arange(n), np.full(n, 1.0)) for level, n in enumerate(sizes))


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("sizes", [(1,), (8, 4, 2), (7, 3, 1), (1, 1, 1), (5, 5, 5)])
def test_parts_make_up_the_plan(size, sizes):
    plan = plan_of(*sizes)
    parts = [Ranks(rank, size).slices(plan) for rank in range(size)]
    for number, term in enumerate(plan):
        dealt = np.concatenate([term.indices[own[number]] for own in parts])
        assert sorted(dealt) == sorted(term.indices)
    loads = [sum(own.stop - own.start for own in slices) for slices in parts]
    assert max(loads) - min(loads) <= 1
    finest = [slices[-1].stop - slices[-1].start for slices in parts]
    assert finest == sorted(finest, reverse=True)  # dealt first
    most = max(own.stop - own.start for slices in parts for own in slices[:1])
    assert len(Ranks(0, size).largest_part(plan)[0].indices) == most


def test_a_part_has_no_empty_terms():
    levels = [[term.level for term in Ranks(rank, 2).part(plan_of(1, 1, 2))] for rank in (0, 1)]
    assert levels == [[1, 2], [0, 2]]


def test_alone_everything_is_ones_own():
    tensor = torch.ones(2)
    ALONE.sum_([tensor])
    assert tensor.tolist() == [1, 1]
    assert ALONE.gathered("x") == ["x"]
    assert ALONE.from_first(lambda: 3) == 3


def test_two_processes_are_one_in_float64(tmp_path):
    """One start of the processes for all laws: each pays its imports."""
    done = torchrun(str(HERE / "ranks_worker.py"), "found.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["ranks"] == [0, 1]
    # The gradient and the losses are those of one process with the whole plan, also where gradients are kept.
    assert len(found["gradients"]) == 9
    assert max(found["gradients"].values()) < 1e-12, found["gradients"]
    assert found["kept"] < 1e-12
    # PyTorch's DistributedDataParallel has the same.
    assert found["ddp"] < 1e-12
    # One exchange, whatever the number of terms.
    assert found["collectives"] == [1, 1, 1]
    # A process without samples has gradients, and their hooks ran.
    assert found["without"] == {"hooks": True}
    # Probes are shared out, and equal to the bit.
    difference, versions = found["probes"]
    assert difference < 1e-12
    assert versions == 1
    # An error of the first process is everyone's.
    assert found["spoken"] == ["of the first"] * 2


def state_of(run_dir: Path) -> dict:
    return load_checkpoint(run_dir / "checkpoints" / "last.pt")


def evaluations(run_dir: Path) -> dict[int, float]:
    """Error at the finest level by step."""
    records = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return {record["step"]: record["eval/rel_l2"] for record in records if "eval/rel_l2" in record}


def test_a_run_of_two_goes_on_as_one(tmp_path, tiny):
    overrides = tiny("points=importance", "neval=0.5", "optimizer.ema=0.9")
    done = torchrun("-m", "nolab", "train", *overrides, "budget.steps=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run_dir = Path(done.stdout.splitlines()[-1])
    assert done.stdout.count("test rel. L2") == 1  # the first alone speaks
    assert [path.name for path in run_dir.parent.iterdir()] == [run_dir.name]
    assert json.loads((run_dir / "environment.json").read_text())["processes"] == 2
    errors = evaluations(run_dir)

    resumed = nolab.resume(run_dir, ["budget.steps=8"])
    alone = nolab.train(nolab.compose([*overrides, "budget.steps=8"]))
    assert errors[4] == pytest.approx(evaluations(alone.path)[4], rel=1e-4)
    for name, expected in state_of(alone.path)["model"].items():
        torch.testing.assert_close(state_of(resumed.path)["model"][name], expected, rtol=1e-4, atol=1e-6)
    assert resumed.summary["cost/samples/17x17"] == alone.summary["cost/samples/17x17"]
    assert resumed.summary["final/rel_l2"] == pytest.approx(alone.summary["final/rel_l2"], rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        (("train", "-m", "seed=0,1"), {"WORLD_SIZE": "2"}, "hydra/launcher=submitit"),
        (("generate",), {"WORLD_SIZE": "2"}, "torchrun is for nolab train"),
        (("train",), {"WORLD_SIZE": "two"}, "WORLD_SIZE=two"),
        (("train",), {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}, "can't join the 2 processes"),
        (("train", "device=cuda"), {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}, "CUDA device(s)"),
        (("train", "device=cuda:0"), {"WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "each of the run's processes"),
    ],
)
def test_launched_wrongly(monkeypatch, capsys, tmp_path, arguments, variables, told):
    from nolab.cli import main

    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main([*arguments, *(TINY if arguments == ("train",) else ())]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_stops_all_processes_at_one_step(tmp_path, tiny):
    """torchrun hands SIGTERM on to its processes; the checkpoint is whole."""
    launcher = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "-m", "nolab", "train")
    process = subprocess.Popen([*launcher, *tiny("budget.steps=100000")], stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("step "):
            process.terminate()
            break
    lines += process.communicate()[1].splitlines()
    stops = [line for line in lines if "SIGTERM at step" in line]
    assert len(stops) == 2, lines
    assert len({line.partition("SIGTERM")[2] for line in stops}) == 1
    (run_dir,) = (tmp_path / "outputs" / "train").iterdir()
    assert f"at step {state_of(run_dir)['step']};" in stops[0]


@pytest.mark.slow
def test_a_sweep_of_jobs_of_two_tasks(tmp_path, tiny):
    """Under submitit, which is how Slurm is used."""
    launcher = ("hydra/launcher=submitit_local", "hydra.launcher.tasks_per_node=2")
    arguments = [*tiny("seed=0,1"), *launcher, "hydra.launcher.timeout_min=5"]
    done = subprocess.run(
        [sys.executable, "-m", "nolab", "train", "-m", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    runs = list((tmp_path / "outputs" / "train").glob("2*"))
    assert len(runs) == 2
    for run in runs:
        config = OmegaConf.load(run / "config.yaml")
        alone = nolab.train(nolab.compose(tiny(f"seed={config.seed}", "name=alone")))
        expected = alone.summary["final/rel_l2"]
        assert nolab.load_run(run).summary["final/rel_l2"] == pytest.approx(expected, rel=1e-4)
