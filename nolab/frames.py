"""Frames: channels that show one field at successive times, named like ``vorticity_t1``, ``vorticity_t1.5``."""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import isclose

_FRAME = re.compile(r"(?P<field>.+)_t(?P<time>\d+(?:\.\d+)?)")


def frame_name(field: str, time: float) -> str:
    """Name of the field's channel at `time`, to six decimals."""
    return f"{field}_t{f'{time:.6f}'.rstrip('0').rstrip('.')}"


def field_of(name: str) -> str:
    """Name of the field that a channel shows: without the time, where it is a frame."""
    match = _FRAME.fullmatch(name)
    return match["field"] if match else name


def follow_on(inputs: Sequence[str], outputs: Sequence[str]) -> bool:
    """Whether the channels are frames of one field at equal distances in time, the outputs after the inputs."""
    names = (*inputs, *outputs)
    matches = [match for name in names if (match := _FRAME.fullmatch(name))]
    if len(matches) < len(names) or len({match["field"] for match in matches}) != 1:
        return False
    times = [float(match["time"]) for match in matches]
    steps = [b - a for a, b in pairwise(times)]
    return all(step > 0 and isclose(step, steps[0], rel_tol=1e-4) for step in steps)
