"""Where in training to look: the weights after some steps of cheap training, or of a run's checkpoint.

The steps are those of `sampling=coarse`, at the level below the finest, by :class:`Trainer` with the config's
optimizer at its peak learning rate. Still coarser levels are cheaper but lead elsewhere: 200 steps at the coarsest of
four made the fine gradient's mean, and the corrections, many times larger than they are on the way of a real run.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nolab.config import BudgetOptions, EvaluationOptions, SchedulerOptions
from nolab.costs import BatchCosts
from nolab.errors import InputError, RunFailure
from nolab.estimators._single import SingleLevel
from nolab.planning.options import PlanOptions
from nolab.runs import Run, load_run
from nolab.tracking.progress import ProgressView
from nolab.training.budget import Budget
from nolab.training.checkpoint import load_checkpoint
from nolab.training.costs import measure_batch_costs
from nolab.training.guard import NonFiniteLoss
from nolab.training.neval import choose_neval
from nolab.training.probing import gradient_gram
from nolab.training.setup import TRAIN, Data, Setup
from nolab.training.step_memory import step_memory
from nolab.training.stopping import stop_on_signals
from nolab.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """The gradients at one point of training.

    name : in words.
    step : optimizer steps until there.
    error : relative L2 on the test set at the finest level.
    gram : (L+1, n, L+1, n), inner products of the samples' corrections.
    """

    name: str
    step: int
    error: float
    gram: np.ndarray


def stages(
    setup: Setup, data: Data, options: PlanOptions, batch_size: int, run: Run | None = None
) -> Iterator[Stage]:
    """The stages after the steps that `options` name, in their order, and then that of `run`.

    The setup's model ends with the last one's weights.

    Raises
    ------
    RunFailure : a loss or a gradient that is not finite.
    """
    cheap = replace(setup, estimator=_cheap(setup, batch_size))
    with TemporaryDirectory(prefix="nolab-plan-") as folder:
        trainer = Trainer(cheap, data, [], Path(folder))
        for step in options.steps:
            if step > 0:
                trainer = _trained(cheap, data, Path(folder), step)
            yield _look(setup, trainer, f"step {step}", step, options.samples)
    if run is not None:
        setup.model.load_state_dict(run.state["model"])
        step = int(run.state["step"])
        trainer = Trainer(cheap, data, [], run.path)
        yield _look(setup, trainer, f"{run.path.name}, step {step}", step, options.samples)


def batch_costs(setup: Setup, data: Data, batch_size: int) -> BatchCosts:
    """Seconds of batches at every level; `batch_size` samples at the finest one are the most that is measured."""
    trainer = Trainer(replace(setup, estimator=_cheap(setup, batch_size)), data, [], Path())
    choose_neval(trainer.engine, trainer.setup.estimator.plan(0))
    n_samples = setup.source.count(TRAIN)
    return measure_batch_costs(trainer.engine, setup.model, batch_size, n_samples, len(setup.hierarchy))


def _cheap(setup: Setup, batch_size: int) -> SingleLevel:
    n_levels = len(setup.hierarchy)
    return SingleLevel(n_levels - 2, batch_size, setup.source.count(TRAIN), n_levels, setup.config.seed)


def _trained(setup: Setup, data: Data, folder: Path, step: int) -> Trainer:
    """A trainer that has gone on to `step` from where the last one in `folder` stopped."""
    config = replace(
        setup.config,
        budget=BudgetOptions(steps=step),
        scheduler=SchedulerOptions("constant"),
        evaluation=EvaluationOptions(times=1, checkpoint_seconds=float("inf")),
    )
    last = folder / "last.pt"  # written by the evaluation at the end of the steps
    state = load_checkpoint(last) if last.is_file() else None
    trainer = Trainer(replace(setup, config=config), data, [], folder, state)
    log.info("training to step %d at %s", step, setup.hierarchy.levels[-2].name)
    try:
        with step_memory(trainer), stop_on_signals() as stop, ProgressView() as view:
            trainer.fit(stop, view)
    except NonFiniteLoss as error:
        # The trainer's own message also names the saved state, which goes with the folder.
        raise RunFailure(str(error.__context__)) from None
    return trainer


def _look(setup: Setup, trainer: Trainer, name: str, step: int, n_samples: int) -> Stage:
    log.info("%s: gradients of %d samples at %d levels", name, n_samples, len(setup.hierarchy))
    rng = np.random.default_rng([setup.config.seed, 3])
    indices = np.sort(rng.choice(setup.source.count(TRAIN), n_samples, replace=False))
    share = _share(setup, step)
    gram = gradient_gram(trainer.engine, setup.model, indices, len(setup.hierarchy), step, share)
    if not np.isfinite(gram).all():
        raise RunFailure(
            f"{name}: gradients that are not finite; lower optimizer.lr, look at the data, or try precision=fp32"
        )
    errors = trainer.evaluate_levels(finer=False, measures=("rel_l2",))
    return Stage(name, step, errors[setup.hierarchy.finest.name]["rel_l2"], gram)


def _share(setup: Setup, step: int) -> float:
    """Of the run's budget, for schedules of precision and N_eval; a budget of seconds does not count steps."""
    return Budget.of(setup.config.budget, setup.estimator.steps_per_epoch).progress(step, 0.0)


def matching_run(path: str, setup: Setup) -> Run:
    """The run in a directory, whose last checkpoint has the setup's model.

    Raises
    ------
    InputError : it can't be read, or its model or domain is another.
    """
    run = load_run(path, device=setup.config.device)
    weights = setup.model.state_dict()
    theirs = run.state["model"]
    other = [key for key, value in weights.items() if key not in theirs or theirs[key].shape != value.shape]
    extra = [key for key in theirs if key not in weights]
    if other or extra:
        raise InputError(f"plan.run: {path} has another model than this config ({(other + extra)[0]})")
    if run.domain != setup.hierarchy.domain:
        raise InputError(f"plan.run: {path} was trained on another domain than this config's data")
    return run
