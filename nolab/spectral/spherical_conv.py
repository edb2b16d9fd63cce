"""The spherical convolution layer."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from neuralop.layers.base_spectral_conv import BaseSpectralConv
from neuralop.utils import validate_scaling_factor
from tltorch.factorized_tensors.core import FactorizedTensor
from torch import Tensor, nn

from nolab.errors import InputError, unknown
from nolab.grid import Domain
from nolab.spectral.contraction import mix
from nolab.spectral.conv import FACTORIZATIONS, Implementation
from nolab.spectral.modes import AxisModes
from nolab.spectral.precision import Factor, SpectralLayer, current, restore, stabilise, stage_dtype
from nolab.spectral.resample import resample_linear, scaled_shape
from nolab.spectral.sphere import analyse, carried, synthesise


class SphericalConv(SpectralLayer, BaseSpectralConv):
    r"""Spherical Fourier layer's integral operator, as one operator seen through any grid of the sphere.

    .. math:: (Kf)(θ, φ) = \sum_{l<L} \sum_{|m|<M} W_l a_{lm} Y_l^m(θ, φ), \quad
              a_{lm} = \int f \, \bar Y_l^m \, \sin θ \, dθ \, dφ

    with W_l a complex (in, out) matrix for each degree (for m < 0 its conjugate, the output being
    real). Weights that do not depend on the order commute with every rotation about the poles' axis,
    and with every rotation where they are real and M >= L. Fields lie on :meth:`nolab.grid.Domain.sphere`;
    degrees and orders that a grid does not carry are left out on it (:func:`nolab.spectral.sphere.carried`),
    so that grids of any size approximate the same operator.

    A drop-in ``conv_module`` for neuraloperator 2.0.0's models. Parameters, their names and their
    initialisation are those of its SphericalConv, so state dicts interchange. On equiangular grids its
    output is the same to rounding for fields whose degree is at most n_latitudes - L; for others its
    quadrature is not exact, and it keeps modes above the Nyquist frequency of a coarse grid.

    Parameters
    ----------
    in_channels, out_channels, max_n_modes, bias, separable, resolution_scaling_factor, rank,
    factorization, implementation, fixed_rank_modes, decomposition_kwargs, init_std, device :
        as in neuraloperator.
    n_modes : degrees L, and twice the orders M: (L, 2M), as neuraloperator counts them.
    complex_data, fno_block_precision : refused unless False and "full".

    Raises
    ------
    InputError : n_modes that are no pair, an unknown factorization, complex fields, or separable
        weights between different numbers of channels.

    References
    ----------
    Bonev et al., Spherical Fourier Neural Operators: Learning Stable Dynamics on the Sphere, ICML 2023,
    arXiv 2306.03838.
    """

    order = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        n_modes: Sequence[int],
        *,
        max_n_modes: Sequence[int] | None = None,
        bias: bool = True,
        separable: bool = False,
        resolution_scaling_factor: float | list[float] | None = None,
        rank: float = 0.5,
        factorization: str | None = None,
        implementation: Implementation = "reconstructed",
        fixed_rank_modes: bool | list[int] = False,
        decomposition_kwargs: dict | None = None,
        init_std: float | Literal["auto"] = "auto",
        complex_data: bool = False,
        fno_block_precision: str = "full",
        device: torch.device | None = None,
    ) -> None:
        super().__init__(device=device)
        _check(n_modes, separable and in_channels != out_channels, factorization, implementation)
        if complex_data or fno_block_precision != "full":
            raise InputError(
                "complex_data, fno_block_precision: must be False and full, got "
                f"{complex_data} and {fno_block_precision!r}; precision is set by the precision mode of the run"
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.separable, self.implementation = separable, implementation
        self.n_modes = n_modes
        self.max_n_modes = self.n_modes if max_n_modes is None else list(max_n_modes)
        self.resolution_scaling_factor = validate_scaling_factor(resolution_scaling_factor, self.order)
        std = (2 / (in_channels + out_channels)) ** 0.5 if init_std == "auto" else init_std
        channels = (in_channels,) if separable else (in_channels, out_channels)
        self.weight = FactorizedTensor.new(
            (*channels, self.n_modes[0]),
            rank=rank,
            factorization=f"Complex{(factorization or 'dense').lower().removeprefix('complex')}",
            fixed_rank_modes=([0] if fixed_rank_modes is True else fixed_rank_modes) or None,
            device=device,
            **(decomposition_kwargs or {}),
        )
        self.weight.normal_(0, std)
        self.bias = nn.Parameter(std * torch.randn(out_channels, 1, 1, device=device)) if bias else None

    @property
    def n_modes(self) -> list[int]:
        """Degrees and twice the orders that the layer uses now, at most as many degrees as are stored."""
        return self._n_modes

    @n_modes.setter
    def n_modes(self, n_modes: Sequence[int]) -> None:
        self._n_modes = list(n_modes)

    def forward(self, x: Tensor, output_shape: tuple[int, int] | None = None) -> Tensor:
        """Apply the operator.

        Parameters
        ----------
        x : (B, in_channels, latitudes, longitudes), real.
        output_shape : of the output's grid on the sphere; None takes that of x, scaled by the layer's
            resolution_scaling_factor if it has one.

        Returns
        -------
        (B, out_channels, *output_shape), in the dtype of x. Computed in the types that
        :func:`nolab.spectral.precision.current` names, whatever autocast asks.
        """
        shape = scaled_shape(x, output_shape, self.resolution_scaling_factor)
        degrees, orders = self._modes(tuple(x.shape[2:]), shape)
        precision = current()
        with torch.autocast(x.device.type, enabled=False):
            field, factor = stabilise(x, precision)
            pairs = analyse(field, degrees, orders)
            pairs = self._mix(pairs.to(stage_dtype(precision.mixing, x)), factor)
            out = synthesise(pairs.to(stage_dtype(precision.synthesis, x)), shape)
            return restore(out, factor, self.bias, x.dtype)

    def transform(self, x: Tensor, output_shape: tuple[int, int] | None = None) -> Tensor:
        """Resample a skip connection's field (B, C, *S) to the grid of the output, bilinearly in θ and φ."""
        shape = scaled_shape(x, output_shape, self.resolution_scaling_factor)
        return x if tuple(x.shape[2:]) == shape else resample_linear(x, Domain.sphere().axes, shape)

    def clipped(self, shape: tuple[int, int]) -> str | None:
        """What a grid of `shape` leaves out: ``"8x8 of 12x12 degrees and orders"``; None if it carries all."""
        kept, asked = self._modes(shape, shape), self._asked()
        if kept == asked:
            return None
        return f"{'x'.join(map(str, kept))} of {'x'.join(map(str, asked))} degrees and orders"

    def _mix(self, pairs: Tensor, factor: Factor | None) -> Tensor:
        """(B, C, L, M, 2) -> (B, O, L, M, 2): the orders share their weights, as the samples do."""
        batch, degrees = pairs.shape[0], pairs.shape[2]
        mixed = mix(
            pairs.permute(0, 3, 1, 2, 4).flatten(0, 1),
            self.weight,
            (AxisModes(0, degrees, 0),),
            separable=self.separable,
            reconstruct=self.implementation == "reconstructed",
            factor=factor,
        )
        return mixed.unflatten(0, (batch, -1)).permute(0, 2, 3, 1, 4)

    def _asked(self) -> tuple[int, int]:
        """Degrees and orders that the layer uses where the grid carries them; no order exceeds the degrees."""
        degrees = min(self.n_modes[0], self.weight.shape[-1])
        return degrees, min(self.n_modes[1] // 2, degrees)

    def _modes(self, source: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
        """Degrees and orders that both grids carry."""
        limits = self._asked(), carried(source), carried(target)
        degrees = min(limit[0] for limit in limits)
        return degrees, min(degrees, *(limit[1] for limit in limits))


def _check(
    n_modes: int | Sequence[int], unequal: bool, factorization: str | None, implementation: str
) -> None:
    pair = isinstance(n_modes, Sequence) and len(n_modes) == 2
    if not pair or n_modes[0] < 1 or n_modes[1] < 2:
        raise InputError(
            f"n_modes: must be (degrees, twice the orders), at least (1, 2), on the sphere, got {n_modes}"
        )
    if unequal:
        raise InputError("separable: must have as many output as input channels; use separable=False")
    kind = (factorization or "dense").lower().removeprefix("complex")
    if kind not in FACTORIZATIONS:
        raise unknown("factorization", factorization, FACTORIZATIONS)
    if implementation not in get_args(Implementation):
        raise unknown("implementation", implementation, get_args(Implementation))
