"""A plan: the weighted evaluations whose gradients sum to the gradient of one step.

    g = Σ_terms Σ_i  w_i · ∇θ loss(θ; sample i at the term's level)

Estimators make plans, the trainer carries them out; neither knows more of the other.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Term:
    """Samples evaluated at one level.

    Parameters
    ----------
    level : index into the hierarchy, 0 is the coarsest.
    indices : (n,) int64, samples of the training split.
    weights : (n,) float64, the factor of each sample's gradient; corrections carry negative ones.
    """

    level: int
    indices: np.ndarray
    weights: np.ndarray


Plan = tuple[Term, ...]


class Estimator(Protocol):
    """Draws plans. ``plan(step)`` is a pure function of the step (and the seed): a resumed run,
    a prefetching reader and a second process all see the same plan without sharing any state.

    Attributes
    ----------
    counts : samples evaluated per step at each level, coarsest first.
    steps_per_epoch : steps in which the largest draw of a step passes once over the data set
        (the remainder that no longer fills a step is left to the next epoch's reshuffle).
    """

    counts: tuple[int, ...]
    steps_per_epoch: int

    def plan(self, step: int) -> Plan:
        """The terms of step `step` (from 0)."""
