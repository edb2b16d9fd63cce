"""Samples per level from the sampling factor δ."""

import math
from collections.abc import Sequence

from nolab.errors import InputError
from nolab.plan import Plan


def geometric_counts(batch_size: float, delta: float, n_levels: int) -> tuple[float, ...]:
    """n_ℓ = batch_size · δ^(L-ℓ), coarsest level first; from 1 on rounded to the nearest integer.

    Below 1 it is the chance that a step draws a sample there.

    Source: arXiv 2505.12940, the sample allocation by δ = n_ℓ / n_{ℓ+1}.
    """
    finest = n_levels - 1
    try:
        return tuple(rounded(batch_size * delta ** (finest - level)) for level in range(n_levels))
    except OverflowError as error:
        raise InputError(
            f"sampling: batch_size {batch_size:g} times delta {delta:g} to the power of {finest} is no count"
        ) from error


def rounded(count: float) -> float:
    """The nearest whole number of samples; a chance below 1 as it is."""
    return count if count < 1 else math.floor(count + 0.5)


def check_counts(counts: Sequence[float], n_samples: int) -> None:
    """Refuse a coarsest level below one sample, empty levels and more samples than there are, with the numbers."""
    for level, n in enumerate(counts):
        lowest = "1" if level == 0 else "more than 0"
        if not (n >= 1 if level == 0 else n > 0) or n > n_samples:
            raise InputError(
                f"sampling: level {level} (0 is the coarsest) would get {n:g} samples per step "
                f"(n_ℓ = {', '.join(f'{c:g}' for c in counts)}), but the training set has {n_samples}; "
                f"from {lowest} to {n_samples} are possible: change sampling.batch_size, delta or the "
                "number of levels, or raise dataset.n_train"
            )


def mean_counts(outcomes: Sequence[tuple[float, Plan]], n_levels: int) -> tuple[float, ...]:
    """Samples evaluated per step at each level, on average over the kinds of plan."""
    counts = [0.0] * n_levels
    for chance, plan in outcomes:
        for term in plan:
            counts[term.level] += chance * len(term.indices)
    return tuple(round(count) if count == round(count) else count for count in counts)
