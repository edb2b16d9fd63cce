"""DeepONet: a branch network of the input times a trunk network of the coordinates (arXiv 1910.03193)."""

from dataclasses import dataclass
from math import prod
from typing import Literal

from torch import nn

from nolab.errors import InputError, unknown
from nolab.fields import OperatorSpec
from nolab.grid import Domain
from nolab.models._deeponet import DeepONet, Gated, Separate, Side
from nolab.models._networks import (
    MLP,
    Activation,
    ConvolutionalBranch,
    CoordinateLayer,
    ResidualTrunk,
    n_features,
)
from nolab.models._sensors import Sensors
from nolab.schema import check

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "Options", "build"]

CONSISTENCY = (
    "The trunk is a function of true coordinates and the branch reads the input at fixed physical sensors: "
    "exactly on grids that contain them, else interpolated linearly, so levels differ by that interpolation "
    "only, O(h²) for a smooth input and O(h) in the mean for one with jumps."
)
NEVAL_SAVES = (
    "The branch runs once per sample whatever N_eval is, and the trunk once per distinct point of the batch: "
    "N points for the whole grid, N_eval shared ones, at most min(N, B·N_eval) drawn per sample. So N_eval "
    "saves the trunk's time and memory where B·N_eval is below N or the points are shared, and beyond that "
    "the inner products'. With variant=gated both networks run on all B·N_eval pairs: time and memory fall in "
    "proportion to N_eval."
)

_REFUSED = {
    "pod": "POD-DeepONet takes its basis from the outputs on the whole grid and has no trunk to sample",
    "two_step": "two-step training (arXiv 2309.01020) needs the trunk's values at all points, for their QR factors",
}


@dataclass(frozen=True)
class Options:
    """Options of the DeepONet.

    The examples of randomised trunk sampling (arXiv 2409.13280) are, in the order branch_hidden,
    trunk_hidden, basis: (40,)*3, (40,)*3, 40; (64,)*3, (64,)*3, 128; and branch=cnn with
    branch_hidden=(150, 150), trunk=resnet, basis=150, as here; all of them with activation=relu.
    """

    variant: str = "vanilla"
    """``vanilla``: branch and trunk meet in the inner product; ``gated``: the modified DeepONet of arXiv
    2110.01654, which mixes encodings of input and point in every layer of both networks."""
    basis: int = 150
    """Basis functions per output, p."""
    branch: Literal["mlp", "cnn"] = "cnn"
    branch_hidden: tuple[int, ...] = (150, 150)
    """Hidden widths of the MLP branch, or of the fully connected layers behind the convolutions."""
    cnn_channels: tuple[int, ...] = (40, 60, 100)
    """Channels of the branch's convolutions; each is followed by average pooling by 2."""
    cnn_kernel: int = 3
    """Odd width of the convolutions."""
    trunk: Literal["mlp", "resnet"] = "resnet"
    trunk_hidden: tuple[int, ...] = (64, 64, 64)
    """Hidden widths of the MLP trunk."""
    trunk_width: int = 150
    """Width of the residual trunk."""
    trunk_blocks: int = 2
    trunk_layers: int = 2
    """Linear layers in each residual block."""
    activation: Activation = "relu"
    fourier_features: int = 0
    """Highest frequency k of the trunk's cosines and sines. On periodic axes they replace the coordinate,
    which makes the prediction periodic; on the others they are appended to it."""
    output_bias: bool = True
    """Add a trained constant per output."""
    outputs: Literal["split_both", "split_branch"] = "split_both"
    """Several outputs (arXiv 2111.05512): each has basis functions of its own, or all share them."""
    hard_boundary: tuple[Side | None, ...] | Side | None = None
    """Sides on which the physical output is exactly zero: start, stop, both or null, for every axis or
    one per axis."""
    sensors: tuple[int, ...] | int | None = None
    """Grid of points at which the branch reads the input; null takes the finest level's."""

    def __post_init__(self) -> None:
        if self.variant in _REFUSED:
            raise InputError(
                f"variant: '{self.variant}' is not offered: {_REFUSED[self.variant]}; use vanilla or gated"
            )
        if self.variant not in ("vanilla", "gated"):
            raise unknown("variant", self.variant, ("vanilla", "gated"))
        for name in ("basis", "trunk_width", "trunk_blocks", "trunk_layers"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        check(all(w >= 1 for w in self.branch_hidden), "branch_hidden", self.branch_hidden, "widths >= 1")
        for name in ("trunk_hidden", "cnn_channels"):
            widths = getattr(self, name)
            check(bool(widths) and min(widths) >= 1, name, widths, "one or more widths >= 1")
        odd = self.cnn_kernel >= 1 and self.cnn_kernel % 2 == 1
        check(odd, "cnn_kernel", self.cnn_kernel, "odd and at least 1")
        check(self.fourier_features >= 0, "fourier_features", self.fourier_features, "at least 0")
        if self.variant == "gated":
            self._check_gated()

    def _check_gated(self) -> None:
        for name in ("branch", "trunk"):
            check(getattr(self, name) == "mlp", name, getattr(self, name), "mlp where variant=gated")
        widths = set(self.branch_hidden + self.trunk_hidden)
        check(
            bool(self.branch_hidden) and len(widths) == 1,
            "branch_hidden",
            self.branch_hidden,
            f"of one width with trunk_hidden {self.trunk_hidden} where variant=gated",
        )


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """The DeepONet between the fields of `spec`.

    Raises
    ------
    InputError : options that do not fit the domain.
    """
    sensors = Sensors.of(spec, options.sensors)
    networks = (_gated if options.variant == "gated" else _separate)(options, spec, sensors)
    sides = _per_axis(options.hard_boundary, spec.domain)
    return DeepONet(spec, sensors, networks, options.fourier_features, sides, options.output_bias)


def _groups(options: Options, spec: OperatorSpec) -> int:
    return spec.out_channels if options.outputs == "split_both" else 1


def _separate(options: Options, spec: OperatorSpec, sensors: Sensors) -> Separate:
    o, groups = options, _groups(options, spec)
    n_coefficients, n_basis = spec.out_channels * o.basis, groups * o.basis
    if o.branch == "cnn":
        channels = (spec.in_channels, *o.cnn_channels)
        branch = ConvolutionalBranch(
            channels, sensors.shape, o.cnn_kernel, o.branch_hidden, n_coefficients, o.activation
        )
    else:
        n_values = spec.in_channels * prod(sensors.shape)
        branch = nn.Sequential(nn.Flatten(), MLP(n_values, o.branch_hidden, n_coefficients, o.activation))
    n_in = n_features(spec.domain, o.fourier_features)
    if o.trunk == "resnet":
        trunk = ResidualTrunk(n_in, o.trunk_width, o.trunk_blocks, o.trunk_layers, n_basis, o.activation)
    else:
        trunk = MLP(n_in, o.trunk_hidden, n_basis, o.activation, CoordinateLayer)
    return Separate(branch, trunk, spec.out_channels, groups)


def _gated(options: Options, spec: OperatorSpec, sensors: Sensors) -> Gated:
    return Gated(
        n_values=spec.in_channels * prod(sensors.shape),
        n_features=n_features(spec.domain, options.fourier_features),
        width=options.trunk_hidden[0],
        depths=(len(options.branch_hidden), len(options.trunk_hidden)),
        n_outputs=spec.out_channels,
        groups=_groups(options, spec),
        n_basis=options.basis,
        activation=options.activation,
    )


def _per_axis(sides: tuple[Side | None, ...] | Side | None, domain: Domain) -> tuple[Side | None, ...]:
    if not isinstance(sides, tuple):
        sides = (sides,) * domain.ndim
    check(
        len(sides) == domain.ndim,
        "hard_boundary",
        sides,
        f"one value or one per axis of the domain ({domain.ndim})",
    )
    for position, (side, axis) in enumerate(zip(sides, domain.axes, strict=True)):
        free = side is None or axis.placement not in ("periodic", "latitude")
        rule = f"null on axis {position}, which is {axis.placement} and has no boundary"
        check(free, "hard_boundary", sides, rule)
    return sides
