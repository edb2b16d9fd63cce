"""What resuming a run depends on: that something is left to do, and that a failed write says how to go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nolab.errors import InputError, RunFailure
from nolab.tracking import run_directory as folder
from nolab.training.budget import Budget
from nolab.training.checkpoint import Found, newest_checkpoint
from nolab.training.setup import Setup
from nolab.training.state import standing


def refuse_finished(path: Path, setup: Setup, found: Found | None) -> None:
    """A run with a summary goes on only from a checkpoint, and only if its budget leaves something to do.

    Raises
    ------
    InputError : there is no checkpoint, or nothing left to do.
    """
    if not (path / folder.SUMMARY).is_file():  # it may have ended between its last step and its summary
        return
    if found is None:
        raise InputError(f"resume: {path} is finished, and its checkpoints are gone; train anew")
    progress, clock = standing(setup, found.state, found.path)
    budget = Budget.of(setup.config.budget, setup.estimator.steps_per_epoch)
    unreached = progress.target_seconds is None
    if not (unreached and budget.progress(progress.step, clock.seconds("train")) < 1.0):
        raise InputError(
            f"resume: {path} is finished at step {progress.step}; to train on, raise its budget, "
            f"e.g. budget.steps={2 * progress.step}"
        )


@contextmanager
def way_out_of_failed_writes(run_dir: Path) -> Iterator[None]:
    """A full disk ends the run with what is left of it, and how to go on.

    Raises
    ------
    RunFailure : in place of a NotWritten.
    """
    try:
        yield
    except folder.NotWritten as error:
        if not (run_dir / folder.CONFIG).is_file():
            raise RunFailure(f"{error}; nothing has been trained. Free some space and start anew") from error
        found = newest_checkpoint(run_dir / folder.CHECKPOINTS)
        left = (
            "there is no checkpoint yet"
            if found is None
            else f"the checkpoint of step {found.state['step']} is whole ({found.path.name})"
        )
        raise RunFailure(f"{error}; {left}. Free some space, then: nolab train resume={run_dir}") from error
