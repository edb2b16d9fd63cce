"""`coarse`: every sample at one coarser level. Biased towards that level; the other baseline."""

from dataclasses import dataclass

from nolab.errors import InputError
from nolab.estimators._single import SingleLevel
from nolab.plan import Estimator
from nolab.schema import check


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `coarse`."""

    batch_size: int = 4
    """Samples per step."""
    level: int = -2
    """Which level: 0 is the coarsest, -1 the finest, -2 the one below it."""

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples at level ``options.level`` of `n_levels`."""
    if not -n_levels <= options.level < n_levels:
        raise InputError(
            f"sampling.level: {options.level} does not exist, the hierarchy has {n_levels} level(s): "
            f"from 0 (coarsest) to {n_levels - 1}, or -{n_levels} to -1 (finest)"
        )
    return SingleLevel(options.level % n_levels, options.batch_size, n_samples, n_levels, seed)
