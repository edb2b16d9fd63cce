"""The spectral convolution layer."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from neuralop.layers.resample import resample as resample_index
from neuralop.layers.spectral_convolution import SpectralConv as NeuralopSpectralConv
from torch import Tensor

from nolab.errors import InputError, unknown
from nolab.grid import Axis, Domain
from nolab.spectral import fft, products
from nolab.spectral.choice import most_modes
from nolab.spectral.contraction import Order, mix
from nolab.spectral.modes import INDEX_AXIS, AxisModes, consistent_band, index_band, keep_modes
from nolab.spectral.precision import (
    Factor,
    SpectralLayer,
    SpectralPrecision,
    current,
    restore,
    stabilise,
    stage_dtype,
)
from nolab.spectral.resample import resample_linear, scaled_shape

Discretization = Literal["consistent", "index"]
Transform = Literal["auto", "fft", "matmul"]
Implementation = Literal["factorized", "reconstructed"]
FACTORIZATIONS = ("dense", "tucker", "cp", "tt")


class SpectralConv(SpectralLayer, NeuralopSpectralConv):
    r"""Fourier layer's integral operator, as one operator seen through any grid of its domain.

    .. math:: (Kf)(x) = \mathrm{Re} \sum_k c_k W_k X_k e^{2πi k·(x-a)/P}, \quad
              X_k = \frac{1}{P} \int f(x) e^{-2πi k·(x-a)/P} dx

    with a the start of the domain, P the period, W_k a complex (in, out) matrix for each mode
    and c_k = 2 where the last component of k stands for its mirror image too, else 1. The
    integral is the quadrature of :class:`nolab.grid.Axis`, on nodal axes made exact for linear
    fields (:mod:`nolab.spectral.ends`), so that grids of any size and placement approximate the
    same operator.

    A drop-in ``conv_module`` for neuraloperator 2.0.0's models, used as
    ``functools.partial(SpectralConv, domain=domain)``. Parameters, their names and their
    initialisation are neuraloperator's, so state dicts interchange.

    Parameters
    ----------
    in_channels, out_channels, n_modes, max_n_modes, bias, separable, resolution_scaling_factor,
    rank, factorization, implementation, fixed_rank_modes, decomposition_kwargs, init_std, device :
        as in neuraloperator; n_modes counts negative and positive frequencies, and n//2 + 1 are
        stored along the last axis.
    domain : where the fields live; None is the periodic unit box.
    discretization :
        ``consistent`` integrates over the domain, and keeps the modes below the grid's Nyquist
        frequency. ``index`` is the discrete transform of the n samples, whatever they mean, and
        keeps the Nyquist frequency: neuraloperator 2.0.0 on even grids, and right on odd ones.
    period : the transform's period as a multiple of the domain's length, one number or one per
        axis, at least 1. More than 1 is domain padding that costs no padded memory.
    transform : ``fft``, ``matmul`` (products with constant cos/sin matrices) or ``auto``:
        products where the period is not 1 and where a table of measurements has them faster
        (:mod:`nolab.spectral.choice`), else FFT.
    contraction : what the order of the contraction with factors minimises, ``flops`` or ``memory``.
    complex_data, fno_block_precision : refused unless False and "full".

    Raises
    ------
    InputError : an unknown mode, a domain of another dimension, a period below 1 or one that the
        chosen transform or discretization does not have.

    References
    ----------
    Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
    arXiv 2010.08895. Kossaifi et al., Multi-Grid Tensorized Fourier Neural Operator, TMLR 2024.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        n_modes: int | Sequence[int],
        *,
        domain: Domain | None = None,
        discretization: Discretization = "consistent",
        period: float | Sequence[float] = 1.0,
        transform: Transform = "auto",
        contraction: Order = "flops",
        max_n_modes: int | Sequence[int] | None = None,
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
        _check_modes(discretization, transform, contraction, implementation, factorization)
        if complex_data:
            raise InputError("complex_data: this spectral convolution is for real fields, got True")
        if fno_block_precision != "full":
            raise InputError(
                f"fno_block_precision: must be full, got {fno_block_precision!r}; "
                "reduced precision is set by the precision mode of the run"
            )
        super().__init__(
            in_channels,
            out_channels,
            n_modes,
            max_n_modes=max_n_modes,
            bias=bias,
            separable=separable,
            resolution_scaling_factor=resolution_scaling_factor,
            rank=rank,
            factorization=factorization,
            implementation=implementation,
            fixed_rank_modes=fixed_rank_modes,
            decomposition_kwargs=decomposition_kwargs,
            init_std=init_std,
            device=device,
        )
        self.discretization = discretization
        self.axes = _axes(domain, self.order, discretization)
        self.periods = _periods(period, self.order, discretization, transform)
        self._path = transform
        self._contraction = contraction

    def forward(self, x: Tensor, output_shape: tuple[int, ...] | None = None) -> Tensor:
        """Apply the operator.

        Parameters
        ----------
        x : (B, in_channels, *S), real.
        output_shape : points per axis of the output's grid on the same domain; None takes S,
            scaled by the layer's resolution_scaling_factor if it has one.

        Returns
        -------
        (B, out_channels, *output_shape), in the dtype of x. Computed in the types that
        :func:`nolab.spectral.precision.current` names, whatever autocast asks; they are float32
        (float64 for such an x) unless a precision mode lowers them, and then products are taken.

        Raises
        ------
        InputError : reduced precision where the transform was fixed to the FFT.
        """
        shape = scaled_shape(x, output_shape, self.resolution_scaling_factor)
        modes = self._modes(tuple(x.shape[2:]), shape)
        precision = current()
        if precision.is_reduced and self.half_obstacle:
            raise InputError(self.half_obstacle)
        by_products = precision.is_reduced or self._takes_products(x, modes)
        with torch.autocast(x.device.type, enabled=False):
            field, factor = stabilise(x, precision)
            if by_products:
                out = self._by_products(field, modes, shape, precision, factor)
            else:
                out = self._by_fft(field, modes, shape)
            return restore(out, factor, self.bias, x.dtype)

    @property
    def half_obstacle(self) -> str | None:
        """Why this layer can't run below float32, with the way out; None where it can."""
        if self._path == "fft":
            return "transform=fft runs in float32 only; use transform=auto or transform=matmul"
        return None

    def transform(self, x: Tensor, output_shape: tuple[int, ...] | None = None) -> Tensor:
        """Resample a skip connection's field (B, C, *S) to the grid of the output.

        Multilinear on true coordinates if consistent, neuraloperator's ``resample`` if index.
        """
        shape = scaled_shape(x, output_shape, self.resolution_scaling_factor)
        if tuple(x.shape[2:]) == shape:
            return x
        if self.discretization == "index":
            return resample_index(x, 1.0, list(range(2, x.ndim)), output_shape=shape)
        return resample_linear(x, self.axes, shape)

    def extra_repr(self) -> str:
        return f"discretization={self.discretization}, periods={self.periods}, transform={self._path}"

    def _by_fft(self, x: Tensor, modes: tuple[AxisModes, ...], shape: tuple[int, ...]) -> Tensor:
        coefficients = fft.analyse(x, self.axes, modes)  # (B, C, *K)
        pairs = self._mix(torch.view_as_real(coefficients), modes)  # (B, O, *K, 2)
        coefficients = torch.view_as_complex(pairs.contiguous())
        coefficients = fft.shift_cells(coefficients, self.axes, modes, tuple(x.shape[2:]), shape)
        return fft.synthesise(coefficients, self.axes, modes, shape).contiguous()

    def _by_products(
        self,
        x: Tensor,
        modes: tuple[AxisModes, ...],
        shape: tuple[int, ...],
        precision: SpectralPrecision,
        factor: Factor | None,
    ) -> Tensor:
        pairs = products.analyse(x, self.axes, modes, self.periods)
        pairs = self._mix(pairs.to(stage_dtype(precision.mixing, x)), modes, factor)
        pairs = pairs.to(stage_dtype(precision.synthesis, x))
        return products.synthesise(pairs, self.axes, modes, self.periods, shape)

    def _mix(self, pairs: Tensor, modes: tuple[AxisModes, ...], factor: Factor | None = None) -> Tensor:
        return mix(
            pairs,
            self.weight,
            modes,
            separable=self.separable,
            reconstruct=self.implementation == "reconstructed",
            order=self._contraction,
            factor=factor,
        )

    def _takes_products(self, x: Tensor, modes: tuple[AxisModes, ...]) -> bool:
        if self._path != "auto":
            return self._path == "matmul"
        if any(period != 1 for period in self.periods):
            return True
        dtype = torch.promote_types(x.dtype, torch.float32)
        limit = most_modes(x.device, dtype, self.order, max(x.shape[2:]))
        # Along the last axis half of the modes follow from the other half.
        return max([*(m.count for m in modes[:-1]), 2 * (modes[-1].count - 1)]) <= limit

    def clipped(self, shape: tuple[int, ...]) -> str | None:
        """What a grid of `shape` can't carry: ``"7x4 of 12x7 modes"``, or None if it carries all."""
        kept = [modes.count for modes in self._modes(shape, shape)]
        if kept == list(self.n_modes):
            return None
        return f"{'x'.join(map(str, kept))} of {'x'.join(map(str, self.n_modes))} modes"

    def _modes(self, source: tuple[int, ...], target: tuple[int, ...]) -> tuple[AxisModes, ...]:
        """The modes that both grids carry, per axis."""
        stored = self.weight.shape[-self.order :]
        modes = []
        for dim, axis in enumerate(self.axes):
            last = dim == self.order - 1
            if self.discretization == "index":
                bands = [index_band(n, last=last) for n in (source[dim], target[dim])]
            else:
                bands = [consistent_band(axis, n, self.periods[dim]) for n in (source[dim], target[dim])]
            band = max(low for low, _ in bands), min(high for _, high in bands)
            modes.append(keep_modes(band, stored[dim], self.n_modes[dim], last=last))
        return tuple(modes)


def _check_modes(
    discretization: str, transform: str, contraction: str, implementation: str, factorization: str | None
) -> None:
    for name, value, allowed in (
        ("discretization", discretization, get_args(Discretization)),
        ("transform", transform, get_args(Transform)),
        ("contraction", contraction, get_args(Order)),
        ("implementation", implementation, get_args(Implementation)),
        ("factorization", (factorization or "dense").lower(), FACTORIZATIONS),
    ):
        if value not in allowed:
            raise unknown(name, value, allowed)


def _axes(domain: Domain | None, order: int, discretization: str) -> tuple[Axis, ...]:
    if domain is not None and domain.ndim != order:
        raise InputError(f"n_modes: {order} given for a domain of dimension {domain.ndim}")
    if domain is not None and any(axis.placement == "latitude" for axis in domain.axes):
        raise InputError("domain: latitudes have no Fourier series; on the sphere use model=sfno or deeponet")
    if domain is None or discretization == "index":
        return (INDEX_AXIS,) * order
    return domain.axes


def _periods(
    period: float | Sequence[float], order: int, discretization: str, transform: str
) -> tuple[float, ...]:
    periods = tuple(period) if isinstance(period, Sequence) else (period,) * order
    if len(periods) != order or not all(value >= 1 for value in periods):
        raise InputError(f"period: must be at least 1, one number or one per axis ({order}), got {period}")
    if any(value != 1 for value in periods):
        if transform == "fft":
            raise InputError("period: the FFT has period 1 only; use transform=matmul or auto")
        if discretization == "index":
            raise InputError("period: index grids have no length; use discretization=consistent")
    return tuple(float(value) for value in periods)
