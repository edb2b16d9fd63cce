"""The command line as a user meets it, in an empty folder.

A process takes seconds to start: what needs none, or has one elsewhere, is run in this one.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nolab.cli import main
from nolab.registry import names


def summary_of(run_dir: str | Path) -> dict:
    return json.loads((Path(run_dir) / "summary.json").read_text())


@pytest.fixture
def here(capsys, monkeypatch, tmp_path):
    """The command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "")  # what the command sets ends with the test
    monkeypatch.setattr(sys, "argv", [])

    def run(*arguments):
        capsys.readouterr()
        code = main(list(arguments))
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


def run_dir_of(done):
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_train_evaluate_predict(nolab, here, tiny, tmp_path):
    done = nolab("train", *tiny("dataset.resolution=33"))
    run_dir = run_dir_of(done)
    for name in ("config.yaml", "environment.json", "metrics.jsonl", "summary.json", "plots/prediction.png"):
        assert (run_dir / name).is_file()
    assert {p.name for p in (run_dir / "checkpoints").iterdir()} == {"last.pt", "previous.pt", "best.pt"}
    assert "17x17" in done.stdout
    assert "zero-shot" in done.stdout  # the stored 33² grid is finer than the hierarchy
    assert "step 4" in done.stderr

    evaluated = nolab("evaluate", str(run_dir), "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    errors = json.loads(evaluated.stdout)
    assert list(errors) == ["9x9", "17x17", "33x33"]
    for level, values in errors.items():
        assert values["rel_l2"] == pytest.approx(summary_of(run_dir)[f"final/rel_l2/{level}"], rel=1e-4)

    finer = here("evaluate", str(run_dir), "dataset.resolution=49", "dataset.n_train=1", "--json")
    assert list(json.loads(finer.stdout)) == ["9x9", "17x17", "49x49"], finer.stderr

    np.save(tmp_path / "x.npy", np.full((2, 12, 20), 3.0))
    predicted = nolab("predict", str(run_dir), "x.npy")
    assert predicted.returncode == 0, predicted.stderr
    assert np.load(tmp_path / predicted.stdout.strip()).shape == (2, 1, 12, 20)


def test_metrics_have_a_record_per_step_and_evaluation(here, tiny):
    run_dir = run_dir_of(here("train", *tiny()))
    records = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if "train/loss" in r] == [1, 2, 3, 4]
    assert [r["step"] for r in records if "eval/rel_l2" in r] == [2, 4]
    assert records[-1]["cost/train_s"] >= records[0]["cost/train_s"] > 0


def test_summary_has_every_name(here, tiny):
    summary = summary_of(run_dir_of(here("train", *tiny("budget.target_error=0.9"))))
    names = {f"cost/{b}_s" for b in ("train", "eval", "log", "warmup")}
    names |= {"cost/steps", "cost/fine_equivalents", "cost/flops", "cost/peak_mem_gib", "cost/energy_j"}
    names |= {"cost/saved_gib", "precision/skipped_steps"}
    names |= {
        "final/rel_l2",
        "best/rel_l2",
        "final/h1",
        "final/mse",
        "final/r2",
        "target/rel_l2",
        "target/train_s",
    }
    for level in ("9x9", "17x17"):
        names |= {f"final/rel_l2/{level}", f"cost/samples/{level}", f"points/neval/{level}"}
        names |= {f"mlmc/C/{level}", f"mlmc/n/{level}"}
    assert set(summary) == names
    # The target is reached at the first evaluation, after 2 of the 4 steps: nested, delta 2, 2 fine samples.
    assert summary["cost/steps"] == 2
    assert summary["cost/samples/9x9"] == 8
    assert summary["cost/samples/17x17"] == 4
    assert 0 < summary["target/train_s"] <= summary["cost/train_s"]
    assert summary["cost/flops"] > 0
    ratio = summary["mlmc/C/9x9"] / summary["mlmc/C/17x17"]
    assert summary["cost/fine_equivalents"] == pytest.approx(4 + 8 * ratio)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_write_a_checkpoint_and_exit_cleanly(here, tiny, tmp_path, number):
    command = [sys.executable, "-m", "nolab", "train", *tiny("budget.steps=1000000", "evaluation.times=1000")]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        run_dir = None
        for line in process.stderr:
            if line.startswith("run directory: "):
                run_dir = Path(line.split(": ", 1)[1].strip())
            if line.startswith("step "):
                break
        time.sleep(0.2)
        process.send_signal(number)
        stderr = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert f"{number.name} at step" in stderr
    assert f"nolab train resume={run_dir}" in stderr
    assert "Traceback" not in stderr
    assert (run_dir / "checkpoints" / "last.pt").is_file()
    assert not (run_dir / "summary.json").exists()  # unfinished
    shorter = ("train", f"resume={run_dir}", "budget.steps=null", "budget.seconds=0.001")
    resumed = here(*shorter)  # the seconds are over already: what is left is the summary
    assert resumed.returncode == 0, resumed.stderr
    assert (run_dir / "summary.json").is_file()
    again = here(*shorter)
    assert again.returncode == 2
    assert "finished" in again.stderr


def test_generate_prints_the_store_and_reuses_it(here, tiny, tmp_path):
    arguments = (*tiny("dataset.n_train=5"), f"data_dir={tmp_path / 'stores'}")
    first, second = here("generate", *arguments), here("generate", *arguments)
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert Path(first.stdout.strip()).suffix == ".h5"
    assert "samples" in first.stderr
    assert "samples" not in second.stderr


def test_help_teaches(nolab):
    assert "nolab train -m delta=1,2,4" in nolab("--help").stdout
    train_help = nolab("train", "--help").stdout
    assert f"sampling: {', '.join(names('nolab.estimators'))}" in train_help
    assert "nolab train -m delta=1,2,4,8 neval=64,256 seed=0,1,2" in train_help
    assert "delta: 2" in train_help


def test_a_sweep_shows_no_config(nolab):
    done = nolab("train", "-m", "--cfg", "job", "delta=2,4")
    assert done.returncode == 2
    assert "leave -m out" in done.stderr


def test_cfg_job_prints_the_config_and_runs_nothing(nolab, tmp_path):
    done = nolab("train", "--cfg", "job", "delta=4")
    assert done.returncode == 0
    assert "delta: 4" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_info(here):
    choices = here("info").stdout
    assert "sampling" in choices
    assert "darcy" in choices
    described = here("info", "model=tfno", "delta=4")
    assert described.returncode == 0, described.stderr
    assert "level consistency" in described.stdout
    assert "64" in described.stdout  # samples at the coarsest of three levels: 4 · 4²


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nolab tr", "train"),
        ("nolab ", "train generate evaluate predict info"),
        ("nolab train samp", "sampling="),
        ("nolab train sampling=m", "sampling=mixed sampling=mlmc"),
        ("nolab train budget.st", "budget.steps="),
    ],
)
def test_tab_completion(nolab, line, expected):
    done = nolab("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert done.returncode == 0, done.stderr
    assert set(expected.split()) <= set(done.stdout.split())


def test_a_users_own_model_and_data_plug_in(nolab, here, tiny, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        """
import numpy as np
import torch
from nolab.data.arrays import ArraySource
from nolab.grid import Domain


class Affine(torch.nn.Module):
    def __init__(self, spec, slope):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(slope))

    def forward(self, batch):
        return batch.select(self.weight * batch.input)


def waves(samples):
    def fields(n):
        x = np.linspace(0, 1, 17)
        phase = np.random.default_rng(n).uniform(size=(n, 1, 1))
        field = np.sin(2 * np.pi * (x + phase)).astype(np.float32)
        return {(17,): (field, 2 * field)}
    return ArraySource(Domain.unit(1), {"train": fields(samples), "test": fields(5)})
"""
    )
    for group, text in {
        "model": "_target_: mine.Affine\nslope: 0.5\n",
        "dataset": "_target_: mine.waves\nsamples: 12\n",
    }.items():
        (tmp_path / "my" / group).mkdir(parents=True)
        (tmp_path / "my" / group / "mine.yaml").write_text(text)
    keep = [o for o in tiny("neval=5") if not o.startswith(("model.", "dataset."))]
    done = nolab("train", "--config-dir", "my", "model=mine", "dataset=mine", *keep, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    run_dir = done.stdout.splitlines()[-1]
    refused = here("evaluate", run_dir)
    assert refused.returncode == 2
    assert "mine.Affine" in refused.stderr
    assert "mine" not in sys.modules
    monkeypatch.syspath_prepend(tmp_path)
    trusted = here("evaluate", run_dir, "--trust", "--json")
    assert trusted.returncode == 0, trusted.stderr
    assert list(json.loads(trusted.stdout)) == ["9", "17"]
    del sys.modules["mine"]
