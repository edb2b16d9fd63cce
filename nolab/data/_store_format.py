"""The layout of a nolab store and the check that a file keeps to it."""

import hashlib
import json
from dataclasses import dataclass
from math import prod

import h5py
import numpy as np

from nolab.data.source import Shape
from nolab.errors import InputError
from nolab.grid import Domain, input_shape, shape_name

FORMAT = "nolab store"
FORMAT_VERSION = 1
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

    def channels(self, field: str) -> int:
        """Number of channels of the dataset `field`, ``"input"`` or ``"output"``."""
        return len(self.input_names if field == "input" else self.output_names)

    def dataset_shape(self, split: str, shape: Shape, field: str) -> tuple[int, ...]:
        """Shape of one dataset: (n, C, *shape), 1 on axes on which an input does not vary."""
        return (self.counts[split], *self.sample_shape(shape, field))

    def sample_shape(self, shape: Shape, field: str) -> tuple[int, ...]:
        """Shape of one sample of the dataset `field`: (C, *shape)."""
        grid = input_shape(shape, self.input_axes) if field == "input" else shape
        return (self.channels(field), *grid)

    def nbytes(self) -> int:
        """Bytes of all fields together."""
        values = sum(prod(self.sample_shape(shape, field)) for shape in self.shapes for field in FIELDS)
        return sum(self.counts.values()) * values * DTYPE.itemsize


def canonical_json(data: object) -> str:
    """One text for equal data: sorted keys, no spaces."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_attributes(file: h5py.File, meta: StoreMeta) -> None:
    """Write `meta` as the attributes of the file."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    attributes = _to_attributes(meta)
    for name, value in attributes.items():
        file.attrs[name] = value
    file.attrs[CHECKSUM] = _digest(attributes)


def _to_attributes(meta: StoreMeta) -> dict[str, str]:
    # Written only where it says something: stores of before it existed stay readable.
    partial = {} if meta.input_axes is None else {"input_axes": canonical_json(meta.input_axes)}
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


def read_meta(file: h5py.File) -> StoreMeta:
    """The attributes of a file that was opened, checked.

    Raises
    ------
    InputError : no nolab store, another format version, an attribute missing or malformed. The
        message says what was found; the caller adds the path.
    """
    if _text(file, "format", required=False) != FORMAT:
        raise InputError("is an HDF5 file, but no nolab store (its attribute 'format' is missing)")
    version = file.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(f"has format version {version}, this nolab reads version {FORMAT_VERSION}")
    names = {key: _names(file, key) for key in ("input_names", "output_names")}
    return StoreMeta(
        problem=_text(file, "problem"),
        parameters=_json(file, "parameters", dict),
        version=_text(file, "generator_version"),
        seed=_json(file, "seed", int),
        domain=Domain.from_dict(_json(file, "domain", list)),
        units=_json(file, "units", dict),
        counts=_counts(file),
        shapes=_shapes(file),
        input_axes=_input_axes(file),
        **names,
    )


def check_contents(file: h5py.File, meta: StoreMeta) -> None:
    """Every group and dataset is there, of the declared size, and lies in this very file.

    The values' checksums are compared when they are read, that of the attributes here.

    Raises
    ------
    InputError : what was found and what was expected.
    """
    _check_members(file, set(meta.counts), h5py.Group)
    for split in meta.counts:
        _check_members(file[split], {shape_name(shape) for shape in meta.shapes}, h5py.Group)
        for shape in meta.shapes:
            group = file[split][shape_name(shape)]
            _check_members(group, set(FIELDS), h5py.Dataset)
            for field in FIELDS:
                _check_dataset(group[field], meta.dataset_shape(split, shape, field))
    if file.attrs.get(CHECKSUM) != _digest(_to_attributes(meta)):
        raise InputError("has damaged attributes: their checksum is not the one that was written")


def _check_members(group: h5py.Group, expected: set[str], kind: type) -> None:
    if set(group) != expected:
        raise InputError(f"{group.name} holds {sorted(group)}, expected {sorted(expected)}")
    for name in group:
        # Links are looked at before anything is opened: one to another file is never followed.
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"{_join(group, name)} is a link to elsewhere, which a store may not hold")
        if group.get(name, getclass=True) is not kind:
            raise InputError(f"{_join(group, name)} is not a {kind.__name__.lower()}")


def _check_dataset(data: h5py.Dataset, shape: tuple[int, ...]) -> None:
    if data.dtype != DTYPE:
        raise InputError(f"{data.name} has type {data.dtype}, expected float32")
    if data.shape != shape:
        raise InputError(f"{data.name} has shape {data.shape}, its attributes declare {shape}")
    if data.is_virtual or data.external:
        raise InputError(f"{data.name} keeps its values in another file, which a store may not do")
    # A few bytes of HDF5 can declare terabytes; what is declared has to be there.
    if (stored := data.id.get_storage_size()) != prod(shape) * DTYPE.itemsize:
        raise InputError(f"{data.name} stores {stored} bytes, expected {prod(shape) * DTYPE.itemsize}")
    if not isinstance(data.attrs.get(CHECKSUM), str):
        raise InputError(f"{data.name} has no checksum (attribute '{CHECKSUM}')")


def _text(file: h5py.File, name: str, required: bool = True) -> str | None:
    value = file.attrs.get(name)
    if isinstance(value, str):
        return value
    if required:
        raise InputError(f"attribute '{name}': expected a text, found {value!r}")
    return None


def _json(file: h5py.File, name: str, kind: type):
    text = _text(file, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"attribute '{name}' is not JSON: {error}") from None
    if not isinstance(value, kind):
        raise InputError(f"attribute '{name}': expected a {kind.__name__}, found {text}")
    return value


def _names(file: h5py.File, name: str) -> tuple[str, ...]:
    value = _json(file, name, list)
    if not value or not all(isinstance(item, str) for item in value):
        raise InputError(f"attribute '{name}': expected a list of names, found {value}")
    return tuple(value)


def _counts(file: h5py.File) -> dict[str, int]:
    value = _json(file, "counts", dict)
    if not value or not all(_is_size(n) for n in value.values()):
        raise InputError(f"attribute 'counts': expected a positive number for each split, found {value}")
    return value


def _shapes(file: h5py.File) -> tuple[Shape, ...]:
    value = _json(file, "levels", list)
    ndim = len(_json(file, "domain", list))
    if not value or not all(isinstance(s, list) and len(s) == ndim and all(map(_is_size, s)) for s in value):
        raise InputError(f"attribute 'levels': expected grids of {ndim} positive sizes, found {value}")
    return tuple(tuple(shape) for shape in value)


def _input_axes(file: h5py.File) -> tuple[int, ...] | None:
    if "input_axes" not in file.attrs:
        return None
    value, ndim = _json(file, "input_axes", list), len(_json(file, "domain", list))
    if not value or not all(type(axis) is int and 0 <= axis < ndim for axis in value):
        raise InputError(f"attribute 'input_axes': expected some of the {ndim} axes, found {value}")
    return tuple(value)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _join(group: h5py.Group, name: str) -> str:
    return f"{group.name.rstrip('/')}/{name}"
