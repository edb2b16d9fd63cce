"""What the measuring scripts share: where they write, how they time."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.moments import Moments
from nolab.runs import Run
from nolab.tracking.environment import environment
from nolab.training.costs import timed
from nolab.training.gradient import GradientEngine
from nolab.training.optimizer import build_optimizer
from nolab.training.probing import gradient_moments
from nolab.training.setup import Setup, prepare

CPU = torch.device("cpu")
RESULTS = Path(__file__).parent / "results"


def write_result(name: str, result: dict[str, Any], device: torch.device = CPU) -> Path:
    """``results/<name>.json``: the figures with the machine, versions and command that gave them."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    kept = ("command", "python", "platform", "device", "threads", "packages", "started")
    machine = {key: value for key, value in environment(device).items() if key in kept}
    machine["command"] = [Path(part).name if part.endswith(".py") else part for part in machine["command"]]
    path.write_text(json.dumps({"environment": machine, **result}, indent=2) + "\n")
    return path


def finished_runs(folder: Path) -> list[Run]:
    """The finished runs in a folder, oldest first; at least one."""
    runs = [nolab.load_run(path.parent) for path in sorted(folder.glob("*/summary.json"))]
    if not runs:
        raise SystemExit(f"{folder} holds no finished run")
    return runs


def middle(values: list[float | None], form: str = "{:.3g}") -> str:
    """Median, and the range over the seeds, of the values that there are."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ({form.format(min(known))}-{form.format(max(known))})" if len(known) > 1 else ""
    return form.format(median(known)) + spread


def setup_of(*overrides: str) -> Setup:
    """The parts of the run that `nolab train` would start with these overrides."""
    return prepare(validate(OmegaConf.to_container(nolab.compose(list(overrides)), resolve=True)))


def trained(overrides: list[str]) -> tuple[Setup, GradientEngine]:
    """Parts of a run after the training that the overrides say, at the level below the finest."""
    cheap = ["sampling=coarse", "scheduler=constant", "evaluation.times=1", "tracking=none", "name=moments"]
    config = nolab.compose([*cheap, *overrides])
    run = nolab.train(config)
    setup = prepare(validate(OmegaConf.to_container(config, resolve=True)))
    setup.model.load_state_dict(run.state["model"])
    return setup, setup.engine(setup.load(), setup.model)


def trained_moments(overrides: list[str], samples: int) -> Moments:
    """Moments of the first samples' gradients after the training of :func:`trained`."""
    setup, engine = trained(overrides)
    return gradient_moments(engine, setup.model, np.arange(samples), len(setup.hierarchy), 0, 1.0)


class Step:
    """A step of nolab's trainer: every call makes the next one."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.engine = setup.engine(setup.load(), setup.model)
        self.optimizer = build_optimizer(setup.config.optimizer, setup.model)
        self.step = 0

    def __call__(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.engine.accumulate(self.setup.estimator.plan(self.step), self.step)
        self.optimizer.step()
        self.step += 1


def alternate(
    tasks: dict[str, Callable[[], Any]], repeats: int, device: torch.device = CPU
) -> dict[str, list[float]]:
    """Seconds of every task, run in turn `repeats` times after two rounds that warm up.

    Taking turns in one process puts drifts of the machine into every task alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(repeats + 2):
        for name, task in tasks.items():
            elapsed = timed(task, device)
            if round_ >= 2:
                seconds[name].append(elapsed)
    return seconds


def median_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Median of the ratios of paired turns."""
    return median(a / b for a, b in zip(numerator, denominator, strict=True))
