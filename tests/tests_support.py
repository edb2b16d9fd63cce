"""What fixtures of any scope share."""

from pathlib import Path

import numpy as np

from nolab.fields import OperatorSpec
from nolab.grid import Domain

TINY = (
    "dataset.n_train=16",
    "dataset.n_test=4",
    "dataset.resolution=17",
    "dataset.finest=17",
    "hierarchy=two",
    "model.n_modes=4",
    "model.hidden_channels=6",
    "model.n_layers=2",
    "sampling.batch_size=2",
    "budget.steps=4",
    "evaluation.times=2",
    "scheduler=constant",
    "tracking=none",
    "device=cpu",
)
"""Overrides of a run that takes a fraction of a second."""


def spec(domain: Domain, channels: tuple[int, int] = (1, 1), shape: tuple[int, ...] | None = None):
    """Fields on `domain` whose input has the grid `shape` (17 points per axis if not given)."""
    return OperatorSpec(*channels, domain, shape or (17,) * domain.ndim)


def tiny_overrides(data_dir: Path, output_dir: Path, *more: str) -> list[str]:
    """Overrides of a tiny run, and then the given ones."""
    return [*TINY, f"data_dir={data_dir}", f"output_dir={output_dir}", *more]


def flat_weights(domain: Domain, fields: np.ndarray) -> np.ndarray:
    """Quadrature weights (N,) of the grid of fields (n, C, *S)."""
    return domain.weights(fields.shape[2:]).numpy().ravel()
