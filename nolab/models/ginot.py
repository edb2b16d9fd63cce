"""GINOT: the geometry-informed neural operator transformer (Liu et al., arXiv 2504.19452)."""

from dataclasses import dataclass

from torch import nn

from nolab.fields import OperatorSpec
from nolab.models._ginot import GeometryEncoder, GeometryTransformer, QueryDecoder
from nolab.models._networks import n_features
from nolab.neighbourhood import Neighbourhood
from nolab.schema import check

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "SCATTERED", "Options", "build"]

SCATTERED = True

CONSISTENCY = (
    "With weighted=true the tokens' means over their neighbours and their attention to the points are quadratures, "
    "and the decoder is a function of true coordinates, so for the same centres levels differ by discretisation "
    "error only, if the points resolve the highest of `frequencies`. All levels of a run have their centres at the "
    "same places, points of the coarsest; of more points within the radius than `neighbours` a random subset stays. "
    "Untrained (frequencies=4, neighbours=64), from 256 even points to 1024 crowded ones, predictions at the same "
    "points differ by 0.3 to 0.7 % for the same centres; by 3 to 13 % if each level took centres of its own; with "
    "weighted=false, which counts points, by 7 to 70 % in either case."
)
NEVAL_SAVES = (
    "The decoder, most of the model's cost, is computed at the chosen points alone; the encoder runs once per sample "
    "on all points, whatever N_eval is, with one linear layer and the keys and values of one attention on each."
)


@dataclass(frozen=True)
class Options:
    """Options of GINOT; the defaults have the sizes of the published elasticity run: 484,993 parameters for one channel
    in and out in two dimensions."""

    centres: int = 64
    """Geometry tokens: so many points, far from each other."""
    radius: float = 0.2
    """Of the neighbourhood that a token starts from, in units of the domain."""
    neighbours: int = 18
    """At most so many neighbours of a centre."""
    width: int = 64
    heads: int = 4
    self_layers: int = 2
    """Blocks of attention among the tokens."""
    cross_layers: int = 6
    """Blocks of attention from the points of the prediction to the tokens."""
    frequencies: int = 15
    """Highest k of the cosines and sines of πks that are appended to a point's coordinates s in the encoder. The
    published ones are octaves, 2^k for k < 15: as many, but finer than any mesh. Levels agree as far as the coarsest
    one resolves them, with some 4 points to a wave."""
    query_frequencies: int = 0
    """The same in the decoder; published: none."""
    weighted: bool = True
    """Means and attention over points are quadratures; else all points count the same, as published."""

    def __post_init__(self) -> None:
        for name in ("centres", "neighbours", "width", "heads", "cross_layers"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("self_layers", "frequencies", "query_frequencies"):
            check(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        check(0 < self.radius < float("inf"), "radius", self.radius, "> 0")
        check(self.width % self.heads == 0, "width", self.width, f"a multiple of heads ({self.heads})")


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """GINOT between the fields of `spec`.

    The decoder is given coordinates alone, so that it can answer anywhere: the input field, unlike in the paper,
    enters with the points of the encoder. There the published code takes the mean over 18 neighbours, the first one
    repeated where there are fewer; here it is the mean over those there are.
    """
    o, domain = options, spec.domain
    n_points = n_features(domain, o.frequencies) + spec.in_channels
    n_queries = n_features(domain, o.query_frequencies)
    return GeometryTransformer(
        spec,
        Neighbourhood(o.radius, o.neighbours, centres=o.centres),
        o.radius,
        GeometryEncoder(n_points, domain.ndim, o.width, o.heads, o.self_layers),
        QueryDecoder(n_queries, spec.out_channels, o.width, o.heads, o.cross_layers),
        (o.frequencies, o.query_frequencies),
        weighted=o.weighted,
    )
