"""Hydra's word to us that a multirun begins: its jobs are known, none has started."""

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from nolab.sweeps.attempt import Attempt
from nolab.sweeps.view import SweepView


class Announce(Callback):
    """Queues the jobs' records and opens the view (conf/config.yaml, ``hydra.callbacks``)."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        attempt = Attempt(Path(config.hydra.sweep.dir))
        attempt.queue(_jobs(config))
        SweepView.open(attempt)


def _jobs(config: DictConfig) -> list[list[str]]:
    """Overrides of every job, none for a sweeper that decides as it goes."""
    if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
        return []
    fixed = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*fixed, *config.hydra.overrides.task])
    (jobs,) = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return jobs
