"""Where figures go: local files always, W&B when asked."""

import json
import logging
import os
import shlex
from pathlib import Path
from typing import Any, Protocol

from nolab.tracking.run_directory import METRICS, SUMMARY, finite, write_json, write_text
from nolab.tracking.run_files import read_records
from nolab.tracking.wandb_login import logged_in

log = logging.getLogger(__name__)

Record = dict[str, Any]


class Sink(Protocol):
    """Receives a run's figures under the names of the summary."""

    def log(self, record: Record) -> None:
        """One record of figures; it holds ``step`` and ``cost/train_s``."""

    def image(self, name: str, path: Path) -> None:
        """A figure as a picture."""

    def finish(self, summary: Record | None) -> None:
        """End of the run; None when it did not finish."""


class FileSink:
    """`metrics.jsonl`, a line per record, and `summary.json`, written last and atomically."""

    def __init__(self, run_dir: Path, from_step: int = 0) -> None:
        self._run_dir = run_dir
        path = run_dir / METRICS
        if path.exists():
            _drop_records_after(path, from_step)
        self._file = path.open("a", encoding="utf-8")

    def log(self, record: Record) -> None:
        self._file.write(json.dumps(finite(record)) + "\n")
        self._file.flush()

    def image(self, name: str, path: Path) -> None:
        """Pictures are in the run directory already."""

    def finish(self, summary: Record | None) -> None:
        self._file.close()
        if summary is not None:
            write_json(self._run_dir / SUMMARY, summary)


def _drop_records_after(path: Path, step: int) -> None:
    """A resumed run repeats the steps after its checkpoint; their first records go."""
    kept = []
    for line, record in read_records(path):
        if isinstance(at := record.get("step", 0), int | float) and at <= step:
            kept.append(line)
    write_text(path, "".join(line + "\n" for line in kept))


class WandbSink:
    """The same figures on Weights & Biases: online when logged in, offline otherwise, no prompt.

    W&B's step is the optimizer step. A resumed run has the records of `metrics.jsonl` (which
    :class:`FileSink` cuts off at the checkpoint) as its past: what W&B lacks of them is sent again, and
    steps that it has are not repeated. So an offline run, for which W&B knows no past, is whole in the
    folder of its last part. Failures never reach the run: the sink warns once and goes quiet.
    """

    def __init__(
        self, run_dir: Path, config: dict[str, Any], *, project: str, entity: str | None, group: str | None
    ) -> None:
        self._run: Any = None
        try:
            self._run = _start(run_dir, config, project, entity, group)
            self._first = self._run.starting_step  # the first step that W&B does not have
            past = run_dir / METRICS
            for _, record in read_records(past):
                self.log(record)
        except Exception as error:
            self._give_up(error)

    def log(self, record: Record) -> None:
        if self._run is None or record["step"] < self._first:
            return
        try:
            known = {name: value for name, value in finite(record).items() if value is not None}
            self._run.log(known, step=record["step"])  # records of one step make one row
        except Exception as error:
            self._give_up(error)

    def image(self, name: str, path: Path) -> None:
        if self._run is not None:
            try:
                import wandb

                self._run.log({name: wandb.Image(str(path))}, commit=False)  # into the last record's row
            except Exception as error:
                self._give_up(error)

    def finish(self, summary: Record | None) -> None:
        run, finished = self._run, summary is not None
        if run is None:
            return
        try:
            if finished:
                run.log({}, commit=True)  # ends the open row, whose figures would replace the summary's
                run.summary.update(finite(summary))
            run.finish(exit_code=0 if finished else 1)
            if run.offline:
                log.info("W&B offline: wandb sync %s", shlex.quote(str(Path(run.dir).parent)))
            self._run = None
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        reason = " ".join(str(error).split()) or type(error).__name__
        log.warning("W&B is off for the rest of this run (%s); the files are complete", reason)
        self._run = None


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
            init_timeout=30,
            finish_timeout=60,
            finish_timeout_raises=True,
            reinit="create_new",  # a run that the user has open is not ours to write to
        ),
    )
    for pattern in ("train/*", "eval/*", "points/*"):
        run.define_metric(pattern, step_metric="cost/train_s")
    return run
