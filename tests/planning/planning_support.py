"""Gram matrices with known moments, and what follows from them."""

import numpy as np
from estimators_support import costs_of

from nolab.planning.outlook import Outlook, Problem, look_ahead
from nolab.planning.resampling import Sampled
from nolab.planning.stages import Stage


def gram_of(corrections: np.ndarray) -> np.ndarray:
    """Inner products (L+1, n, L+1, n) of vectors (L+1, n, P)."""
    return np.einsum("kip,ljp->kilj", corrections, corrections)


def exact_gram(variances, means, n=16) -> np.ndarray:
    """Of uncorrelated corrections whose moments have exactly these diagonals, in every resample too."""
    covariance, mean = np.diag(np.asarray(variances, float)), np.diag(np.asarray(means, float))
    return mean[:, None, :, None] + covariance[:, None, :, None] * np.eye(n)[None, :, None, :]


def exactly(variances, means) -> Sampled:
    """The moments of such corrections."""
    return Sampled.of_gram(exact_gram(variances, means), 20)


def outlook_of(variances, means, seconds, *, batch_size=4, step=0, before=None, n_samples=512) -> Outlook:
    """The outlook of a stage with such corrections."""
    names = [f"{2**level + 1}x{2**level + 1}" for level in range(3, 3 + len(seconds))]
    problem = Problem(names, costs_of(seconds), batch_size, n_samples)
    return look_ahead(Stage(f"step {step}", step, 0.1, exact_gram(variances, means)), problem, 20, before)


# At batches of 4, costs 1 : 4 : 16. What is best there is known beforehand.
COSTS = (1.0, 4.0, 16.0)
COARSE_WINS = ([1.0, 1e-3, 1e-4], [1.0, 1e-3, 1e-4])
"""Little noise, hardly any bias: a coarse gradient is as good as a fine one."""
MLMC_WINS = ([20.0, 0.05, 0.01], [0.1, 1.0, 1.0])
"""Noise, and most of the fine mean gradient is missing at the coarsest level."""
FINE_WINS = ([1.0, 10.0, 10.0], [0.001, 0.001, 3.0])
"""Corrections vary more than gradients, and the coarse gradient is worthless."""
