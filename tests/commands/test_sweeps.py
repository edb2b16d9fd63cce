"""Sweeps that are killed, stopped and given twice, as real processes."""

import json
import re
import signal
from itertools import product
from pathlib import Path

import pytest
import torch
from sweeps_support import (
    LENGTH,
    STEPS,
    end,
    records,
    results,
    start,
    states,
    steps,
    stopped_in_the_middle,
    summaries,
)
from tests_support import tiny_overrides

import nolab

FEW = ("sampling=fine,coarse,mlmc", "seed=0,1")  # 6
MANY = (*FEW, "delta=2,4")  # 12


def same_results(a: Path, b: Path) -> bool:
    """Every result of two output folders is equal, bit for bit."""
    ours, theirs = results(a), results(b)
    assert set(ours) == set(theirs)
    for job, (figures, weights) in ours.items():
        others, other_weights = theirs[job]
        assert figures == others, job
        assert "final/rel_l2" in figures
        assert all(torch.equal(weights[name], other_weights[name]) for name in weights), job
    return True


def whole(data_dir: Path, output_dir: Path, jobs: tuple[str, ...]) -> Path:
    """Output folder of the same jobs as single runs, none of them interrupted."""
    keys_values = (job.split("=") for job in jobs)
    values = ([f"{key}={value}" for value in given.split(",")] for key, given in keys_values)
    for job in product(*values):
        overrides = tiny_overrides(data_dir, output_dir, *job, *LENGTH)
        nolab.train(nolab.compose(overrides), overrides=overrides)
    return output_dir


@pytest.mark.parametrize(
    ("jobs", "total", "killed_after"), [(FEW, 6, 1), pytest.param(MANY, 12, 2, marks=pytest.mark.slow)]
)
def test_a_sweep_that_is_killed_and_stopped_ends_with_the_same_bits(
    data_dir, tmp_path, jobs, total, killed_after
):
    """Killed early, stopped at half, and then let go on to its end."""
    output_dir, half = tmp_path / "cut", total // 2
    command = ["train", "-m", *tiny_overrides(data_dir, output_dir, *jobs, *LENGTH)]

    killed = start(tmp_path, command)
    torn = stopped_in_the_middle(killed, output_dir, finished=killed_after)
    killed.send_signal(signal.SIGKILL)
    end(killed)
    before = {file: file.stat().st_mtime_ns for file in summaries(output_dir)}
    assert killed_after <= len(before) < half

    stopped = start(tmp_path, command)
    stopped_in_the_middle(stopped, output_dir, finished=half)
    stopped.send_signal(signal.SIGINT)
    stopped.send_signal(signal.SIGCONT)
    code, stdout, stderr = end(stopped)
    assert code == 1
    assert "Traceback" not in stderr
    assert "interrupted; the same command goes on" in stderr
    assert stdout.splitlines()[-1].startswith(f"{output_dir}/.sweeps/")
    assert "resuming" in log_of(output_dir, torn)
    first, second = states(output_dir)
    n = len(before)
    assert first == ["finished"] * n + ["running"] + ["waiting"] * (total - 1 - n)
    assert re.fullmatch(f"(skipped ){{{n}}}(finished )+interrupted( waiting)+", " ".join(second))

    code, stdout, stderr = end(start(tmp_path, command))
    assert code == 0, stderr
    done = second.count("finished") + n
    assert states(output_dir)[-1] == ["skipped"] * done + ["finished"] * (total - done)
    assert len(summaries(output_dir)) == len(list((output_dir / "train").glob("2*"))) == total
    assert all(file.stat().st_mtime_ns == time for file, time in before.items())
    assert all(steps(file.parent) == list(range(1, STEPS + 1)) for file in summaries(output_dir))
    assert len({json.loads(f.read_text())["sweep"] for f in output_dir.glob("train/*/environment.json")}) == 1
    assert same_results(output_dir, whole(data_dir, tmp_path / "whole", jobs))


def log_of(output_dir: Path, run: Path) -> str:
    """What the last attempt's job of a run has printed."""
    (job,) = (r for r in records(output_dir)[-1] if r["run"] == str(run.relative_to(output_dir)))
    newest = max(
        output_dir.glob(f".sweeps/*/*/jobs/{job['num']}.log"), key=lambda file: file.stat().st_mtime_ns
    )
    return newest.read_text()


def test_two_processes_share_a_sweep(data_dir, tmp_path):
    output_dir = tmp_path / "outputs"
    command = ["train", "-m", *tiny_overrides(data_dir, output_dir, "seed=0,1", *LENGTH)]
    both = [start(tmp_path, command) for _ in range(2)]
    for code, _, stderr in map(end, both):
        assert code == 0, stderr
    assert len(summaries(output_dir)) == len(list((output_dir / "train").glob("2*"))) == 2
    jobs = list(zip(*states(output_dir), strict=True))
    assert all(sorted(job) in (["elsewhere", "finished"], ["finished", "skipped"]) for job in jobs), jobs
    assert all(steps(file.parent) == list(range(1, STEPS + 1)) for file in summaries(output_dir))
