"""n_ℓ ∝ √(V_ℓ/C_ℓ): Giles' allocation, over the levels that pay.

For a given cost of a step the variance Σ V_ℓ/n_ℓ is least for n_ℓ ∝ √(V_ℓ/C_ℓ), and then variance times cost is
(Σ √(V_ℓ C_ℓ))² (Giles, Acta Numerica 24, 2015, section 1.3). Against V_fine·C_fine of the finest level alone this
decides whether a multi-level gradient pays; a level pays where leaving it out makes the product larger.

Two things are added. A batch costs F_ℓ + n_ℓ C_ℓ, so a level has to be worth its F_ℓ too. And a correction that is
drawn with a chance n_ℓ below 1 costs n_ℓ (F_ℓ + C_ℓ) and adds S_ℓ/n_ℓ - |E d_ℓ|² to the variance, with the second
moment S_ℓ = V_ℓ + |E d_ℓ|²: there S_ℓ takes the place of V_ℓ.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from nolab.costs import BatchCosts
from nolab.estimators._counts import rounded
from nolab.moments import Moments

LEAST_CHANCE = 1e-3
"""Of a correction: its one sample then weighs a thousand times as much."""

LevelSet = tuple[int, ...]
_BISECTIONS = 24
_NOTHING = 1e-12


def level_sets(n_levels: int) -> Iterator[LevelSet]:
    """Every choice of levels that holds the finest one, coarsest first."""
    finest = n_levels - 1
    for size in range(n_levels):
        for coarser in combinations(range(finest), size):
            yield (*coarser, finest)


@dataclass(frozen=True)
class Corrections:
    """What an allocation over some levels needs: of the gradient at the first, then from each to the next.

    variances, squared_means : V_ℓ and |E d_ℓ|².
    fixed, sample : of :class:`BatchCosts`, at these levels.
    """

    variances: np.ndarray
    squared_means: np.ndarray
    fixed: np.ndarray
    sample: np.ndarray

    @classmethod
    def between(cls, moments: Moments, costs: BatchCosts, levels: LevelSet) -> "Corrections":
        """Of these moments on `levels`."""
        chosen = list(levels)
        return cls(
            _between(moments.covariance, levels),
            _between(moments.mean, levels),
            costs.fixed[chosen],
            costs.sample[chosen],
        )

    @property
    def is_noiseless(self) -> bool:
        """Whether the gradient at the first level does not vary, next to the others and to the means."""
        return bool(self.variances[0] <= _NOTHING * (self.variances + self.squared_means).max())

    def ratios(self) -> np.ndarray:
        """√(V_ℓ/C_ℓ) as shares of the first one's."""
        if self.is_noiseless:
            return np.ones(len(self.variances))
        return _nested(np.sqrt(self.variances / self.variances[0] / (self.sample / self.sample[0])))

    def shares(self, first: float) -> np.ndarray:
        """n_ℓ as shares of the first one, not growing: nested sets can't.

        A correction that varies more than the level below it is drawn as often.

        Parameters
        ----------
        first : n at the first level; where the optimum of the others is below one sample, it is a chance.
        """
        if self.is_noiseless:
            return self.ratios()
        variances, means = self.variances / self.variances[0], self.squared_means / self.variances[0]
        # Seconds that a variance of V_0 is worth, where `first` is the optimum at the first level.
        price = first**2 * self.sample[0]
        alone = self.fixed + self.sample
        whole = np.maximum(np.sqrt(price * variances / self.sample), 1.0)
        chance = np.clip(np.sqrt(price * (variances + means) / alone), LEAST_CHANCE, 1.0)
        by_whole = price * variances / whole + self.fixed + whole * self.sample
        by_chance = price * ((variances + means) / chance - means) + chance * alone
        sizes = np.where(by_whole <= by_chance, whole, chance)
        sizes[0] = first
        return _nested(sizes / first)

    def within(self, budget: float) -> np.ndarray:
        """n_ℓ of a step that takes `budget` seconds, of one sample at the first level if that takes longer."""
        return self.filling(budget, self.shares)

    def filling(self, budget: float, shares: Callable[[float], np.ndarray]) -> np.ndarray:
        """The same for other shares, given those for so many samples at the first level."""
        # The cost grows with the first, by jumps where a chance becomes a sample.
        low, high = 0.0, math.log(max(1.0, budget / self.sample[0]))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            first = math.exp(middle)
            low, high = (middle, high) if self.cost(first * shares(first)) <= budget else (low, middle)
        first = math.exp(low)
        return first * shares(first)

    def cost(self, sizes: np.ndarray) -> float:
        """Mean seconds of a step with these n_ℓ."""
        return float(np.minimum(sizes, 1.0) @ self.fixed + sizes @ self.sample)

    def variance_times_cost(self, sizes: np.ndarray) -> float:
        """Of n_ℓ samples each, chances where they are below 1.

        (Σ √(V_ℓ C_ℓ))² for the optimal ratios, where none is below 1 and batches take no time by themselves.
        """
        rare = self.squared_means * np.maximum(1.0 / sizes - 1.0, 0.0)
        return float((self.variances / sizes + rare).sum()) * self.cost(sizes)


def _between(products: np.ndarray, levels: LevelSet) -> np.ndarray:
    """Inner products of corrections summed over those from each of `levels` to the next."""
    edges = [0, *(level + 1 for level in levels)]
    return np.array([max(float(products[a:b, a:b].sum()), 0.0) for a, b in pairwise(edges)])


def _nested(shares: np.ndarray) -> np.ndarray:
    return np.maximum(np.minimum.accumulate(np.minimum(shares, 1.0)), LEAST_CHANCE)


def counts(sizes: Sequence[float] | np.ndarray, levels: LevelSet) -> tuple[float, ...]:
    """n_ℓ of all levels as whole samples or chances, from those of `levels`.

    A level that is left out has as many as the next finer one: nested weights then cancel there.
    """
    each = np.searchsorted(levels, np.arange(levels[-1] + 1))
    whole = [float(rounded(size)) for size in sizes]
    return tuple(whole[i] for i in each)
