"""Sample indices without replacement, epoch by epoch, as a pure function of the step."""

from functools import lru_cache

import numpy as np

from nolab.errors import InputError


class EpochDraws:
    """Blocks of `size` samples from a fresh permutation of the data set every epoch.

    Any fixed position of a block is uniform over the data set, so any prefix of it is a uniform
    random subset: nested level sets are prefixes of one block.

    Parameters
    ----------
    n_samples : size of the data set.
    size : samples per step; more than `n_samples` is refused.
    seed, stream : streams of one seed are independent of each other.

    Raises
    ------
    InputError : `size` is not between 1 and `n_samples`.
    """

    def __init__(self, n_samples: int, size: int, seed: int, stream: int = 0) -> None:
        if not 1 <= size <= n_samples:
            raise InputError(
                f"sampling: a step would draw {size} samples from {n_samples}; between 1 and {n_samples} "
                "are possible: change sampling.batch_size, delta, the number of levels or dataset.n_train"
            )
        self.n_samples = n_samples
        self.size = size
        self.steps_per_epoch = n_samples // size
        self._seed = (seed, stream)
        self._permutation = lru_cache(maxsize=2)(self._permute)

    def _permute(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([*self._seed, epoch]).permutation(self.n_samples)

    def draw(self, step: int) -> np.ndarray:
        """Indices of step `step`, shape (size,), int64."""
        epoch, block = divmod(step, self.steps_per_epoch)
        return self._permutation(epoch)[block * self.size : (block + 1) * self.size]
