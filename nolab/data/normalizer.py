"""One normaliser per channel, the same at every level: statistics of the field, not of a grid."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalizer:
    """Affine map per channel: normalised = (physical - mean) / std. `mean`, `std`: (C,) floats."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of_samples(cls, means: np.ndarray, variances: np.ndarray) -> "Normalizer":
        """Mean and standard deviation over samples and domain, from the :func:`sample_moments` of all samples."""
        mean = means.mean(axis=0)
        std = np.sqrt((variances + (means - mean) ** 2).mean(axis=0))
        # A constant channel stays as it is, shifted to zero.
        std[std <= 1e-12 * np.abs(mean)] = 1.0
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def encode(self, fields: np.ndarray) -> np.ndarray:
        """Physical (n, C, *S) to normalised, float32."""
        mean, std = self._broadcast(fields.ndim)
        return ((fields - mean) / std).astype(np.float32)

    def decode(self, fields: np.ndarray) -> np.ndarray:
        """Normalised (n, C, *S) to physical, float32."""
        mean, std = self._broadcast(fields.ndim)
        return (fields * std + mean).astype(np.float32)

    def encode_tensor(self, fields: Tensor) -> Tensor:
        """:meth:`encode` on the fields' device; the same bits."""
        mean, std = (torch.from_numpy(v).to(fields.device) for v in self._broadcast(fields.ndim))
        return fields.double().sub_(mean).div_(std).float()

    @property
    def zero(self) -> tuple[float, ...]:
        """Normalised value of a physical zero, one per channel."""
        return tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))

    def _broadcast(self, ndim: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (1, -1) + (1,) * (ndim - 2)
        return np.array(self.mean).reshape(shape), np.array(self.std).reshape(shape)


def sample_moments(fields: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over the domain (by quadrature) of each sample of (n, C, *S), (n, C) float64.

    Their bits do not depend on the samples that they are computed with.

    Parameters
    ----------
    weights : see :func:`domain_means`.
    """
    values = fields.astype(np.float64).reshape(*fields.shape[:2], -1)
    means = domain_means(values, weights)
    values -= means[..., None]
    return means, domain_means(np.square(values, out=values), weights)


def domain_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means over the domain (n, C) of (n, C, N), one product per sample.

    Parameters
    ----------
    weights : quadrature weights, float64, (N,) of a grid or (n, N) of every sample's own points.
    """
    return values @ weights if weights.ndim == 1 else (values @ weights[..., None])[..., 0]
