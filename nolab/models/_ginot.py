"""GINOT: geometry tokens of a cloud of points, and the solution at any point from them.

Shapes: B samples, N points, M centres, K neighbours of each, P points at which to predict, C input channels, W width.
"""

import torch
from torch import Tensor, nn

from nolab.fields import FieldBatch, OperatorSpec
from nolab.models._attention import CrossBlock, SelfBlock, wide_network
from nolab.models._checkpointing import Checkpointed
from nolab.models._networks import CoordinateLayer, features
from nolab.models._points import Edges, Points
from nolab.neighbourhood import Neighbourhood


class GeometryEncoder(Checkpointed, nn.Module):
    """Points and the input field there to one token per centre.

    A token starts as a mean over the centre's neighbours, looks at all points once, and then at the other tokens.

    Parameters
    ----------
    n_inputs, ndim : features of a point together with C, and the number of coordinates.
    width, heads, self_layers : of the attention.
    """

    def __init__(self, n_inputs: int, ndim: int, width: int, heads: int, self_layers: int) -> None:
        super().__init__()
        self.point = CoordinateLayer(n_inputs, width)
        self.group = nn.Sequential(
            nn.Linear(ndim + width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.cross = CrossBlock(width, heads)
        self.blocks = nn.ModuleList(SelfBlock(width, heads) for _ in range(self_layers))
        self.out = nn.Linear(width, width)

    def forward(self, inputs: Tensor, edges: Edges, measure: Tensor) -> Tensor:
        """(B, N, n_inputs), with the mean's weights (B, N), to (B, M, W)."""
        points = self.point(inputs)  # (B, N, W)
        tokens = self.norms[0](self.run_block(self._grouped, points, edges))
        # Times N, so that the weights are about 1: the softmax does not see a factor, rounding does.
        tokens = self.run_block(self.cross, tokens, points, (measure * measure.shape[1]).log())
        for block in self.blocks:
            tokens = self.run_block(block, tokens)
        return self.out(self.norms[1](tokens)).tanh()

    def _grouped(self, points: Tensor, edges: Edges) -> Tensor:
        """The mean of a network of neighbours and where they are (PointNet), (B, N, W) to (B, M, W)."""
        return edges.mean(self.group(torch.cat([edges.offset, edges.gather(points)], dim=-1)))


class QueryDecoder(Checkpointed, nn.Module):
    """The output at points from their features and the geometry's tokens.

    Parameters
    ----------
    n_features, n_outputs : of a point.
    width, heads, cross_layers : of the attention.
    """

    def __init__(self, n_features: int, n_outputs: int, width: int, heads: int, cross_layers: int) -> None:
        super().__init__()
        self.encoder = wide_network(n_features, width, CoordinateLayer)
        self.blocks = nn.ModuleList(CrossBlock(width, heads) for _ in range(cross_layers))
        self.head = nn.Linear(width, n_outputs)

    def forward(self, where: Tensor, tokens: Tensor) -> Tensor:
        """(B, P, n_features) and (B, M, W) to (B, P, n_outputs)."""
        x = self.run_block(self.encoder, where)
        for block in self.blocks:
            x = self.run_block(block, x, tokens)
        return self.head(x)


class GeometryTransformer(nn.Module):
    """GINOT on scattered points.

    Parameters
    ----------
    spec : the fields between which it maps; every batch lies on their domain.
    neighbourhood : the centres and their neighbours.
    length : unit of the distances from a centre, in units of the domain.
    encoder, decoder : see there.
    frequencies : of the features of the encoder's points and of the decoder's, see
        :func:`nolab.models._networks.features`.
    weighted : means, and the attention to the points, are quadratures.
    """

    def __init__(
        self,
        spec: OperatorSpec,
        neighbourhood: Neighbourhood,
        length: float,
        encoder: GeometryEncoder,
        decoder: QueryDecoder,
        frequencies: tuple[int, int],
        *,
        weighted: bool,
    ) -> None:
        super().__init__()
        self.domain = spec.domain
        self.neighbourhood, self.length = neighbourhood, length
        self.encoder, self.decoder = encoder, decoder
        self.frequencies, self.weighted = frequencies, weighted

    def forward(self, batch: FieldBatch) -> Tensor:
        """Prediction at the batch's queries, or at its points.

        Returns
        -------
        (B, C_out, Q) at queries, (B, C_out, P) at chosen points, (B, C_out, N) where neither are given.

        Raises
        ------
        InputError : a batch on another domain, or queries of another dimension.
        """
        batch.check_domain(self.domain)
        points = Points.of(batch, weighted=self.weighted)
        edges = Edges.of(batch.neighbours, points, batch.centres, self.length)
        inputs = torch.cat([self._features(points.coords, self.frequencies[0]), points.values], dim=-1)
        tokens = self.encoder(inputs, edges, points.measure)  # (B, M, W)
        where = self._features(_asked(batch, points.coords), self.frequencies[1])
        return self.decoder(where, tokens).transpose(1, 2)

    def _features(self, coords: Tensor, frequencies: int) -> Tensor:
        """(B, P, ndim) to (B, P, F)."""
        return features(self.domain.scaled(coords), self.domain, frequencies)


def _asked(batch: FieldBatch, coords: Tensor) -> Tensor:
    """Coordinates (B, P, ndim) at which to predict."""
    queries = batch.queries
    if queries is None:
        return batch.select(coords.transpose(1, 2)).transpose(1, 2)
    batch.check_queries()
    return queries.to(coords.dtype).expand(len(batch), -1, -1)
