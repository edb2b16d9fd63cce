"""The state of a run, from which it goes on: taken from a trainer, and given back to one if it fits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nolab.costs import BatchCosts
from nolab.errors import InputError, first_line
from nolab.saved import number, tensor_like, whole
from nolab.training.clock import Clock
from nolab.training.optimizer import load_optimizer
from nolab.training.setup import Setup
from nolab.training.spec import spec

if TYPE_CHECKING:
    from nolab.training.trainer import Trainer


@dataclass
class Progress:
    """Where a run stands; everything here is in its checkpoints."""

    step: int = 0
    samples: list[int] = field(default_factory=list)
    """Samples evaluated so far at each level."""
    best: float = float("inf")
    """Lowest relative L2 at the finest level."""
    target_seconds: float | None = None
    """Training seconds at which the target error was first reached."""
    energy: float = 0.0
    """Joules used before the last resume."""
    errors: dict[str, float] = field(default_factory=dict)
    """Newest relative L2 per level name."""


def state_of(trainer: "Trainer") -> dict[str, Any]:
    """Everything that can't be computed again, in tensors and plain values."""
    progress = trainer.progress
    joules = trainer.energy.joules()
    return {
        "step": progress.step,
        "samples": list(progress.samples),
        "best": progress.best,
        "target_seconds": progress.target_seconds,
        "energy": progress.energy + (joules or 0.0),
        "errors": dict(progress.errors),
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "ema": None if trainer.ema is None else trainer.ema.state_dict(),
        "clock": trainer.clock.state_dict(),
        "points": trainer.setup.points.state_dict(),
        "estimator": trainer.setup.estimator.state_dict(),
        "slots": None if trainer.engine.slots is None else trainer.engine.slots.state_dict(),
        "batch_costs": None if trainer.batch_costs is None else trainer.batch_costs.state_dict(),
        "rng": _rng_state(trainer.setup.device),
        "spec": spec(trainer.setup, trainer.data.normalizers),
    }


def restore(trainer: "Trainer", state: dict[str, Any]) -> None:
    """Go on from a state, whoever wrote it: all that later steps rely on is checked here.

    Raises
    ------
    InputError : naming the part that does not fit the run.
    """
    setup, folder = trainer.setup, trainer.checkpoints
    trainer.progress, clock = standing(setup, state, folder)
    trainer.clock.load_state_dict(clock.state_dict())
    with _part("model", folder):
        own = trainer.model.state_dict()
        for name, tensor in own.items():
            if isinstance(tensor, Tensor):
                tensor_like(state["model"][name], tensor, name)
        trainer.model.load_state_dict(state["model"])
    with _part("optimizer", folder):
        load_optimizer(trainer.optimizer, state["optimizer"])
    with _part("scaler", folder):
        _load_scaler(trainer.scaler, state["scaler"])
    for name, part in (("ema", trainer.ema), ("slots", trainer.engine.slots)):
        with _part(name, folder):
            if (part is None) != (state[name] is None):
                raise ValueError("the run keeps none" if part is None else "the run keeps one")
            if part is not None:
                part.load_state_dict(state[name])
    with _part("points", folder):
        setup.points.load_state_dict(state["points"])
    with _part("estimator", folder):
        setup.estimator.load_state_dict(state["estimator"])
    with _part("batch_costs", folder):
        if state["batch_costs"] is not None:
            trainer.batch_costs = BatchCosts.from_state(state["batch_costs"], len(setup.hierarchy))
    with _part("rng", folder):
        _set_rng_state(state["rng"], setup.device)


def standing(setup: Setup, state: dict[str, Any], where: Path) -> tuple[Progress, Clock]:
    """Where a state stands in its run.

    Parameters
    ----------
    where : names the state in messages.

    Raises
    ------
    InputError : it is not one of a run with these levels.
    """
    names = [level.name for level in setup.hierarchy.levels]
    progress, clock = Progress(), Clock(setup.device)
    with _part("step", where):
        progress.step = whole(state["step"], "step")
    with _part("samples", where):
        if not isinstance(state["samples"], list) or len(state["samples"]) != len(names):
            raise ValueError(f"expected a list of {len(names)} numbers")
        progress.samples = [
            whole(n, f"samples at {name}") for n, name in zip(state["samples"], names, strict=True)
        ]
    with _part("best", where):
        progress.best = _error(state["best"])
    with _part("target_seconds", where):
        if state["target_seconds"] is not None:
            progress.target_seconds = number(state["target_seconds"], "target_seconds")
    with _part("energy", where):
        progress.energy = number(state["energy"], "energy")
    with _part("errors", where):
        if unknown := set(state["errors"]) - set(names):
            raise ValueError(f"no level of the run: {unknown!s:.40}")
        progress.errors = {name: _error(error, nan=True) for name, error in state["errors"].items()}
    with _part("clock", where):
        clock.load_state_dict(state["clock"])
    return progress, clock


@contextmanager
def _part(name: str, where: Path) -> Iterator[None]:
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: the checkpoint's {name} does not fit the run's config ({first_line(error)}); bring back the "
            "config or the checkpoint as it was, or train anew"
        ) from error


def _error(value: Any, *, nan: bool = False) -> float:
    """An error as it was measured, which may be infinite, or no number where the model had gone astray."""
    if type(value) is not float or value < 0 or (isnan(value) and not nan):
        raise ValueError(f"{value!r:.40} is no error")
    return value


def _load_scaler(scaler: torch.amp.GradScaler, state: dict[str, Any]) -> None:
    """A scaler that is off keeps nothing; of one that is on only scale and tracker change."""
    if not scaler.is_enabled():
        return
    own = scaler.state_dict()
    scale, tracker = number(state["scale"], "scale"), whole(state["_growth_tracker"], "_growth_tracker")
    if scale == 0:
        raise ValueError("the scale is 0")
    scaler.load_state_dict({**own, "scale": scale, "_growth_tracker": tracker})


def _rng_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_rng_state(state: dict[str, Tensor], device: torch.device) -> None:
    # PyTorch looks at the size and the values of a state, not at whether it is dense and in memory.
    torch.set_rng_state(tensor_like(state["cpu"], torch.get_rng_state(), "cpu"))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(tensor_like(state["cuda"], torch.cuda.get_rng_state(device), "cuda"), device)
