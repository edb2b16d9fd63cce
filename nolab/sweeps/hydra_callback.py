"""Hydra's word to us that a multirun begins: its jobs are known, none has started."""

from pathlib import Path
from typing import Any, cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from nolab.errors import InputError
from nolab.sweeps.attempt import Attempt, JobRecord
from nolab.sweeps.view import SweepView, varying


class Refused(BaseException):
    """The sweep can't begin. Not an Exception: Hydra makes those of a callback warnings, and goes on."""

    def __init__(self, reason: InputError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Announce(Callback):
    """Queues the jobs' records and opens the view (conf/config.yaml, ``hydra.callbacks``)."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        attempt = Attempt(Path(config.hydra.sweep.dir))
        jobs = _jobs(config)
        if "output_dir" in varying([JobRecord(num, job) for num, job in enumerate(jobs)]):
            raise Refused(InputError("output_dir: a sweep has one; use name=… to keep its jobs apart"))
        try:
            attempt.queue(jobs)
        except OSError as error:
            raise Refused(InputError(f"output_dir: can't make {attempt.folder}: {error.strerror}")) from error
        SweepView.open(attempt)


def _jobs(config: DictConfig) -> list[list[str]]:
    """Overrides of every job, none for a sweeper that decides as it goes."""
    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return []
    fixed = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    task = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)  # a job's ${…} are its own
    given = cast(list[str], task)
    overrides = OverridesParser.create().parse_overrides([*fixed, *given])
    (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return jobs
