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

VERSION = 3
"""Of the search: other tables, other version."""
_BLOCK = 64

log = logging.getLogger(__name__)


class Tables(NamedTuple):
    """neighbours (n, M, K) int32 and centres (n, M, ndim) float32 or None, see
    :class:`nolab.neighbourhood.Neighbourhood`."""

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
    coarsest : level of whose points the centres are chosen; None: `shape`.

    Raises
    ------
    InputError : samples that cannot be read.
    """
    if wanted is None:
        return None
    folder: Path | None = getattr(source, "neighbours_folder", None)
    names = ("neighbours",) if wanted.centres is None else ("neighbours", "centres")
    chosen = (coarsest or shape) if wanted.centres is not None else None
    if folder is None:
        return _search(source, split, shape, method, wanted, chosen)
    key = hashlib.sha256(repr((VERSION, method, wanted, chosen)).encode()).hexdigest()[:16]
    files = [folder / f"{split}-{shape_name(shape)}-{key}-{name}.npy" for name in names]
    n = source.count(split)
    found = [_read_neighbours(files[0], (n, wanted.centres or shape[0], wanted.most), shape[0])]
    if chosen is not None:
        found.append(_read_centres(files[1], (n, wanted.centres, source.domain.ndim)))
    if any(table is None for table in found):
        tables = _search(source, split, shape, method, wanted, chosen)
        for file, table in zip(files, tables, strict=False):
            _keep(file, table)
        return tables
    return Tables(found[0], found[1] if len(found) > 1 else None)


def _search(
    source: FieldSource,
    split: str,
    shape: Shape,
    method: str,
    wanted: Neighbourhood,
    chosen: Shape | None,
) -> Tables:
    log.info("searching the neighbours of the '%s' points at %s", split, shape_name(shape))
    found, places = [], []
    for start in range(0, source.count(split), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, source.count(split)))
        level = read_level(source, split, shape, method, rows)
        centres = None
        if chosen is not None:
            coarse = level if chosen == shape else read_level(source, split, chosen, method, rows)
            centres = far_places(coarse.coords, coarse.weights, wanted.centres)
            places.append(centres)
        found.append(find_neighbours(level.coords, level.weights, wanted, rows, centres))
    return Tables(trimmed(np.concatenate(found)), np.concatenate(places) if places else None)


def _read_neighbours(file: Path, largest: tuple[int, ...], n_points: int) -> np.ndarray | None:
    """A table that was kept, whose rows may be shorter; None where there is none, or it is no such table."""
    table = _read(file, np.int32)
    if table is None or table.ndim != 3 or table.shape[:2] != largest[:2]:
        return None
    if not 0 < table.shape[2] <= largest[2] or table.min() < -1 or table.max() >= n_points:
        return None
    return table


def _read_centres(file: Path, size: tuple[int, ...]) -> np.ndarray | None:
    """Places that were kept; None where there are none, or these are others."""
    centres = _read(file, np.float32)
    return centres if centres is not None and centres.shape == size and np.isfinite(centres).all() else None


def _read(file: Path, dtype: type) -> np.ndarray | None:
    try:
        table = np.load(file, mmap_mode="r", allow_pickle=False)  # streamed data are larger than memory
    except (OSError, ValueError, EOFError):
        return None
    return table if table.dtype == dtype else None


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
