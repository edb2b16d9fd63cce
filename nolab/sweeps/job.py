"""One job of a sweep, in whatever process a launcher runs it."""

import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from nolab import processes
from nolab.errors import InputError, first_line
from nolab.explain import explained
from nolab.sweeps.attempt import Attempt, JobRecord, State
from nolab.sweeps.claims import HeldElsewhere
from nolab.tracking.progress import Status

_SECONDS_BETWEEN_RECORDS = 1.0


class Job:
    """The running job's side of its record; shows a run's progress there (a ``ProgressView``)."""

    def __init__(self, attempt: Attempt, num: int, overrides: list[str]) -> None:
        self._attempt = attempt
        self._began = self._written = time.monotonic()
        self.record = JobRecord(num, overrides, "running")
        self.sweep = attempt.sweep_id()
        self._write()

    @property
    def overrides(self) -> list[str]:
        """What tells this job from the default config."""
        return self.record.overrides

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close: the record stays."""

    def show(self, status: Status, *, force: bool = False) -> None:
        """Put a run's progress into the record, at most once a second unless forced."""
        if not force and time.monotonic() - self._written < _SECONDS_BETWEEN_RECORDS:
            return
        self.record.share, self.record.seconds_left = status.share, status.seconds_left
        self._write()

    def uses(self, run_dir: Path) -> None:
        """Record the job's run directory."""
        self.record.run = os.path.relpath(run_dir, self._attempt.output_dir)
        self._write()

    def end(self, state: State, summary: dict[str, Any] | None = None) -> None:
        """Record how the job ended; a run directory that it left empty is gone by now."""
        if self.record.run and not (self._attempt.output_dir / self.record.run).is_dir():
            self.record.run = None
        self.record.state = state
        self.record.seconds_left = None
        figures = ("final/rel_l2", "cost/train_s")
        self.record.figures = {name: summary.get(name) for name in figures} if summary else {}
        self._write()

    def fail(self, error: BaseException) -> None:
        """Record a failure by its first line."""
        self.record.error = first_line(error)
        self.record.bad_input = isinstance(error, InputError)
        self.end("failed")

    def _write(self) -> None:
        if processes.rank() > 0:  # the first of the job's processes speaks for it
            return
        self._written = time.monotonic()
        self.record.wall_seconds = self._written - self._began
        self._attempt.write(self.record)


@dataclass(frozen=True)
class SweepTask:
    """What Hydra calls for every job: runs `work`, keeps its record, and lets no failure reach the others.

    It is pickled on its way to other processes, so `work` is a function of a module.
    """

    work: Callable[[DictConfig, Job], None]

    def __call__(self, config: DictConfig) -> None:
        hydra = HydraConfig.get()
        processes.adopt_submitit()
        attempt = Attempt(Path(hydra.sweep.dir))
        overrides = cast(list[str], OmegaConf.to_container(hydra.overrides.task, resolve=False))
        job = Job(attempt, int(hydra.job.num), overrides)
        with _output_to(attempt.output_file(job.record.num), attempt.log_file(job.record.num)):
            try:
                with explained():
                    self.work(config, job)
            except HeldElsewhere as held:
                if held.run_dir is not None:
                    job.uses(held.run_dir)
                job.end("elsewhere")
            except KeyboardInterrupt:
                job.end("interrupted")
                raise
            except (Exception, SystemExit) as error:  # a model of the user's may call sys.exit
                traceback.print_exc()
                job.fail(error)
            else:
                if job.record.state == "running":
                    job.end("finished")


@contextmanager
def _output_to(output_file: Path, log_file: Path) -> Iterator[None]:
    """What is printed goes to one file, what is logged to another: jobs side by side would print into each other."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("nolab")
    before, level, propagate = logger.handlers[:], logger.level, logger.propagate
    with (
        output_file.open("a", encoding="utf-8", buffering=1) as output,
        log_file.open("a", encoding="utf-8", buffering=1) as logged,
        redirect_stdout(output),
        redirect_stderr(logged),
    ):
        handler = logging.StreamHandler(logged)
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            yield
        finally:
            logger.handlers[:], logger.propagate = before, propagate
            logger.setLevel(level)
