"""Evaluation points of the loss."""

from nolab.points.sampler import PointOptions, PointSampler

__all__ = ["PointOptions", "PointSampler"]
