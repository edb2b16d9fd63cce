"""Where figures go: local files always, W&B when asked."""

import json
import logging
import netrc
import os
from pathlib import Path
from typing import Any, Protocol

from nolab.tracking.run_directory import METRICS, SUMMARY, finite, write_json, write_text

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
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:  # the line that a kill cut off
            continue
        if record.get("step", 0) <= step:
            kept.append(line)
    write_text(path, "".join(line + "\n" for line in kept))


class WandbSink:
    """The same figures on Weights & Biases: online when logged in, offline otherwise, no prompt.

    Its failures never reach the run: the sink warns once and goes quiet.
    """

    def __init__(
        self, run_dir: Path, config: dict[str, Any], *, project: str, entity: str | None, group: str | None
    ) -> None:
        self._run: Any = None
        try:
            self._run = _start(run_dir, config, project, entity, group)
        except Exception as error:
            self._give_up(error)

    def log(self, record: Record) -> None:
        if self._run is not None:
            try:
                self._run.log(finite(record))
            except Exception as error:
                self._give_up(error)

    def image(self, name: str, path: Path) -> None:
        if self._run is not None:
            try:
                import wandb

                self._run.log({name: wandb.Image(str(path))})
            except Exception as error:
                self._give_up(error)

    def finish(self, summary: Record | None) -> None:
        if self._run is None:
            return
        try:
            self._run.summary.update(finite(summary or {}))
            self._run.finish(exit_code=0 if summary is not None else 1)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.warning("W&B is off for the rest of this run (%s); the files are complete", error)
        self._run = None


def _start(run_dir: Path, config: dict[str, Any], project: str, entity: str | None, group: str | None) -> Any:
    import wandb

    mode = os.environ.get("WANDB_MODE") or ("online" if _logged_in() else "offline")
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
        mode=mode,
        settings=wandb.Settings(console="off", silent=True, init_timeout=30),
    )
    for pattern in ("train/*", "eval/*", "best/*"):
        run.define_metric(pattern, step_metric="cost/train_s")
    return run


def _logged_in() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False
