"""How sure the figures of a few samples are: the bootstrap over samples, on the Gram matrix alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nolab.moments import Moments

_PERCENTILES = (5, 95)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 90 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def is_resolved(self) -> bool:
        """Whether it is above zero, as far as its interval tells."""
        return self.low > 0


def resampled(gram: np.ndarray, n_resamples: int, seed: int = 0) -> list[Moments]:
    """:class:`Moments` of bootstrap resamples of the samples.

    Pairs of a sample with itself are left out, as :meth:`Moments.of_gram` leaves them out: drawn twice, a sample is
    no second opinion. Resamples of one sample alone have no pairs and are dropped.

    Parameters
    ----------
    gram : (L+1, n, L+1, n), inner products of the samples' corrections.
    """
    n = gram.shape[1]
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(float)
    drawn = drawn[(drawn > 0).sum(axis=1) > 1]
    own = np.einsum("kili->kli", gram)
    every = np.einsum("ri,kilj,rj->rkl", drawn, gram, drawn, optimize=True)
    pairs = (n**2 - (drawn**2).sum(axis=1))[:, None, None]
    means = (every - np.einsum("ri,kli->rkl", drawn**2, own)) / pairs
    covariances = (n * np.einsum("ri,kli->rkl", drawn, own) - every) / pairs
    return [Moments(covariance, mean, n) for covariance, mean in zip(covariances, means, strict=True)]


def estimate(value: float, others: Sequence[float]) -> Estimate:
    """The figure with the percentiles of its resamples; those that have none (nan) do not count."""
    known = [other for other in others if np.isfinite(other)]
    low, high = np.percentile(known, _PERCENTILES) if known else (np.nan, np.nan)
    return Estimate(float(value), float(low), float(high))


@dataclass(frozen=True)
class Sampled:
    """The moments of a Gram matrix, and of its resamples."""

    moments: Moments
    others: list[Moments]

    @classmethod
    def of_gram(cls, gram: np.ndarray, n_resamples: int) -> "Sampled":
        """From (L+1, n, L+1, n)."""
        return cls(Moments.of_gram(gram), resampled(gram, n_resamples))

    def estimate(self, figure: Callable[[Moments], float]) -> Estimate:
        """`figure` of the moments, with its interval."""
        return estimate(figure(self.moments), [figure(other) for other in self.others])
