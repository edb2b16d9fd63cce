"""Precision modes and their schedule over a run."""

from nolab.precision.modes import MODES, Mode, arithmetic, autocast, check_mode, check_model
from nolab.precision.schedule import PrecisionOptions, Schedule, build_schedule

__all__ = [
    "MODES",
    "Mode",
    "PrecisionOptions",
    "Schedule",
    "arithmetic",
    "autocast",
    "build_schedule",
    "check_mode",
    "check_model",
]
