"""A program of a user's against nolab's public names: mypy says whether it fits, nobody runs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_type

import numpy as np
from omegaconf import DictConfig

import nolab
from nolab.estimators import EpochDraws
from nolab.plan import Estimator, Plan, Term
from nolab.runs import Run


def train_and_use(inputs: np.ndarray) -> Sequence[Run]:
    config = nolab.compose(["sampling=mlmc", "delta=2"])
    assert_type(config, DictConfig)
    run = nolab.train(config)
    assert_type(run, Run)
    assert_type(run.summary, dict[str, Any])
    assert_type(run.predict(inputs), np.ndarray)
    again = nolab.resume(run.path, ["budget.steps=20"])
    front = nolab.pareto_front([again, nolab.load_run(Path("run"), trust=True)])
    assert_type(front, list[Run])
    return front


class EveryStep(Estimator):
    """An estimator of the user's own."""

    def __init__(self, n_samples: int, seed: int) -> None:
        self._draws = EpochDraws(n_samples, 4, seed)
        self.counts = (4.0,)
        self.steps_per_epoch = self._draws.steps_per_epoch

    def plan(self, step: int, share: float = 0.0) -> Plan:
        return (Term(0, self._draws.draw(step), np.full(4, 0.25)),)
