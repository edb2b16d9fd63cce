"""The HDF5 store: one file per data set, ``<split>/<grid>/{input,output}``, float32; scattered points beside them.

A store is written once, whole, and never changed: a reader either finds a complete file or none.
"""

import hashlib
from math import prod
from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from nolab.data._raw_file import RawFile
from nolab.data._rows import neighbours
from nolab.data._store_format import StoreMeta, read_meta
from nolab.data._store_layout import Extent, read_layout, sample_digest
from nolab.data._store_writing import StoreChunk, publish, write_store
from nolab.data.source import Shape
from nolab.errors import InputError, unknown
from nolab.grid import shape_name
from nolab.mesh import MeshFields, check_mesh

__all__ = ["Store", "StoreChunk", "StoreMeta", "publish", "write_store"]


class Store:
    """A store on disk, read only; a :class:`nolab.data.source.FieldSource`.

    The constructor checks the layout and closes the file again; the first :meth:`read` opens it
    until :meth:`close` or the end of a ``with`` block. Threads may share one store. A sample's values
    are verified (SHA-256 as written, finite) when they are read for the first time.

    Attributes
    ----------
    path : the file.
    meta : what it says of itself.
    domain, input_axes, input_names, output_names : taken from `meta`.

    Raises
    ------
    InputError : the file is missing, is no HDF5 file, does not keep to the layout, or has splits
        that share samples.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._raw, self.meta, self._extents = _inspect(self.path)
        self._verified = {name: np.zeros(len(e.digests), bool) for name, e in self._extents.items()}
        self.domain = self.meta.domain
        self.input_axes = self.meta.input_axes
        self.input_names = self.meta.input_names
        self.output_names = self.meta.output_names

    def splits(self) -> list[str]:
        """Names of the splits."""
        return list(self.meta.counts)

    def shapes(self, split: str) -> list[Shape]:
        """Grids stored for the split, coarsest first."""
        self.count(split)
        return sorted(self.meta.shapes, key=lambda shape: (prod(shape), shape))

    def count(self, split: str) -> int:
        """Number of samples of the split."""
        if split not in self.meta.counts:
            raise unknown(f"{self.path}: split", split, self.meta.counts)
        return self.meta.counts[split]

    def read(
        self, split: str, shape: Shape, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray] | MeshFields:
        """Input (n, C_in, *shape) and output (n, C_out, *shape), float32; on scattered points MeshFields.

        Parameters
        ----------
        indices : strictly ascending sample numbers, (n,); None reads all of them.

        Raises
        ------
        InputError : no such split, grid or sample; the file cannot be read any more; a sample whose
            checksum is wrong or whose values are not finite.
        """
        count, shape = self.count(split), tuple(shape)
        if shape not in self.meta.shapes:
            raise unknown(f"{self.path}: grid", shape_name(shape), map(shape_name, self.meta.shapes))
        rows = np.arange(count) if indices is None else _check_indices(self.path, indices, count)
        grid, names = shape_name(shape), self.meta.fields(shape)
        fields = {name: self._read_field(f"{split}/{grid}/{name}", rows) for name in names}
        if not self.domain.is_scattered:
            return fields["input"], fields["output"]
        fields.setdefault("cells", np.empty((len(rows), 0, 3), np.int32))
        mesh = MeshFields(**fields)
        try:
            check_mesh(mesh)
        except InputError as error:
            raise _bad(self.path, f"{split}/{grid} {error}") from None
        return mesh

    def _read_field(self, name: str, rows: np.ndarray) -> np.ndarray:
        extent, verified = self._extents[name], self._verified[name]
        values = np.empty((len(rows), *extent.sample_shape), extent.dtype)
        try:
            for start, stop in neighbours(rows):
                self._raw.read_into(
                    values[start:stop], extent.offset + int(rows[start]) * extent.sample_bytes
                )
            for position in np.flatnonzero(~verified[rows]):
                _verify(name, int(rows[position]), values[position], extent.digests[rows[position]])
        except InputError as error:
            raise _bad(self.path, str(error)) from None
        except OSError as error:
            raise _bad(self.path, f"{name} cannot be read ({error})") from error
        verified[rows] = True
        return values

    @property
    def neighbours_folder(self) -> Path:
        """Where tables of neighbours of these very points are kept, beside the file."""
        digest = hashlib.sha256()
        for name, extent in sorted(self._extents.items()):
            if name.endswith(("/coords", "/weights")):
                digest.update(extent.digests.data)
        return self.path.with_name(f"{self.path.stem}.neighbours-{digest.hexdigest()[:16]}")

    def close(self) -> None:
        """Close the file; a later :meth:`read` opens it again."""
        self._raw.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"


def _inspect(path: Path) -> tuple[RawFile, StoreMeta, dict[str, Extent]]:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file. Generate it with `nolab generate`.")
    try:
        raw = RawFile(path)
        # A store never changes once it has its name: readers need no lock.
        file = h5py.File(path, "r", locking=False)
    except PermissionError as error:
        raise InputError(f"{path}: not allowed to read it ({error.strerror})") from error
    except OSError as error:
        raise _bad(path, f"is not a complete HDF5 file ({error})") from error
    with file:
        try:
            meta = read_meta(file)
            return raw, meta, read_layout(file, meta, raw.size)
        except InputError as error:
            raise _bad(path, str(error)) from None
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
            raise _bad(path, f"cannot be read ({error})") from error


def _check_indices(path: Path, indices: np.ndarray, count: int) -> np.ndarray:
    rows = np.asarray(indices)
    if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
        raise InputError(f"{path}: indices must be a list of whole numbers, got {indices!r}")
    rows = rows.astype(np.int64)
    if (rows[1:] <= rows[:-1]).any():
        raise InputError(f"{path}: indices must be strictly ascending")
    if rows[0] < 0 or rows[-1] >= count:
        raise InputError(f"{path}: indices must lie in 0..{count - 1}, got {rows[0]}..{rows[-1]}")
    return rows


def _verify(name: str, row: int, values: np.ndarray, digest: np.ndarray) -> None:
    if sample_digest(values) != digest.tobytes():
        raise InputError(f"{name} is damaged: the checksum of sample {row} is not the one that was written")
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds values that are not finite, in sample {row}")


def _bad(path: Path, found: str) -> InputError:
    return InputError(f"{path}: {found}. Delete the file and generate it again, or give another path.")
