"""The estimator of one level: n samples, each weighing 1/n. `fine` and `coarse` are this."""

import numpy as np

from nolab.estimators._draws import EpochDraws
from nolab.plan import Estimator, Plan, Term


class SingleLevel(Estimator):
    """Ordinary mini-batches at level `level` of `n_levels`."""

    def __init__(self, level: int, batch_size: int, n_samples: int, n_levels: int, seed: int) -> None:
        self._draws = EpochDraws(n_samples, batch_size, seed)
        self._level = level
        self._weights = np.full(batch_size, 1.0 / batch_size)
        self.counts = tuple(batch_size if i == level else 0 for i in range(n_levels))
        self.steps_per_epoch = self._draws.steps_per_epoch

    def plan(self, step: int, share: float = 0.0) -> Plan:
        return (Term(self._level, self._draws.draw(step), self._weights),)
