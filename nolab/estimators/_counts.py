"""Samples per level from the sampling factor δ."""

import math

from nolab.errors import InputError


def geometric_counts(batch_size: int, delta: float, n_levels: int) -> tuple[int, ...]:
    """n_ℓ = batch_size · δ^(L-ℓ), rounded to the nearest integer, coarsest level first.

    Source: arXiv 2505.12940, the sample allocation by δ = n_ℓ / n_{ℓ+1}.
    """
    finest = n_levels - 1
    return tuple(math.floor(batch_size * delta ** (finest - level) + 0.5) for level in range(n_levels))


def check_counts(counts: tuple[int, ...], n_samples: int) -> None:
    """Refuse levels without samples or with more samples than there are, with the numbers."""
    for level, n in enumerate(counts):
        if not 1 <= n <= n_samples:
            raise InputError(
                f"sampling: level {level} (0 is the coarsest) would get {n} samples per step "
                f"(n_ℓ = {', '.join(map(str, counts))}), but the training set has {n_samples}; "
                f"between 1 and {n_samples} are possible: lower sampling.batch_size, delta or the "
                "number of levels, or raise dataset.n_train"
            )
