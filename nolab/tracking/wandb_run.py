"""A run on Weights & Biases: the calls of its library, which may fail, hang or take long."""

import os
from pathlib import Path
from typing import Any

from nolab.tracking.run_directory import METRICS, finite
from nolab.tracking.run_files import read_records
from nolab.tracking.sinks import Record
from nolab.tracking.wandb_login import logged_in

_START_SECONDS = 30
_FINISH_SECONDS = 45  # less than the sink waits, so that W&B ends in order where it still answers


class WandbRun:
    """The figures of a run directory on W&B: online when logged in, offline otherwise, no prompt.

    W&B's step is the optimizer step. A resumed run has the records of `metrics.jsonl` (which
    :class:`FileSink` cuts off at the checkpoint) as its past: what W&B lacks of them is sent again, and
    steps that it has are not repeated. So an offline run, for which W&B knows no past, is whole in the
    folder of its last part.

    Parameters
    ----------
    options : project, entity and group.
    """

    def __init__(self, run_dir: Path, config: dict[str, Any], **options: str | None) -> None:
        self._run = _start(run_dir, config, **options)
        self._first = self._run.starting_step  # the first step that W&B does not have
        for _, record in read_records(run_dir / METRICS):
            self.log(record)

    def log(self, record: Record) -> None:
        """Send a record; those of one step make one row."""
        if record["step"] >= self._first:
            known = {name: value for name, value in finite(record).items() if value is not None}
            self._run.log(known, step=record["step"])

    def image(self, name: str, path: Path) -> None:
        """Put a picture into the last record's row."""
        import wandb

        self._run.log({name: wandb.Image(str(path))}, commit=False)

    def finish(self, summary: Record | None) -> Path | None:
        """End the run, None where it failed; the folder that is still to be synchronised, None if W&B has it all."""
        if summary is not None:
            self._run.log({}, commit=True)  # ends the open row, whose figures would replace the summary's
            self._run.summary.update(finite(summary))
        self._run.finish(exit_code=1 if summary is None else 0)
        return Path(self._run.dir).parent if self._run.offline else None


def _start(run_dir: Path, config: dict[str, Any], project: str, entity: str | None, group: str | None) -> Any:
    import wandb

    would_prompt = os.environ.get("WANDB_MODE") != "disabled" and not logged_in()
    run = wandb.init(
        dir=str(run_dir),
        project=project,
        entity=entity,
        group=group,
        job_type="train",
        id=run_dir.name,
        name=run_dir.name,
        resume="allow",
        config=config,
        mode="offline" if would_prompt else None,  # None: as the user's own settings say
        settings=wandb.Settings(
            console="off",
            silent=True,
            init_timeout=_START_SECONDS,
            finish_timeout=_FINISH_SECONDS,
            finish_timeout_raises=True,
            reinit="create_new",  # a run that the user has open is not ours to write to
        ),
    )
    for pattern in ("train/*", "eval/*", "points/*"):
        run.define_metric(pattern, step_metric="cost/train_s")
    return run
