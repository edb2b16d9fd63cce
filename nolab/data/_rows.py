"""Sample numbers that are read together."""

import numpy as np


def neighbours(rows: np.ndarray) -> list[tuple[int, int]]:
    """Positions (start, stop) of the runs of neighbours in ascending `rows` (n,), from 0 on: each is one read."""
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1).tolist()
    return list(zip(starts, [*starts[1:], len(rows)], strict=True))
