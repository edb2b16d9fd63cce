"""MP-PDE: message passing between neighbouring points (Brandstetter, Worrall and Welling, arXiv 2202.03376)."""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from torch import nn

from nolab.fields import OperatorSpec
from nolab.models._message_passing import Processor
from nolab.models._mp_pde import MessagePassing, PointwiseDecoder, TimeDecoder
from nolab.neighbourhood import Neighbourhood
from nolab.schema import check

__all__ = ["CONSISTENCY", "NEVAL_SAVES", "SCATTERED", "Options", "build"]

SCATTERED = True

CONSISTENCY = (
    "With graph=radius and weighted=true a message is a quadrature over the ball of that radius and the norms are "
    "quadratures over the domain, so levels differ by discretisation error only, as long as `neighbours` holds all "
    "points within the radius: of more a random subset stays, which adds noise. weighted=false takes means over "
    "points, and graph=nearest takes means over balls that shrink with the mesh: then a level whose points lie "
    "differently is an operator of its own."
)
NEVAL_SAVES = (
    "Messages run between all points; only the decoder is computed at the chosen points, for frames in several "
    "bundles that of the last bundle. So N_eval saves the decoder's time and memory and no more."
)


@dataclass(frozen=True)
class Options:
    """Options of MP-PDE. Parameters of the equation are channels of the input, constant ones where they are numbers."""

    hidden: int = 128
    n_layers: int = 6
    graph: Literal["radius", "nearest"] = "radius"
    """Neighbours are the points within `radius`, or the `neighbours` nearest ones."""
    radius: float = 0.1
    """In units of the domain; it is the unit of the distances between neighbours, with graph=nearest too."""
    neighbours: int = 32
    """At most so many neighbours of a point."""
    weighted: bool = True
    """Means over neighbours and norms are quadratures; else plain means, as published."""
    positions: bool = True
    """Append the coordinates, scaled to [0, 1] by the domain, to the input; without them the prediction moves with
    the points."""
    bundle: int | None = None
    """For data that are frames: so many are made at once, and the next ones from them; null: all."""
    pushforward: bool = False
    """For data that are frames: in training, bundles take those before them as given, so each gradient goes through
    one bundle. The loss of the first bundle is then the paper's one-step loss, that of the others its stability
    loss."""

    def __post_init__(self) -> None:
        for name in ("hidden", "n_layers", "neighbours"):
            check(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        check(0 < self.radius < float("inf"), "radius", self.radius, "> 0")
        check(self.bundle is None or self.bundle >= 1, "bundle", self.bundle, "at least 1 or null")


def build(options: Options, spec: OperatorSpec) -> nn.Module:
    """MP-PDE between the fields of `spec`.

    Channels that are frames of one field are decoded by convolutions in time and added to the newest frame; others
    by a pointwise network.

    Raises
    ------
    InputError : options that do not fit the fields.
    """
    ndim = spec.domain.ndim
    n_frames = _bundle(options, spec)
    within = options.radius if options.graph == "radius" else None
    decoder = (TimeDecoder if spec.frames else PointwiseDecoder)(options.hidden, n_frames)
    return MessagePassing(
        spec,
        Neighbourhood(within, options.neighbours),
        options.radius,
        Processor(spec.in_channels, ndim * options.positions, ndim, options.hidden, options.n_layers),
        decoder,
        positions=options.positions,
        bundles=ceil(spec.out_channels / n_frames),
        pushforward=options.pushforward,
        weighted=options.weighted,
    )


def _bundle(options: Options, spec: OperatorSpec) -> int:
    """Channels that are made at once."""
    bundle, outputs = options.bundle, spec.out_channels
    if not spec.frames:
        needs = "null where inputs and outputs are not frames of one field, named like vorticity_t1"
        check(bundle is None, "model.bundle", bundle, needs)
        check(not options.pushforward, "model.pushforward", True, needs.replace("null", "false"))
        return outputs
    made = outputs if bundle is None else bundle
    check(made <= outputs, "model.bundle", bundle, f"at most the number of output frames ({outputs}) or null")
    single = made == outputs and options.pushforward
    check(not single, "model.pushforward", True, f"false where one bundle holds all {outputs} output frames")
    check(
        made <= options.hidden, "model.hidden", options.hidden, f"at least the frames made at once ({made})"
    )
    return made
