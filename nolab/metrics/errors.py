"""Errors per sample, in physical units, as quadratures over the domain.

Every function takes normalised prediction and target, (B, C, *S) or (B, C, P) at chosen points,
and returns shape (B,). They serve as training losses and as test errors alike.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nolab.fields import FieldBatch
from nolab.grid import Domain
from nolab.spectral.constants import constant


@dataclass(frozen=True)
class Units:
    """What turns normalised values into physical ones: value = normalised · std + mean.

    mean, std: (C,), float32, on the device of the fields.
    """

    mean: Tensor
    std: Tensor

    def difference(self, prediction: Tensor, target: Tensor) -> Tensor:
        """prediction - target in physical units; shapes must be equal (no broadcasting)."""
        if prediction.shape != target.shape:
            raise ValueError(f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ")
        return (prediction - target) * self._like(self.std, target)

    def decode(self, field: Tensor) -> Tensor:
        """`field` in physical units."""
        return field * self._like(self.std, field) + self._like(self.mean, field)

    @staticmethod
    def _like(values: Tensor, field: Tensor) -> Tensor:
        return values.reshape(-1, *(1,) * (field.ndim - 2))


def mse(prediction: Tensor, batch: FieldBatch, units: Units) -> Tensor:
    """Mean square error over domain and channels. Its mean over drawn points is unbiased."""
    return _mean_square(units.difference(prediction, batch.target), batch)


def rel_l2(prediction: Tensor, batch: FieldBatch, units: Units) -> Tensor:
    """Relative L2 error, ‖p - y‖ / ‖y‖, with ‖y‖ over the whole grid even where points are chosen."""
    return _root(mse(prediction, batch, units)) / batch.norm.clamp_min(torch.finfo(batch.norm.dtype).tiny)


def channel_rel_l2(prediction: Tensor, batch: FieldBatch, units: Units) -> Tensor:
    """Relative L2 error of every channel by itself, (B, C): of every frame of a roll-out, for instance."""
    error = _channel_means(units.difference(prediction, batch.target).square(), batch)
    truth = _channel_means(units.decode(batch.target).square(), batch)
    return _root(error / truth.clamp_min(torch.finfo(truth.dtype).tiny))


def h1(prediction: Tensor, batch: FieldBatch, units: Units) -> Tensor:
    """Relative H1 error, √(‖e‖² + ‖∇e‖²) / √(‖y‖² + ‖∇y‖²), on the whole grid only.

    Derivatives by central differences in physical coordinates: one-sided at the ends, wrapped on
    periodic axes. On the sphere ∇ is the gradient on its surface, |∇f|² = f_θ² + f_φ²/sin²θ.
    """
    if batch.points is not None:
        raise ValueError("h1 takes derivatives on the whole grid, the batch holds chosen points only")
    error = units.difference(prediction, batch.target)
    truth = units.decode(batch.target)
    return _root(_h1_square(error, batch) / _h1_square(truth, batch))


def r2(prediction: Tensor, batch: FieldBatch, units: Units) -> Tensor:
    """Coefficient of determination of each sample, 1 - ‖p - y‖² / ‖y - mean(y)‖²."""
    truth = units.decode(batch.target)
    mean = _channel_means(truth, batch)  # (B, C)
    spread = truth - mean.reshape(*mean.shape, *(1,) * (truth.ndim - 2))
    return 1 - mse(prediction, batch, units) / _mean_square(spread, batch)


ERRORS = {"rel_l2": rel_l2, "mse": mse, "h1": h1}
"""Errors that can be trained on, by the name in config group `loss`."""


def _root(square: Tensor) -> Tensor:
    """Square root whose gradient at zero is zero, not NaN: a sample that is met exactly stands still."""
    zero = square == 0
    return square.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)


def _mean_square(field: Tensor, batch: FieldBatch) -> Tensor:
    return _channel_means(field.square(), batch).mean(dim=1)


def _channel_means(field: Tensor, batch: FieldBatch) -> Tensor:
    """Mean over the domain of a field at the batch's points, (B, C)."""
    weights = quadrature(batch, field)  # (N,) or (B, N)
    flat = field.flatten(2)  # (B, C, N or P)
    if batch.points is not None:
        # Horvitz-Thompson: the weight of a drawn point over its expected number of draws.
        equal = weights.shape[-1] / batch.points.shape[-1]
        factor = equal if batch.factor is None else batch.factor.to(weights.dtype)
        weights = _at(weights, batch.points) * factor  # (P,) or (B, P)
    return flat @ weights if weights.ndim == 1 else (flat * weights[:, None, :]).sum(dim=2)


def _at(weights: Tensor, points: Tensor) -> Tensor:
    """Weights (N,) or (B, N) at points (P,) or (B, P)."""
    if weights.ndim == 1:
        return weights[points]
    return weights[:, points] if points.ndim == 1 else weights.gather(1, points)


_WEIGHTS: dict[tuple, Tensor] = {}


def quadrature(batch: FieldBatch, like: Tensor) -> Tensor:
    """Quadrature weights, in the dtype and on the device of `like`: flat (N,) of a grid, (B, N) of scattered points."""
    if batch.weights is not None:
        return batch.weights.to(like.dtype)
    key = (batch.domain, batch.shape, like.dtype, like.device)
    weights = _WEIGHTS.get(key)
    if weights is None:
        weights = _WEIGHTS[key] = batch.domain.weights(batch.shape).flatten().to(like.device, like.dtype)
    return weights


def _h1_square(field: Tensor, batch: FieldBatch) -> Tensor:
    total = _mean_square(field, batch)
    for part in _gradient(field, batch.domain):
        total = total + _mean_square(part, batch)
    return total


def _gradient(field: Tensor, domain: Domain) -> list[Tensor]:
    parts = [_derivative(field, position + 2, axis) for position, axis in enumerate(domain.axes)]
    if domain.is_sphere:
        south, east = parts
        sine = _sine(field.shape[2], field.dtype, field.device)
        # At a pole, where meridians meet, east of one is south of another: their squares have one mean.
        parts[1] = torch.where(sine > 0, east / sine.masked_fill(sine == 0, 1.0), south)
    return parts


@constant
def _sine(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(n, 1): sin θ at n latitudes, exactly 0 at both poles."""
    sine = torch.sin(Domain.sphere().axes[0].coordinates(n))[:, None]
    sine[[0, -1]] = 0.0
    return sine.to(device=device, dtype=dtype)


def _derivative(field: Tensor, dim: int, axis) -> Tensor:
    spacing = axis.length / axis.intervals(field.shape[dim])
    if axis.placement == "periodic":
        return (field.roll(-1, dim) - field.roll(1, dim)) / (2 * spacing)
    return torch.gradient(field, spacing=spacing, dim=dim)[0]
