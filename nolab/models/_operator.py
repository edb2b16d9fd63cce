"""What operators of spectral layers share: options, and the forward on a FieldBatch.

Shapes: B samples, C channels, S the grid's shape, P chosen points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from neuralop.models.fno import FNO
from torch import Tensor, nn
from torch.nn import functional as F

from nolab.fields import FieldBatch, OperatorSpec
from nolab.models._checkpointing import Checkpointed
from nolab.models._spectral_block import channel_mlp, spectral_block
from nolab.schema import check

_MOST, _MOST_LAYERS = 2**20, 1024  # beyond them sizes overflow before any memory is asked for

Skip = Literal["linear", "identity", "soft-gating"]


@dataclass(frozen=True)
class OperatorOptions:
    """Options that every operator of spectral layers has."""

    n_modes: tuple[int, ...] | int = 16
    """Modes per axis as neuraloperator counts them; one number serves every axis."""
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

    def __post_init__(self) -> None:
        modes = as_tuple(self.n_modes)
        check(bool(modes) and min(modes) >= 1, "n_modes", self.n_modes, "at least 1 on every axis")
        check(max(modes) <= _MOST, "n_modes", self.n_modes, f"at most {_MOST}")
        for name, most in (("hidden_channels", _MOST), ("n_layers", _MOST_LAYERS)):
            check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
            check(getattr(self, name) <= most, name, getattr(self, name), f"at most {most}")
        check(
            self.lifting_channel_ratio >= 0, "lifting_channel_ratio", self.lifting_channel_ratio, "at least 0"
        )
        for name in ("projection_channel_ratio", "channel_mlp_expansion"):
            width = int(getattr(self, name) * self.hidden_channels)
            check(
                width >= 1, name, getattr(self, name), f"at least 1/hidden_channels ({self.hidden_channels})"
            )


class SpectralOperator(Checkpointed, nn.Module):
    """A neural operator of spectral layers on the grids of one domain.

    Built from the parts of :class:`neuralop.models.FNO` and named like them, so the state dict
    interchanges with that of neuraloperator 2.0.0 (whose own has one more key, ``_metadata``). A
    subclass says what its positional features are.

    Parameters
    ----------
    options : see :class:`OperatorOptions`.
    spec : the fields between which it maps; every batch lies on their domain.
    convolution : the layers' integral operator, called as neuraloperator's ``conv_module``.
    factorization : neuraloperator's arguments for factorised weights; empty for dense ones.

    Raises
    ------
    InputError : options that do not fit the domain or one another.
    """

    def __init__(
        self,
        options: OperatorOptions,
        spec: OperatorSpec,
        convolution: Callable[..., nn.Module],
        factorization: dict | None = None,
    ) -> None:
        super().__init__()
        self.domain = spec.domain
        self.positional_embedding = options.positional_embedding
        parts = FNO(
            n_modes=_per_axis(options.n_modes, self.domain.ndim),
            in_channels=spec.in_channels + self.n_positions * options.positional_embedding,
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
        batch.check_domain(self.domain)
        x = batch.on_grid()  # (B, C_in, *S)
        if self.positional_embedding:
            features = self.positions(batch.shape, x.dtype, x.device)
            x = torch.cat([x, features.expand(len(batch), *features.shape)], dim=1)
        x = self.run_block(partial(channel_mlp, self.lifting), x)  # (B, hidden, *S)
        for layer in range(self.fno_blocks.n_layers):
            x = self.run_block(partial(spectral_block, self.fno_blocks, layer=layer), x)
        return self.run_block(partial(channel_mlp, self.projection), batch.select(x))

    @property
    def n_positions(self) -> int:
        """Number of positional features."""
        raise NotImplementedError

    def positions(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """Positional features of a grid: (n_positions, *shape)."""
        raise NotImplementedError

    def remark(self, shape: tuple[int, ...]) -> str | None:
        """What a user should know of the model on a grid of `shape`: frequencies that it can't carry."""
        clipped = self.fno_blocks.convs[0].clipped(shape)
        return None if clipped is None else f"carries {clipped}; the others have no effect there"


def _per_axis(n_modes: tuple[int, ...] | int, ndim: int) -> tuple[int, ...]:
    if isinstance(n_modes, int):
        return (n_modes,) * ndim
    check(len(n_modes) == ndim, "n_modes", n_modes, f"one number or one per axis of the domain ({ndim})")
    return n_modes


def as_tuple(value: tuple | float) -> tuple:
    """The values, or the one value, as a tuple."""
    return value if isinstance(value, tuple) else (value,)
