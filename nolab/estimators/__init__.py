"""Estimators: which samples are evaluated at which level, with what weights.

An estimator is a module that defines ``Options`` and ``build(options, n_samples, n_levels, seed) -> Estimator``
(:class:`nolab.plan.Estimator`); a new one is a new file, here or anywhere else. Here is what such modules share.
"""

from nolab.estimators._counts import check_counts, geometric_counts, mean_counts
from nolab.estimators._draws import EpochDraws

__all__ = ["EpochDraws", "check_counts", "geometric_counts", "mean_counts"]
