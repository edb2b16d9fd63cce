"""Evaluation points: which of the N_out output points enter the loss.

A scheme is a module that defines ``Options`` (which extends :class:`PointOptions`) and
``build(options, domain, seed) -> Scheme``; a new one is a new file, here or anywhere else.
"""

from nolab.points._neval import NEval, parse_neval
from nolab.points._options import PointOptions
from nolab.points._places import grid_index, random_places
from nolab.points._sampler import PointSampler, build_points
from nolab.points._scheme import Scheme, Shape
from nolab.points._streams import Streams

__all__ = [
    "NEval",
    "PointOptions",
    "PointSampler",
    "Scheme",
    "Shape",
    "Streams",
    "build_points",
    "grid_index",
    "parse_neval",
    "random_places",
]
