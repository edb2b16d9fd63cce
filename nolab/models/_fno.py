"""What FNO and TFNO share: options, positional features and the forward on a FieldBatch.

Shapes: B samples, C channels, S the grid's shape, P chosen points.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from neuralop.models.fno import FNO
from torch import Tensor, nn
from torch.nn import functional as F

from nolab.errors import InputError
from nolab.fields import FieldBatch, OperatorSpec
from nolab.grid import Domain
from nolab.schema import check
from nolab.spectral import SpectralConv
from nolab.spectral.constants import constant
from nolab.spectral.conv import Discretization, Transform

Skip = Literal["linear", "identity", "soft-gating"]

CONSISTENCY = (
    "With discretization=consistent everything but the norms is a quadrature or a pointwise function of true "
    "coordinates, so levels differ by discretisation error only; group_norm and instance_norm take the plain "
    "mean over samples, which on nodal grids differs from the integral by O(h). With discretization=index a "
    "level is an operator of its own."
)
NEVAL_SAVES = (
    "The Fourier blocks run on the whole grid; only the pointwise projection head is computed at the chosen "
    "points, so N_eval saves the head's time and memory and no more."
)


@dataclass(frozen=True)
class FourierOptions:
    """Options that every Fourier neural operator has."""

    n_modes: tuple[int, ...] | int = 16
    """Frequencies per axis, negative and positive together; one number serves every axis."""
    hidden_channels: int = 32
    n_layers: int = 4
    lifting_channel_ratio: float = 2
    """Width of the lifting's hidden layer over hidden_channels; 0 makes the lifting linear."""
    projection_channel_ratio: float = 2
    """Width of the projection's hidden layer over hidden_channels."""
    positional_embedding: bool = True
    """Append the coordinates, scaled to [0, 1] by the domain, to the input."""
    norm: Literal["group_norm", "instance_norm"] | None = None
    """Per-sample normalisation; a plain mean over samples, uniform on nodal grids too."""
    fno_skip: Skip | None = "linear"
    channel_mlp_skip: Skip | None = "soft-gating"
    """Skip around the channel MLP; of no effect without one."""
    use_channel_mlp: bool = True
    channel_mlp_expansion: float = 0.5
    """Width of the channel MLP's hidden layer over hidden_channels."""
    non_linearity: Literal["gelu", "relu", "silu", "tanh"] = "gelu"
    discretization: Discretization = "consistent"
    """``consistent`` integrates over the domain; ``index`` is neuraloperator's, for parity."""
    transform: Transform = "auto"
    """Path of the spectral transform, see :class:`nolab.spectral.SpectralConv`."""
    period: tuple[float, ...] | float = 1.0
    """Period of the transform over the domain's length, one number or one per axis; above 1 it pads."""

    def __post_init__(self) -> None:
        modes = _as_tuple(self.n_modes)
        check(bool(modes) and min(modes) >= 1, "n_modes", self.n_modes, "at least 1 on every axis")
        for name in ("hidden_channels", "n_layers"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        check(
            self.lifting_channel_ratio >= 0, "lifting_channel_ratio", self.lifting_channel_ratio, "at least 0"
        )
        for name in ("projection_channel_ratio", "channel_mlp_expansion"):
            width = int(getattr(self, name) * self.hidden_channels)
            check(
                width >= 1, name, getattr(self, name), f"at least 1/hidden_channels ({self.hidden_channels})"
            )
        periods = _as_tuple(self.period)
        check(bool(periods) and min(periods) >= 1, "period", self.period, "at least 1 on every axis")


class FourierOperator(nn.Module):
    """Fourier neural operator on the grids of one domain.

    Built from the parts of :class:`neuralop.models.FNO` and named like them, so the state dict
    interchanges with that of neuraloperator 2.0.0 (whose own has one more key, ``_metadata``).

    Level consistency: transforms are quadratures over the domain and positional features its
    coordinates, so the model is one operator on all grids, up to discretisation error of second
    order; only norms are means over samples, first order on nodal grids (see ``CONSISTENCY``).

    Parameters
    ----------
    options : see :class:`FourierOptions`.
    spec : the fields between which it maps; every batch lies on their domain.
    factorization : neuraloperator's arguments for factorised weights; empty for dense ones.

    Raises
    ------
    InputError : options that do not fit the domain or one another.

    References
    ----------
    Li et al., Fourier Neural Operator for Parametric Partial Differential Equations, ICLR 2021,
    arXiv 2010.08895.
    """

    def __init__(
        self,
        options: FourierOptions,
        spec: OperatorSpec,
        factorization: dict | None = None,
    ) -> None:
        super().__init__()
        self.domain = domain = spec.domain
        self.positional_embedding = options.positional_embedding
        self.by_index = options.discretization == "index"
        convolution = partial(
            SpectralConv,
            domain=domain,
            discretization=options.discretization,
            period=options.period,
            transform=options.transform,
        )
        parts = FNO(
            n_modes=_per_axis(options.n_modes, domain.ndim),
            in_channels=spec.in_channels + domain.ndim * options.positional_embedding,
            out_channels=spec.out_channels,
            hidden_channels=options.hidden_channels,
            n_layers=options.n_layers,
            lifting_channel_ratio=options.lifting_channel_ratio,
            projection_channel_ratio=options.projection_channel_ratio,
            positional_embedding=None,
            non_linearity=getattr(F, options.non_linearity),
            norm=options.norm,
            use_channel_mlp=options.use_channel_mlp,
            channel_mlp_expansion=options.channel_mlp_expansion,
            channel_mlp_skip=options.channel_mlp_skip,
            fno_skip=options.fno_skip,
            conv_module=convolution,
            **(factorization or {}),
        )
        # The parts alone: FNO itself would put its constructor's arguments, code among them, into
        # every state dict, and its forward computes the projection at all points.
        self.fno_blocks = parts.fno_blocks
        self.lifting = parts.lifting
        self.projection = parts.projection

    def forward(self, batch: FieldBatch) -> Tensor:
        """Prediction at the batch's points.

        Parameters
        ----------
        batch : FieldBatch with an input on a grid S of the model's domain.

        Returns
        -------
        (B, C_out, *S), or (B, C_out, P) where points are chosen.

        Raises
        ------
        InputError : a batch on another domain, or one that asks for coordinates off the grid.
        """
        if batch.domain != self.domain:
            raise InputError(f"domain: the model lives on {self.domain}, the batch on {batch.domain}")
        x = batch.on_grid()  # (B, C_in, *S)
        if self.positional_embedding:
            features = _positions(self.domain, batch.shape, self.by_index, x.dtype, x.device)
            x = torch.cat([x, features.expand(len(batch), *features.shape)], dim=1)
        x = self.lifting(x)  # (B, hidden, *S)
        for layer in range(self.fno_blocks.n_layers):
            x = self.fno_blocks(x, layer)
        return self.projection(batch.select(x))

    def remark(self, shape: tuple[int, ...]) -> str | None:
        """What a user should know of the model on a grid of `shape`: frequencies that it can't carry."""
        clipped = self.fno_blocks.convs[0].clipped(shape)
        return None if clipped is None else f"carries {clipped}; the others have no effect there"


@constant
def _positions(
    domain: Domain, shape: tuple[int, ...], by_index: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Positional features (ndim, *S): the domain's coordinates scaled to [0, 1], or index/n."""
    if by_index:
        return Domain.unit(domain.ndim, "periodic").coordinates(shape).to(device=device, dtype=dtype)
    return domain.positions(shape).to(device=device, dtype=dtype)


def _per_axis(n_modes: tuple[int, ...] | int, ndim: int) -> tuple[int, ...]:
    if isinstance(n_modes, int):
        return (n_modes,) * ndim
    check(len(n_modes) == ndim, "n_modes", n_modes, f"one number or one per axis of the domain ({ndim})")
    return n_modes


def _as_tuple(value: tuple | float) -> tuple:
    return value if isinstance(value, tuple) else (value,)
