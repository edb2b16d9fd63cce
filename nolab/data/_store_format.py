"""What a nolab store says of itself: its attributes and their checksum."""

import hashlib
import json
from dataclasses import dataclass
from math import prod

import h5py
import numpy as np

from nolab.data.source import Shape
from nolab.errors import InputError
from nolab.grid import Domain, input_shape
from nolab.mesh import MeshFields, MeshSize

FORMAT = "nolab store"
FORMAT_VERSION = 2
DTYPE = np.dtype("<f4")
FIELDS = ("input", "output")
CHECKSUM = "sha256"


@dataclass(frozen=True)
class StoreMeta:
    """What a store says of itself; kept as attributes of the file."""

    problem: str
    """Name of the problem, or of the importer."""
    parameters: dict
    """The problem's options, plain data."""
    version: str
    """Version of the generator: other numbers, other version."""
    seed: int
    """Seed of the samples."""
    domain: Domain
    """The physical domain of every grid."""
    input_names: tuple[str, ...]
    """One name per input channel."""
    output_names: tuple[str, ...]
    """One name per output channel."""
    units: dict[str, str]
    """Unit of each field."""
    counts: dict[str, int]
    """Samples of each split."""
    shapes: tuple[Shape, ...]
    """Grids that are stored, in every split, with the same samples."""
    input_axes: tuple[int, ...] | None = None
    """Axes of the domain on which the input varies, None for all of them; its size is 1 on the others."""
    meshes: tuple[MeshSize, ...] = ()
    """On scattered points: the room for points and cells at each of `shapes`, else empty."""
    nested: bool = False
    """On scattered points: whether a level's points are among those of the next."""

    def fields(self, shape: Shape) -> tuple[str, ...]:
        """Names of the datasets at `shape`: those of :class:`nolab.mesh.MeshFields` on scattered points."""
        if not self.meshes:
            return FIELDS
        return tuple(name for name in MeshFields._fields if name != "cells" or self._mesh(shape).cells)

    def dataset_shape(self, split: str, shape: Shape, field: str) -> tuple[int, ...]:
        """Shape of one dataset, of all samples."""
        return (self.counts[split], *self.sample_shape(shape, field))

    def sample_shape(self, shape: Shape, field: str) -> tuple[int, ...]:
        """Shape of one sample of the dataset `field`: (C, *shape) of input (1 on axes on which it does not vary) and
        output, as in :class:`nolab.mesh.MeshFields` of the others."""
        if field == "input":
            return (len(self.input_names), *input_shape(shape, self.input_axes))
        if field == "output":
            return (len(self.output_names), *shape)
        mesh = self._mesh(shape)
        of = {"coords": (mesh.points, self.domain.ndim), "weights": (mesh.points,)}
        return of.get(field, (mesh.cells, mesh.corners))

    def _mesh(self, shape: Shape) -> MeshSize:
        return self.meshes[self.shapes.index(tuple(shape))]

    def nbytes(self) -> int:
        """Bytes of all fields together."""
        values = sum(
            prod(self.sample_shape(shape, field)) * dtype_of(field).itemsize
            for shape in self.shapes
            for field in self.fields(shape)
        )
        return sum(self.counts.values()) * values


def dtype_of(field: str) -> np.dtype:
    """Type of the dataset `field`."""
    return np.dtype("<i4") if field == "cells" else DTYPE


def canonical_json(data: object) -> str:
    """One text for equal data: sorted keys, no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_attributes(file: h5py.File, meta: StoreMeta) -> None:
    """Write `meta` as the attributes of the file."""
    attributes = _to_attributes(meta)
    for name, text in {"format": FORMAT, **attributes, CHECKSUM: _digest(attributes)}.items():
        write_text(file, name, text)
    file.attrs["format_version"] = FORMAT_VERSION


def write_text(item: h5py.File | h5py.Dataset, name: str, text: str) -> None:
    """A text as an attribute of fixed length: one of variable length lies in a part of HDF5 files that has
    no checksum, and the library may crash where that is damaged."""
    item.attrs[name] = np.bytes_(text.encode())


def read_text(item: h5py.File | h5py.Dataset, name: str) -> str | None:
    """What :func:`write_text` wrote; None where there is no such text."""
    value = item.attrs.get(name)
    return value.decode() if isinstance(value, bytes) else None


def _to_attributes(meta: StoreMeta) -> dict[str, str]:
    # Written only where it says something: stores of before it existed stay readable.
    partial = {} if meta.input_axes is None else {"input_axes": canonical_json(meta.input_axes)}
    if meta.meshes:
        partial |= {"meshes": canonical_json(meta.meshes), "nested": canonical_json(meta.nested)}
    return {
        **partial,
        "problem": meta.problem,
        "generator_version": meta.version,
        "seed": canonical_json(meta.seed),
        "parameters": canonical_json(meta.parameters),
        "domain": canonical_json(meta.domain.to_dict()),
        "input_names": canonical_json(meta.input_names),
        "output_names": canonical_json(meta.output_names),
        "units": canonical_json(meta.units),
        "counts": json.dumps(meta.counts),  # not sorted: the order of the splits is theirs
        "levels": canonical_json(meta.shapes),
    }


def _digest(attributes: dict[str, str]) -> str:
    return hashlib.sha256(canonical_json(attributes).encode()).hexdigest()


def says_store(file: h5py.File) -> bool:
    """Whether the file calls itself a store of nolab, of this version or another."""
    value = file.attrs.get("format")
    return isinstance(value, str | bytes) and value in (FORMAT, FORMAT.encode())  # version 1: a str


def read_meta(file: h5py.File) -> StoreMeta:
    """The attributes of a file that was opened, checked.

    Raises
    ------
    InputError : no nolab store, another format version, an attribute missing or malformed. The
        message says what was found; the caller adds the path.
    """
    if not says_store(file):
        raise InputError("is an HDF5 file, but no nolab store (its attribute 'format' is missing)")
    version = file.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(f"has format version {version}, this nolab reads version {FORMAT_VERSION}")
    names = {key: _names(file, key) for key in ("input_names", "output_names")}
    domain = Domain.from_dict(_json(file, "domain", list))
    shapes = _shapes(file, domain.grid_ndim)
    return StoreMeta(
        problem=_text(file, "problem"),
        parameters=_json(file, "parameters", dict),
        version=_text(file, "generator_version"),
        seed=_json(file, "seed", int),
        domain=domain,
        units=_json(file, "units", dict),
        counts=_counts(file),
        shapes=shapes,
        input_axes=_input_axes(file),
        meshes=_meshes(file, shapes) if domain.is_scattered else (),
        nested=_json(file, "nested", bool) if domain.is_scattered else False,
        **names,
    )


def check_attributes(file: h5py.File, meta: StoreMeta) -> None:
    """The attributes are those that were written.

    Raises
    ------
    InputError : their checksum differs.
    """
    if read_text(file, CHECKSUM) != _digest(_to_attributes(meta)):
        raise InputError("has damaged attributes: their checksum is not the one that was written")


def _text(file: h5py.File, name: str) -> str:
    value = read_text(file, name)
    if value is None:
        raise InputError(f"attribute '{name}': expected a text, found {file.attrs.get(name)!r:.80}")
    return value


def _json(file: h5py.File, name: str, kind: type):
    text = _text(file, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"attribute '{name}' is not JSON: {error}") from None
    if not isinstance(value, kind):
        raise InputError(f"attribute '{name}': expected a {kind.__name__}, found {text:.80}")
    return value


def _names(file: h5py.File, name: str) -> tuple[str, ...]:
    value = _json(file, name, list)
    if not value or not all(isinstance(item, str) for item in value):
        raise InputError(f"attribute '{name}': expected a list of names, found {value!s:.80}")
    return tuple(value)


def _counts(file: h5py.File) -> dict[str, int]:
    value = _json(file, "counts", dict)
    if not value or not all(_is_size(n) for n in value.values()):
        raise InputError(
            f"attribute 'counts': expected a positive number for each split, found {value!s:.80}"
        )
    return value


def _shapes(file: h5py.File, ndim: int) -> tuple[Shape, ...]:
    value = _json(file, "levels", list)
    if not value or not all(isinstance(s, list) and len(s) == ndim and all(map(_is_size, s)) for s in value):
        raise InputError(f"attribute 'levels': expected grids of {ndim} positive sizes, found {value!s:.80}")
    return tuple(tuple(shape) for shape in value)


def _meshes(file: h5py.File, shapes: tuple[Shape, ...]) -> tuple[MeshSize, ...]:
    value = _json(file, "meshes", list)
    fits = len(value) == len(shapes) and all(
        isinstance(mesh, list) and len(mesh) == 3 and [mesh[0]] == list(shape) and all(map(_is_count, mesh))
        for mesh, shape in zip(value, shapes, strict=True)
    )
    if not fits:
        raise InputError(
            f"attribute 'meshes': expected points, cells and corners of each level, found {value!s:.80}"
        )
    return tuple(MeshSize(*mesh) for mesh in value)


def _input_axes(file: h5py.File) -> tuple[int, ...] | None:
    if "input_axes" not in file.attrs:
        return None
    value, ndim = _json(file, "input_axes", list), len(_json(file, "domain", list))
    if not value or not all(type(axis) is int and 0 <= axis < ndim for axis in value):
        raise InputError(f"attribute 'input_axes': expected some of the {ndim} axes, found {value!s:.80}")
    return tuple(value)


def _is_size(value: object) -> bool:
    return _is_count(value) and value > 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
