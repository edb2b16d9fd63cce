"""One normaliser per channel, the same at every level: statistics of the field, not of a grid."""

from dataclasses import dataclass

import numpy as np

from nolab.grid import Domain


@dataclass(frozen=True)
class Normalizer:
    """Affine map per channel: normalised = (physical - mean) / std. `mean`, `std`: (C,) floats."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, fields: np.ndarray, domain: Domain) -> "Normalizer":
        """Mean and standard deviation over samples and domain (by quadrature) of (n, C, *S)."""
        weights = domain.weights(fields.shape[2:]).numpy()
        per_sample = fields.astype(np.float64).reshape(*fields.shape[:2], -1)
        mean = (per_sample @ weights.ravel()).mean(axis=0)
        variance = (((per_sample - mean[:, None]) ** 2) @ weights.ravel()).mean(axis=0)
        std = np.sqrt(variance)
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

    @property
    def zero(self) -> tuple[float, ...]:
        """Normalised value of a physical zero, one per channel."""
        return tuple(-mean / std for mean, std in zip(self.mean, self.std, strict=True))

    def _broadcast(self, ndim: int) -> tuple[np.ndarray, np.ndarray]:
        shape = (1, -1) + (1,) * (ndim - 2)
        return np.array(self.mean).reshape(shape), np.array(self.std).reshape(shape)
