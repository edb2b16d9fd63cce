"""Tables of neighbours of a whole split: searched once, and kept beside the store."""

import hashlib
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nolab.data.neighbours import far_places, find_neighbours, trimmed
from nolab.data.reading import read_level
from nolab.data.source import FieldSource, Shape
from nolab.grid import shape_name
from nolab.neighbourhood import Neighbourhood

VERSION = 2
"""Of the search: other tables, other version."""
_BLOCK = 64

log = logging.getLogger(__name__)


class Tables(NamedTuple):
    """neighbours (n, M, K) and centres (n, M) or None, int32; see :class:`nolab.neighbourhood.Neighbourhood`."""

    neighbours: np.ndarray
    centres: np.ndarray | None

    def rows(self, rows: np.ndarray | slice) -> "Tables":
        """Those of some samples."""
        return Tables(*(None if table is None else table[rows] for table in self))


def find_tables(
    source: FieldSource,
    split: str,
    shape: Shape,
    method: str,
    wanted: Neighbourhood | None,
    coarsest: Shape | None = None,
) -> Tables | None:
    """The tables of a split at one level; None where none are wanted.

    They are kept where the source has a place for them (`neighbours_folder`), and read from there.

    Parameters
    ----------
    coarsest : level of which the centres are chosen; at other levels they are the points nearest to those, so that
        all levels have their centres at nearly the same places. None: of `shape`.

    Raises
    ------
    InputError : samples that cannot be read.
    """
    if wanted is None:
        return None
    folder: Path | None = getattr(source, "neighbours_folder", None)
    names = ("neighbours",) if wanted.centres is None else ("neighbours", "centres")
    anchored = coarsest if wanted.centres is not None and coarsest != shape else None
    if folder is None:
        return _search(source, split, shape, method, wanted, anchored)
    key = hashlib.sha256(repr((VERSION, method, wanted, anchored)).encode()).hexdigest()[:16]
    files = [folder / f"{split}-{shape_name(shape)}-{key}-{name}.npy" for name in names]
    found = [
        _read(file, size, shape[0])
        for file, size in zip(files, _largest(source.count(split), shape, wanted), strict=False)
    ]
    if any(table is None for table in found):
        tables = _search(source, split, shape, method, wanted, anchored)
        for file, table in zip(files, tables, strict=False):
            _keep(file, table)
        return tables
    return Tables(found[0], found[1] if len(found) > 1 else None)


def _largest(n: int, shape: Shape, wanted: Neighbourhood) -> tuple[tuple[int, ...], ...]:
    """Shape of each table of n samples, whose rows may be shorter."""
    m = wanted.centres or shape[0]
    return (n, m, wanted.most), (n, m)


def _search(
    source: FieldSource,
    split: str,
    shape: Shape,
    method: str,
    wanted: Neighbourhood,
    anchored: Shape | None,
) -> Tables:
    log.info("searching the neighbours of the '%s' points at %s", split, shape_name(shape))
    parts = []
    for start in range(0, source.count(split), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, source.count(split)))
        level = read_level(source, split, shape, method, rows)
        anchors = None
        if anchored is not None:
            coarse = read_level(source, split, anchored, method, rows)
            anchors = far_places(coarse.coords, coarse.weights, wanted.centres)
        parts.append(find_neighbours(level.coords, level.weights, wanted, rows, anchors))
    neighbours, centres = zip(*parts, strict=True)
    return Tables(
        trimmed(np.concatenate(neighbours)), None if wanted.centres is None else np.concatenate(centres)
    )


def _read(file: Path, size: tuple[int, ...], n_points: int) -> np.ndarray | None:
    """A table that was kept; None where there is none, or it is no such table."""
    try:
        table = np.load(file, mmap_mode="r", allow_pickle=False)  # streamed data are larger than memory
    except (OSError, ValueError, EOFError):
        return None
    fits = table.dtype == np.int32 and table.ndim == len(size) and table.shape[:2] == size[:2]
    least = 0 if len(size) == 2 else -1  # a centre is always there
    if not fits or not 0 < table.shape[-1] <= size[-1] or table.min() < least or table.max() >= n_points:
        return None
    return table


def _keep(file: Path, table: np.ndarray) -> None:
    """Write a table whole or not at all; where that is not allowed it is searched again next time."""
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as opened:
                np.save(opened, table)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
