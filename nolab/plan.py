"""A plan: the weighted evaluations whose gradients sum to the gradient of one step.

    g = Σ_terms Σ_i  w_i · ∇θ loss(θ; sample i at the term's level)

Estimators make plans, the trainer carries them out; neither knows more of the other.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nolab.costs import BatchCosts
    from nolab.moments import Moments


@dataclass(frozen=True)
class Term:
    """Samples evaluated at one level.

    Parameters
    ----------
    level : index into the hierarchy, 0 is the coarsest.
    indices : (n,) int64, samples of the training split.
    weights : (n,) float64, the factor of each sample's gradient; corrections carry negative ones.
    slot : terms of a slot replace its last gradient, which counts again in steps whose plan leaves it out;
        None: the term belongs to this step alone. Terms of one slot stand together; a plan without slots
        forgets them all.
    """

    level: int
    indices: np.ndarray
    weights: np.ndarray
    slot: int | None = None


Plan = tuple[Term, ...]


class Estimator(ABC):
    """Draws plans. ``plan(step, share)`` is a pure function of its arguments, the seed and what the estimator has
    learnt (its ``state_dict``): a resumed run, a prefetching reader and a second process all see the same plan.

    Attributes
    ----------
    counts : samples evaluated per step at each level, coarsest first; the mean where it varies.
    steps_per_epoch : steps in which the largest draw of a step passes once over the data set
        (the remainder that no longer fills a step is left to the next epoch's reshuffle).
    """

    counts: tuple[float, ...]
    steps_per_epoch: int
    keeps_gradients = False
    """Whether plans use slots."""
    probes = False
    """Whether :meth:`probe` may ask for samples."""

    @abstractmethod
    def plan(self, step: int, share: float = 0.0) -> Plan:
        """The terms of step `step` (from 0), when `share` of the budget is used."""

    def outcomes(self) -> list[tuple[float, Plan]]:
        """The kinds of plan that a step may have and their chances; most estimators have one."""
        return [(1.0, self.plan(0))]

    def probe(self, step: int, share: float) -> np.ndarray | None:
        """Samples whose gradients at all levels the estimator wants to know before this step; None: of none."""
        return None

    def learn(self, moments: "Moments", costs: "BatchCosts") -> None:
        """Take in what a probe gave.

        Parameters
        ----------
        moments : of the probe's gradients at the current parameters.
        costs : of batches at each level, as measured when the run began.
        """

    def observe(self, error: float, share: float) -> None:
        """Take in the newest error on the test set at the finest level, when `share` of the budget is used."""

    def figures(self) -> dict[str, tuple[float, ...]]:
        """What the estimator knows of each level, under the names that follow `mlmc/`, e.g. ``V``."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, as plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of :meth:`state_dict`."""
