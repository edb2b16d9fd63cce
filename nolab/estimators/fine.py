"""`fine`: every sample at the finest level. Ordinary training, the baseline of every comparison."""

from dataclasses import dataclass

from nolab.estimators._single import SingleLevel
from nolab.plan import Estimator
from nolab.schema import check


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `fine`."""

    batch_size: int = 4
    """Samples per step."""

    def __post_init__(self) -> None:
        check(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples at the finest of `n_levels` levels."""
    return SingleLevel(n_levels - 1, options.batch_size, n_samples, n_levels, seed)
