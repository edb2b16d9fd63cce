"""`delayed`: MLMC whose correction at level ℓ is computed every 2^ℓ steps and used again in between.

    g_t = Σ_ℓ (1/n_ℓ) Σ [∇J_ℓ - ∇J_{ℓ-1}](θ_{τ_ℓ}),   τ_ℓ = 2^ℓ ⌊t / 2^ℓ⌋          (arXiv 2310.02402)

Biased: a correction belongs to the parameters of up to 2^ℓ - 1 steps ago, so the mean of g_t differs from the fine
gradient by what the corrections change over those steps, of the order of lr · 2^ℓ · |∂θ (∇J_ℓ - ∇J_{ℓ-1})|. It keeps a
copy of the gradient per level. (`mlmc` with n_ℓ below 1 has rare corrections without bias and without copies.)
"""

from dataclasses import dataclass

import numpy as np

from nolab.estimators._counts import check_counts, geometric_counts
from nolab.estimators._draws import EpochDraws
from nolab.plan import Estimator, Plan, Term
from nolab.schema import check


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `delayed`."""

    batch_size: int = 4
    """Samples of a refresh at the finest level, n_L."""
    delta: float = 2.0
    """Sampling factor δ = n_ℓ / n_{ℓ+1}, real, >= 1."""

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")
        check(1 <= self.delta < float("inf"), "delta", self.delta, "a number >= 1")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels."""
    return Delayed(geometric_counts(options.batch_size, options.delta, n_levels), n_samples, seed)


class Delayed(Estimator):
    """Corrections with an independent draw each; the one of level ℓ fills slot ℓ at every 2^ℓ-th step."""

    keeps_gradients = True

    def __init__(self, sizes: tuple[float, ...], n_samples: int, seed: int) -> None:
        check_counts(sizes, n_samples)
        self._draws = [EpochDraws(n_samples, int(n), seed, stream=level) for level, n in enumerate(sizes)]
        above = (*sizes[1:], 0)
        self.counts = tuple(
            n / 2**level + m / 2 ** (level + 1) for level, (n, m) in enumerate(zip(sizes, above, strict=True))
        )
        self.steps_per_epoch = min(draws.steps_per_epoch for draws in self._draws)

    def plan(self, step: int, share: float = 0.0) -> Plan:
        return tuple(
            term
            for level, draws in enumerate(self._draws)
            if step % 2**level == 0
            for term in _correction(level, draws.draw(step))
        )


def _correction(level: int, indices: np.ndarray) -> Plan:
    weights = np.full(len(indices), 1.0 / len(indices))
    fine = Term(level, indices, weights, slot=level)
    return (fine,) if level == 0 else (fine, Term(level - 1, indices, -weights, slot=level))
