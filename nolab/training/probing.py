"""Gradients of single samples at every level: what the variance of corrections is measured from."""

from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from nolab.moments import Moments
from nolab.plan import Term
from nolab.training.gradient import GradientEngine
from nolab.training.ranks import Ranks

_MOST_BYTES = 2**30
"""Of all gradients together; longer ones are sketched to what fits."""
_WEIGHT = 2.0**-4
"""Of the single sample in its loss: like one of a step's, so that float16 holds it where it holds a step."""


def gradient_gram(
    engine: GradientEngine,
    plain: nn.Module,
    indices: np.ndarray,
    n_levels: int,
    step: int = 0,
    share: float = 0.0,
    most_bytes: int = _MOST_BYTES,
) -> np.ndarray:
    """Inner products of the corrections d_ℓ = ∇loss_ℓ - ∇loss_{ℓ-1} of single samples (d_0 = ∇loss_0).

    The model, the random state and what the points have learnt are left as they were; gradients are cleared.
    Gradients that take more than `most_bytes` are count-sketched (Charikar et al., 2002): every entry goes with a
    random sign into one of fewer buckets, which keeps inner products right on average.

    Parameters
    ----------
    plain : the engine's model before compilation: batches of one sample would compile it anew.
    indices : (n,), training samples.

    Returns
    -------
    (L+1, n, L+1, n), float64
    """
    ranks = engine.ranks
    rows = list(_corrections(engine.aside(plain), ranks, indices, n_levels, step, share, most_bytes))
    stacked = torch.stack(rows)  # (n · (L+1), parameters)
    ranks.sum_([stacked])
    wide = stacked.double()
    # Equal to the last bit in all processes, also where their GPUs differ: estimators decide by it.
    gram = ranks.from_first(lambda: (wide @ wide.T).cpu().numpy())
    return gram.reshape(len(indices), n_levels, len(indices), n_levels).transpose(1, 0, 3, 2)


def gradient_moments(
    engine: GradientEngine, plain: nn.Module, indices: np.ndarray, n_levels: int, step: int, share: float
) -> Moments:
    """:class:`Moments` of the samples' gradients; at least two samples."""
    return Moments.of_gram(gradient_gram(engine, plain, indices, n_levels, step, share))


def _corrections(
    engine: GradientEngine,
    ranks: Ranks,
    indices: np.ndarray,
    n_levels: int,
    step: int,
    share: float,
    most_bytes: int,
) -> Iterator[Tensor]:
    """A row per sample and level; zeros for the samples of other processes."""
    parameters = [p for p in engine.model.parameters() if p.requires_grad]
    learnt = deepcopy(engine.points.state_dict())
    training = engine.model.training
    sketch = _Sketch(parameters, len(indices) * n_levels, most_bytes)
    cuda = [engine.device] if engine.device.type == "cuda" else []
    engine.model.train()
    try:
        with torch.random.fork_rng(devices=cuda):
            for draw, index in enumerate(
                indices
            ):  # each sample sees points of its own, but the same at all levels
                if draw % ranks.size != ranks.rank:
                    yield from [sketch(torch.zeros_like(_flat(parameters)))] * n_levels
                    continue
                coarser = None
                for level in range(n_levels):
                    _clear(parameters)
                    term = Term(level, np.array([index]), np.full(1, _WEIGHT))
                    engine.accumulate((term,), step + draw, share)
                    gradient = _flat(parameters) / (_WEIGHT * engine.scaler.get_scale())
                    yield sketch(gradient if coarser is None else gradient - coarser)
                    coarser = gradient
    finally:
        engine.model.train(training)
        engine.points.load_state_dict(learnt)
        _clear(parameters)


def _clear(parameters: list[nn.Parameter]) -> None:
    """Zero the gradients where they are: graphs that are replayed, and the optimizer, hold on to the tensors."""
    for p in parameters:
        if p.grad is not None:
            p.grad.zero_()


def _flat(parameters: list[nn.Parameter]) -> Tensor:
    """All gradients as one real vector; complex entries are two."""
    parts = (torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)
    return torch.cat([(torch.view_as_real(g) if g.is_complex() else g).flatten() for g in parts])


class _Sketch:
    """The identity where the vectors fit, a count sketch where they don't."""

    def __init__(self, parameters: list[nn.Parameter], rows: int, most_bytes: int) -> None:
        length = sum(p.numel() * (2 if p.is_complex() else 1) for p in parameters)
        self._width = max(1, most_bytes // (rows * 8))
        self._buckets: Tensor | None = None
        if length > self._width:
            generator = torch.Generator().manual_seed(0)
            device = parameters[0].device
            self._buckets = torch.randint(self._width, (length,), generator=generator).to(device)
            self._signs = (2 * torch.randint(2, (length,), generator=generator) - 1).to(device)

    def __call__(self, vector: Tensor) -> Tensor:
        if self._buckets is None:
            return vector
        return vector.new_zeros(self._width).index_add_(0, self._buckets, vector * self._signs)
