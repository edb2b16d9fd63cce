"""Sweeps in processes of their own, and what is left of them on disk."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

_PROGRAM = """
import sys
from nolab.training import execution
from nolab.cli import main
execution.draw_pictures = lambda *_: None  # half of so short a job
sys.exit(main())
"""
STEPS = 20
LENGTH = (f"budget.steps={STEPS}", "evaluation.times=5", "model.n_layers=1")
"""Overrides of a run that is short, and has some checkpoints."""
MEASURED = ("_s", "cost/fine_equivalents", "cost/peak_mem_gib", "cost/energy_j", "target/train_s")
"""Ends of the names of figures that are measured times and costs; all others repeat bit for bit."""


def start(cwd: Path, arguments: Sequence[str]) -> subprocess.Popen[str]:
    """The command line with these arguments, its output in pipes; its jobs draw no pictures."""
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process that :func:`start` began."""
    try:
        stdout, stderr = process.communicate(timeout=300)
    finally:
        process.kill()
    return process.returncode, stdout, stderr


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    """Look every few milliseconds; fails if the process ends before."""
    while not condition():
        if process.poll() is not None:
            raise AssertionError(f"ended too early: {process.stderr.read()}")
        time.sleep(0.005)


def stopped_in_the_middle(process: subprocess.Popen[str], output_dir: Path, finished: int) -> Path:
    """The run that the process is in when `finished` runs are done; SIGSTOP holds it there."""
    while True:
        wait_until(lambda: len(summaries(output_dir)) >= finished and _in_the_middle(output_dir), process)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
        runs = _in_the_middle(output_dir)
        if len(runs) == 1 and len(steps(runs[0])) < STEPS - 2:
            return runs[0]
        process.send_signal(signal.SIGCONT)
        time.sleep(0.02)


def summaries(output_dir: Path) -> list[Path]:
    """`summary.json` of every finished run."""
    return sorted(output_dir.glob("train/*/summary.json"))


def _in_the_middle(output_dir: Path) -> list[Path]:
    """Unfinished runs that have a checkpoint."""
    checkpoints = output_dir.glob("train/*/checkpoints/last.pt")
    return [file.parents[1] for file in checkpoints if not (file.parents[1] / "summary.json").exists()]


def records(output_dir: Path) -> list[list[dict[str, Any]]]:
    """The jobs' records of every attempt at the one sweep of an output folder, oldest attempt first."""
    attempts = {file.parents[1] for file in output_dir.glob(".sweeps/*/*/jobs/*.json")}
    return [
        sorted((_read(file) for file in attempt.glob("jobs/*.json")), key=lambda record: record["num"])
        for attempt in sorted(attempts, key=lambda folder: folder.stat().st_ctime_ns)
    ]


def states(output_dir: Path) -> list[list[str]]:
    """The jobs' states of every attempt, oldest attempt first."""
    return [[record["state"] for record in attempt] for attempt in records(output_dir)]


def results(output_dir: Path) -> dict[tuple[str, ...], tuple[dict[str, Any], dict[str, Any]]]:
    """By estimator, δ and seed: every figure of a finished run that is no measured cost, and its weights."""
    found = {}
    for summary in summaries(output_dir):
        run = summary.parent
        overrides = _read(run / "environment.json")["overrides"]
        job = tuple(sorted(o for o in overrides if o.startswith(("sampling=", "delta=", "seed="))))
        assert job not in found, "a job ran twice"
        figures = {
            name: value
            for name, value in _read(summary).items()
            if not name.endswith(MEASURED) and not name.startswith("mlmc/C/")
        }
        found[job] = figures, torch.load(run / "checkpoints" / "last.pt", weights_only=True)["model"]
    return found


def steps(run: Path) -> list[int]:
    """Steps of a run's training records, in order."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [record["step"] for record in lines if "train/loss" in record]


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))
