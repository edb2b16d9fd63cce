"""What a run tells of itself on its way: costs under the names of the summary, and where it stands."""

from typing import TYPE_CHECKING

from nolab.metrics.resources import peak_memory_gib
from nolab.tracking.progress import Status
from nolab.tracking.sinks import Record
from nolab.training.optimizer import steps_taken

if TYPE_CHECKING:
    from nolab.training.trainer import Trainer


def figures_of(trainer: "Trainer") -> Record:
    """Costs so far; of several processes' run all have to ask."""
    clock, samples, costs, step = (
        trainer.clock,
        trainer.progress.samples,
        trainer.costs,
        trainer.progress.step,
    )
    names = _level_names(trainer)
    joules, peak_memory = _of_all_devices(trainer)
    neval = trainer.setup.points.counts(trainer.share)
    known = {**trainer.setup.estimator.figures(), "C": costs.seconds}
    return {
        **{f"cost/{bucket}_s": clock.seconds(bucket) for bucket in ("train", "eval", "log", "warmup")},
        "cost/steps": step,
        **{f"cost/samples/{name}": n for name, n in zip(names, samples, strict=True)},
        **{f"points/neval/{name}": n for name, n in zip(names, neval, strict=True)},
        "precision/skipped_steps": step - steps_taken(trainer.optimizer),
        "cost/fine_equivalents": costs.fine_equivalents(samples),
        "cost/flops": costs.total_flops(samples),
        "cost/peak_mem_gib": peak_memory,
        "cost/saved_gib": max(costs.saved_bytes) / 2**30,
        **{
            f"mlmc/{figure}/{name}": value
            for figure, values in known.items()
            for name, value in zip(names, values, strict=True)
        },
        "cost/energy_j": None if joules is None else trainer.progress.energy + joules,
    }


def training_figures(trainer: "Trainer") -> Record:
    """Of the last step."""
    per_level = {f"train/loss/{name}": loss for name, loss in _train_errors(trainer).items()}
    rate = trainer.optimizer.param_groups[0]["lr"]
    return {"train/loss": _train_loss(trainer), **per_level, "train/lr": rate}


def status_of(trainer: "Trainer", share: float) -> Status:
    """What a progress display shows when `share` of the budget is used."""
    seconds = trainer.clock.seconds("train")
    return Status(
        step=trainer.progress.step,
        share=share,
        loss=_train_loss(trainer),
        train_errors=_train_errors(trainer),
        test_errors=trainer.progress.errors,
        samples=dict(zip(_level_names(trainer), trainer.progress.samples, strict=True)),
        train_seconds=seconds,
        seconds_left=seconds * (1 - share) / share if share > 0 else None,
    )


def _of_all_devices(trainer: "Trainer") -> tuple[float | None, float]:
    """Joules since the run began or resumed, of all devices together; peak memory in GiB of the fullest."""
    own = trainer.energy.joules(), peak_memory_gib(trainer.setup.device)
    joules, peaks = zip(*trainer.ranks.gathered(own), strict=True)
    return None if None in joules else sum(joules), max(peaks)


def _train_loss(trainer: "Trainer") -> float:
    """The last step's estimate of the objective."""
    return trainer.losses.weighted.sum().item()


def _train_errors(trainer: "Trainer") -> dict[str, float]:
    """Mean training loss of the last step at each level that it evaluated."""
    names = _level_names(trainer)
    means = trainer.losses.mean.tolist()
    return {names[level]: mean for level, mean in zip(trainer.levels, means, strict=False)}


def _level_names(trainer: "Trainer") -> list[str]:
    return [level.name for level in trainer.setup.hierarchy.levels]
