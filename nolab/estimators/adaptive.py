"""`adaptive`: MLMC whose n_ℓ follow the measured variance and cost of the corrections (Giles).

Before the first step, and then as often as the overhead allows, the gradients of a few samples are taken at every
level: V_ℓ = tr Cov(g_ℓ - g_{ℓ-1}) enters a moving average, and n_ℓ ∝ √(V_ℓ/C_ℓ) fills the time that a step of
`batch_size` samples at the finest level takes. Levels that do not pay are left out; where none does, that
is, (Σ √(V_ℓ C_ℓ))² >= V_fine·C_fine, the finest level alone is left. Corrections rarer than one a step are drawn by
chance, with what that adds to the variance (:mod:`nolab.estimators._allocation`).
"""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from nolab.costs import BatchCosts
from nolab.estimators._allocation import Corrections, LevelSet, counts, level_sets
from nolab.estimators._probes import ProbeOptions, Probes, Probing
from nolab.estimators.mlmc import Nested
from nolab.moments import Moments
from nolab.plan import Estimator
from nolab.saved import numbers
from nolab.schema import check

log = logging.getLogger(__name__)

_WORTH_A_CHANGE = 0.95
"""Levels give way to others whose variance times cost is below this share of their own."""


@dataclass(frozen=True)
class Options(ProbeOptions):
    """Config group `sampling` with estimator `adaptive`."""

    batch_size: float = 4
    """A step takes as long as this many samples at the finest level, unless one coarse sample takes longer."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.batch_size < float("inf"), "batch_size", self.batch_size, "> 0")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels."""
    return Adaptive(options, n_samples, n_levels, seed)


class Adaptive(Probing):
    """Nested MLMC on the levels that pay; the finest level alone until the first probe."""

    def __init__(self, options: Options, n_samples: int, n_levels: int, seed: int) -> None:
        self._options, self._n_samples, self._seed = options, n_samples, seed
        self._probes = Probes(options, n_samples, seed)
        self._levels: LevelSet = (n_levels - 1,)
        self._use((float(max(1, round(options.batch_size))),) * n_levels)
        self.steps_per_epoch = self._inner.steps_per_epoch

    def learn(self, moments: Moments, costs: BatchCosts) -> None:
        known = self._probes.take(moments)
        batch_size = self._options.batch_size
        budget = batch_size * float(costs.per_sample(max(1.0, batch_size))[-1])
        optima = {
            levels: self._optimum(Corrections.between(known, costs, levels), budget)
            for levels in level_sets(len(costs))
        }
        products = {levels: product for levels, (product, _) in optima.items()}
        best = min(products, key=products.__getitem__)
        if products[best] < _WORTH_A_CHANGE * products[self._levels]:
            self._levels = best
            log.info("adaptive: %s", _said(best, products))
        self._use(counts(optima[self._levels][1], self._levels))
        self._plan_next_probe(costs)

    def _optimum(self, corrections: Corrections, budget: float) -> tuple[float, np.ndarray]:
        """Variance times cost within the budget, and the n_ℓ for it."""
        sizes = np.minimum(corrections.within(budget), float(self._n_samples))
        return corrections.variance_times_cost(sizes), sizes

    def state_dict(self) -> dict[str, Any]:
        return {"levels": list(self._levels), "sizes": list(self._sizes), "probes": self._probes.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        n_levels = len(self._sizes)
        if (levels := tuple(state["levels"])) not in level_sets(n_levels):
            raise ValueError(f"levels {levels} are no choice of {n_levels} levels")
        self._levels = levels
        self._probes.load_state_dict(state["probes"], n_levels)
        self._use(tuple(numbers(state["sizes"], "sizes", (n_levels,)).tolist()))

    def _use(self, sizes: tuple[float, ...]) -> None:
        self._sizes = sizes
        self._inner = Nested(sizes, self._n_samples, self._seed)


def _said(levels: LevelSet, products: dict[LevelSet, float]) -> str:
    if len(levels) == 1:
        return "corrections do not pay here, (Σ√(V_ℓC_ℓ))² >= V_fine·C_fine: the finest level alone"
    share = products[levels] / products[levels[-1:]]
    return f"levels {', '.join(map(str, levels))}: variance × cost {share:.2g} of the finest level's"
