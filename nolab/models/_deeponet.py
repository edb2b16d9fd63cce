"""DeepONets: where their trunk runs, how branch and trunk meet, and the forward on a FieldBatch.

Shapes: B samples, C outputs, p basis functions per output, G groups of basis functions (1 where
the outputs share them, else C), S the grid's shape, N = prod(S) its points, P points at which to
predict, R rows of the trunk's input, F features of a point, M the sensors' grid.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from nolab.errors import InputError
from nolab.fields import FieldBatch, OperatorSpec, take_points
from nolab.grid import Domain
from nolab.models._networks import MLP, Activation, CoordinateLayer, features
from nolab.models._sensors import Sensors
from nolab.spectral.constants import constant

Side = Literal["start", "stop", "both"]

# Measured, forward and backward, on one AVX2 core: see plan_rows and combine.
_SCAN = 16
_GATHER = 64


@dataclass(frozen=True)
class Rows:
    """At which points a trunk runs, and where each sample's P points stand among them.

    Parameters
    ----------
    index : (R,), the grid points of the rows; None: all of them, or rows off the grid.
    place : (B, P), the row of each sample's points; None: the rows are the points, in order.
    per_sample : each sample has P rows of its own, R = B·P, in order; else the samples share them.
    """

    index: Tensor | None = None
    place: Tensor | None = None
    per_sample: bool = False


def plan_rows(points: Tensor | None, n: int, *, share: bool = True) -> Rows:
    """The rows with which a trunk costs least.

    A trunk knows nothing of the input, so a point costs one row however many samples want it: N rows
    for the whole grid, P for shared points, and for points per sample the R ≤ min(N, B·P) distinct
    ones. Finding them costs O(N + B·P), which pays unless N > 16·B·P: then at most 3% of the rows
    coincide, if the points are random, and each sample gets rows of its own. On a GPU and under
    torch.compile, where R must not depend on the data, the choice is between all N and B·P.

    Parameters
    ----------
    points : flat indices into the grid, (P,) or (B, P), or None for all of it.
    n : N.
    share : whether samples can share rows.
    """
    if points is None or points.ndim == 1:
        return Rows(points)
    own = Rows(points.flatten(), per_sample=True)
    if not share:
        return own
    if points.device.type != "cpu" or torch.compiler.is_compiling():
        return Rows(place=points) if points.numel() >= n else own
    return own if n > _SCAN * points.numel() else _distinct(points, n)


def _distinct(points: Tensor, n: int) -> Rows:
    """The points that occur, ascending, each once; without a sort."""
    occurs = torch.zeros(n, dtype=torch.bool, device=points.device)
    occurs.index_fill_(0, points.flatten(), True)
    rank = occurs.cumsum(0) - 1  # (N,), the row of each point that occurs
    return Rows(occurs.nonzero()[:, 0], place=rank[points])


def combine(coefficients: Tensor, basis: Tensor, rows: Rows) -> Tensor:
    """Inner products of each sample's coefficients with the basis functions at its points.

    Where the samples share rows but want different ones, either all B·R products are taken and
    those wanted picked, or the rows wanted are picked, p numbers each, and multiplied. The first
    costs B·R·p multiplications of a matrix product, the second B·P·p numbers moved there and back,
    each 64 times as dear: so the first where R ≤ 64·P.

    Parameters
    ----------
    coefficients : (B, C, p).
    basis : (R, G, p).

    Returns
    -------
    (B, C, P)
    """
    if rows.per_sample:
        return _own(coefficients, basis.unflatten(0, (len(coefficients), -1)))
    if rows.place is None:
        return _shared(coefficients, basis)
    outputs_per_row = coefficients.shape[1] // basis.shape[1]
    if len(basis) * outputs_per_row <= _GATHER * rows.place.shape[1]:
        return take_points(_shared(coefficients, basis), rows.place)
    picked = basis.index_select(0, rows.place.flatten())
    return _own(coefficients, picked.unflatten(0, rows.place.shape))


def _shared(coefficients: Tensor, basis: Tensor) -> Tensor:
    """(B, C, p) and (R, G, p) to (B, C, R)."""
    if basis.shape[1] == 1:
        return coefficients @ basis[:, 0].T
    return torch.einsum("bck,rck->bcr", coefficients, basis)


def _own(coefficients: Tensor, basis: Tensor) -> Tensor:
    """(B, C, p) and (B, P, G, p) to (B, C, P)."""
    if basis.shape[2] == 1:
        return torch.einsum("bck,bpk->bcp", coefficients, basis[:, :, 0])
    return torch.einsum("bck,bpck->bcp", coefficients, basis)


class Separate(nn.Module):
    """Branch and trunk that meet in the inner product only (Lu et al. 2021, arXiv 1910.03193).

    Parameters
    ----------
    branch : (B, C_in, *M) to (B, C·p).
    trunk : (R, F) to (R, G·p).
    n_outputs, groups : C and G.
    """

    shares_rows = True

    def __init__(self, branch: nn.Module, trunk: nn.Module, n_outputs: int, groups: int) -> None:
        super().__init__()
        self.branch, self.trunk = branch, trunk
        self.n_outputs, self.groups = n_outputs, groups

    def forward(self, values: Tensor, rows_in: Tensor, rows: Rows) -> Tensor:
        """Values (B, C_in, *M) at the sensors and features (R, F) of the rows to (B, C, P)."""
        coefficients = self.branch(values).unflatten(1, (self.n_outputs, -1))  # (B, C, p)
        basis = self.trunk(rows_in).unflatten(1, (self.groups, -1))  # (R, G, p)
        return combine(coefficients, basis, rows)


class Gated(nn.Module):
    """Branch and trunk whose hidden layers all mix encodings of the input and of the point.

    H ← (1−Z)⊙U + Z⊙V, where Z = σ(W·H + b) is the layer, U = σ(W_u·u + b_u) encodes the input and
    V = σ(W_v·y + b_v) the point (Wang, Wang and Perdikaris 2022, arXiv 2110.01654). So both networks
    run on every pair of sample and point; only the encoders and the first layers do not.

    Parameters
    ----------
    n_values, n_features : numbers at the sensors, and features of a point.
    width : of the encoders and of every hidden layer.
    depths : hidden layers of the branch and of the trunk.
    n_outputs, groups, n_basis : C, G and p.
    """

    shares_rows = False

    def __init__(
        self,
        n_values: int,
        n_features: int,
        width: int,
        depths: tuple[int, int],
        n_outputs: int,
        groups: int,
        n_basis: int,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.n_outputs, self.groups = n_outputs, groups
        self.branch = MLP(n_values, (width,) * depths[0], n_outputs * n_basis, activation)
        self.trunk = MLP(n_features, (width,) * depths[1], groups * n_basis, activation, CoordinateLayer)
        self.encode_input = MLP(n_values, (), width, activation)
        self.encode_point = MLP(n_features, (), width, activation, CoordinateLayer)

    def forward(self, values: Tensor, rows_in: Tensor, rows: Rows) -> Tensor:
        """Values (B, C_in, *M) at the sensors and features (R, F) of the rows to (B, C, P)."""
        u = values.flatten(1)[:, None]  # (B, 1, n_values)
        # (1, P, F) shared by the samples, (B, P, F) per sample
        y = rows_in.unflatten(0, (len(values) if rows.per_sample else 1, -1))
        activation = self.branch.activation
        encoded = activation(self.encode_input(u))  # (B, 1, width)
        difference = activation(self.encode_point(y)) - encoded  # (B, P, width)
        coefficients = _gate(self.branch, u, encoded, difference)  # (B, P, C·p)
        basis = _gate(self.trunk, y, encoded, difference)  # (B, P, G·p)
        pairs = coefficients.unflatten(2, (self.n_outputs, -1)) * basis.unflatten(2, (self.groups, -1))
        return pairs.sum(3).transpose(1, 2)


def _gate(network: MLP, x: Tensor, start: Tensor, difference: Tensor) -> Tensor:
    def mixed(layer: nn.Module, x: Tensor) -> Tensor:
        return start + network.activation(layer(x)) * difference  # (B, P, width)

    *hidden, last = network.layers
    for layer in hidden:
        x = network.run_block(mixed, layer, x)
    return last(x)


class DeepONet(nn.Module):
    """A DeepONet on one domain.

    Level consistency: the branch reads the input at fixed physical sensors and the trunk is a
    function of true coordinates, so levels differ by the interpolation onto the sensors only, O(h²).

    Parameters
    ----------
    spec : the fields between which it maps; every batch lies on their domain.
    sensors : where the branch reads the input.
    networks : values at the sensors and features of points to predictions.
    frequencies : of the trunk's features, see :func:`nolab.models._networks.features`.
    zero_sides : per axis, the sides on which the physical output is zero: the normalised prediction
        is φ(y)·N(u, y) + batch.zero, φ being the product of the distances to them, scaled to at most 1.
    bias : whether N has a constant per output.
    """

    def __init__(
        self,
        spec: OperatorSpec,
        sensors: Sensors,
        networks: Separate | Gated,
        frequencies: int,
        zero_sides: tuple[Side | None, ...],
        bias: bool,
    ) -> None:
        super().__init__()
        self.domain = spec.domain
        self.sensors = sensors
        self.networks = networks
        self.frequencies = frequencies
        self.zero_sides = zero_sides if any(zero_sides) else None
        self.bias = nn.Parameter(torch.zeros(spec.out_channels)) if bias else None

    def forward(self, batch: FieldBatch) -> Tensor:
        """Prediction at the batch's queries, at its points, or on its grid.

        Parameters
        ----------
        batch : FieldBatch with an input on a grid S of the model's domain.

        Returns
        -------
        (B, C, Q) at queries, (B, C, P) at points, (B, C, *S) where neither are given.

        Raises
        ------
        InputError : a batch on another domain, queries of another dimension, or no `zero` for a hard
            boundary condition.
        """
        batch.check_domain(self.domain)
        values = self.sensors.read(batch.input)  # (B, C_in, *M)
        at = self._at_points(batch) if batch.queries is None else self._at_queries(batch)
        prediction = self.networks(values, at.features, at.rows)  # (B, C, P)
        if self.bias is not None:
            prediction = prediction + self.bias[:, None]
        if at.distance is not None:
            prediction = at.distance * prediction + _zero(batch)[:, None]
        whole = batch.points is None and batch.queries is None
        return prediction.unflatten(2, batch.shape) if whole else prediction

    def remark(self, shape: tuple[int, ...]) -> str | None:
        """What a user should know of the model on a grid of `shape`: that it interpolates its input."""
        if self.sensors.lie_on(shape):
            return None
        return f"interpolates its input linearly onto the {self.sensors} sensors"

    def _at_points(self, batch: FieldBatch) -> "_Where":
        like = (batch.input.dtype, batch.input.device)
        rows = plan_rows(batch.points, prod(batch.shape), share=self.networks.shares_rows)
        rows_in = _grid_features(self.domain, batch.shape, self.frequencies, *like)  # (N, F)
        if rows.index is not None:
            rows_in = rows_in.index_select(0, rows.index)
        if self.zero_sides is None:
            return _Where(rows_in, rows)
        distance = _grid_distance(self.domain, batch.shape, self.zero_sides, *like)  # (N,)
        if batch.points is not None:
            distance = distance[batch.points]
        return _Where(rows_in, rows, _per_output(distance))

    def _at_queries(self, batch: FieldBatch) -> "_Where":
        queries = batch.queries
        batch.check_queries()
        position = self.domain.scaled(queries)
        rows_in = features(position, self.domain, self.frequencies).to(batch.input.dtype)
        rows = Rows(per_sample=queries.ndim == 3)
        if self.zero_sides is None:
            return _Where(rows_in.flatten(0, -2), rows)
        distance = _distance(position, self.zero_sides).to(batch.input.dtype)
        return _Where(rows_in.flatten(0, -2), rows, _per_output(distance))


@dataclass(frozen=True)
class _Where:
    """Features (R, F) of the trunk's rows, and φ, (P,) or (B, 1, P), at the points."""

    features: Tensor
    rows: Rows
    distance: Tensor | None = None


def _per_output(distance: Tensor) -> Tensor:
    return distance if distance.ndim == 1 else distance[:, None]


def _zero(batch: FieldBatch) -> Tensor:
    if batch.zero is None:
        raise InputError(
            "zero: a hard boundary condition (model.hard_boundary) needs the normalised value of a physical "
            "zero, which this batch does not give"
        )
    return batch.zero


def _grid_positions(domain: Domain, shape: tuple[int, ...]) -> Tensor:
    """The grid's points scaled to [0, 1], (N, ndim), float64."""
    return domain.positions(shape).flatten(1).T


def _distance(position: Tensor, sides: tuple[Side | None, ...]) -> Tensor:
    """φ at scaled positions (..., ndim): zero on the sides, at most 1 inside."""
    factors = {"start": lambda s: s, "stop": lambda s: 1 - s, "both": lambda s: 4 * s * (1 - s)}
    distance = torch.ones_like(position[..., 0])
    for side, s in zip(sides, position.unbind(-1), strict=True):
        if side is not None:
            distance = distance * factors[side](s)
    return distance


@constant
def _grid_features(
    domain: Domain, shape: tuple[int, ...], frequencies: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Features (N, F) of the grid's points."""
    return features(_grid_positions(domain, shape), domain, frequencies).to(device=device, dtype=dtype)


@constant
def _grid_distance(
    domain: Domain, shape: tuple[int, ...], sides: tuple, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """φ at the grid's points, (N,)."""
    return _distance(_grid_positions(domain, shape), sides).to(device=device, dtype=dtype)
