"""Evaluation points: which of the N_out output points enter the loss.

A scheme is a module of this package that defines ``Options`` and ``build``; a new scheme is a new file.
"""

from nolab.points._neval import NEval, parse_neval
from nolab.points._options import PointOptions
from nolab.points._sampler import PointSampler, build_points

__all__ = ["NEval", "PointOptions", "PointSampler", "build_points", "parse_neval"]
