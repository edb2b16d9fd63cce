"""A run carried out: the trainer between its sinks, then the summary and the pictures."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from nolab.config import RunConfig
from nolab.device import deterministic_kernels
from nolab.runs import Run
from nolab.tracking import run_directory as folder
from nolab.tracking.progress import View
from nolab.tracking.sinks import FileSink, Record, Sink
from nolab.tracking.wandb_sink import WandbSink
from nolab.training.accounts import figures_of, status_of
from nolab.training.evaluation import MEASURES, measures_on
from nolab.training.memory import OutOfMemory
from nolab.training.pictures import draw_pictures
from nolab.training.setup import Data, Setup
from nolab.training.step_memory import step_memory
from nolab.training.stopping import stop_on_signals
from nolab.training.trainer import Interrupted, Trainer

log = logging.getLogger(__name__)


def carry_out(
    run_dir: Path,
    setup: Setup,
    data: Data,
    plain: dict[str, Any],
    sweep: str | None,
    view: View,
    state: dict[str, Any] | None = None,
) -> Run:
    """Train, evaluate and finish a run in its directory, which is held already.

    Parameters
    ----------
    plain : the resolved config, for W&B.
    sweep : id of the sweep that the run belongs to.
    state : a checkpoint to go on from.

    Raises
    ------
    InputError : the checkpoint does not fit the run.
    RunFailure : see :func:`nolab.train`.
    """
    log.info("run directory: %s", run_dir)
    first, sinks = setup.ranks.is_first, list[Sink]()
    with closing(data.batcher), _kept(run_dir):
        # It refuses a state that does not fit, before the sinks cut off what came after it.
        trainer = Trainer(setup, data, sinks, run_dir / folder.CHECKPOINTS, state)
        if not first:  # whose process shows, tells and writes
            _fit(trainer, run_dir, None)
            _summarise(trainer)
        else:
            with _sinks(run_dir, setup.config, plain, sweep, trainer.progress.step) as opened:
                sinks += opened
                (run_dir / folder.SUMMARY).unlink(missing_ok=True)  # finished, and trains on: unfinished
                _fit(trainer, run_dir, view)
                _finish(trainer, run_dir, _summarise(trainer))
    setup.ranks.wait()  # for the first one's files
    return Run(run_dir)


def _fit(trainer: Trainer, run_dir: Path, view: View | None) -> None:
    try:
        with deterministic_kernels(), step_memory(trainer), stop_on_signals() as stop, view or nullcontext():
            trainer.fit(stop, view)
            if view is not None:
                view.show(status_of(trainer, 1.0), force=True)
    except Interrupted as error:
        raise Interrupted(f"{error}; to go on: nolab train resume={run_dir}") from None


def _finish(trainer: Trainer, run_dir: Path, summary: Record) -> None:
    with folder.reported(run_dir / folder.PLOTS):
        draw_pictures(run_dir, trainer, trainer.sinks)
    for sink in trainer.sinks:
        sink.finish(summary)


@contextmanager
def _kept(run_dir: Path) -> Iterator[None]:
    """Say that a run without memory can go on, where there is a checkpoint: its config stays, the device may change."""
    try:
        yield
    except OutOfMemory as error:
        if not (run_dir / folder.CHECKPOINTS / "last.pt").is_file():
            raise
        raise OutOfMemory(
            f"{error}. Its last checkpoint is kept; to go on where there is more memory: "
            f"nolab train resume={run_dir} device=…"
        ) from None


@contextmanager
def _sinks(
    run_dir: Path, config: RunConfig, plain: dict[str, Any], sweep: str | None, from_step: int
) -> Iterator[list[Sink]]:
    """The run's sinks; when the block fails they are told that the run did not finish."""
    sinks: list[Sink] = [FileSink(run_dir, from_step)]
    tracking = config.tracking
    if tracking.sink == "wandb":
        sinks.append(
            WandbSink(
                run_dir,
                plain,
                project=tracking.project,
                entity=tracking.entity,
                group=tracking.group or sweep,
            )
        )
    try:
        yield sinks
    except BaseException:
        for sink in sinks:
            sink.finish(None)
        raise


def _summarise(trainer: Trainer) -> Record:
    with trainer.clock.running("eval"):
        levels = trainer.evaluate_levels(finer=True, measures=measures_on(trainer.setup.hierarchy.domain))
        names = trainer.setup.source.output_names
        channels = trainer.channel_errors() if len(names) > 1 else []
    final = levels[trainer.setup.hierarchy.finest.name]
    record = {
        **{f"final/{name}": final.get(name) for name in MEASURES},
        **{f"final/rel_l2/{level}": values["rel_l2"] for level, values in levels.items()},
        **{f"final/rel_l2_of/{name}": error for name, error in zip(names, channels, strict=False)},
        "best/rel_l2": min(trainer.progress.best, final["rel_l2"]),
        "target/rel_l2": trainer.setup.config.budget.target_error,
        "target/train_s": trainer.progress.target_seconds,
        **figures_of(trainer),
    }
    for level, samples in zip(trainer.setup.hierarchy.levels, trainer.progress.samples, strict=True):
        record[f"mlmc/n/{level.name}"] = samples / max(1, trainer.progress.step)
    return record
