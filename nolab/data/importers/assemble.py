"""Contents and complete options -> a source of fields."""

from collections.abc import Mapping

from nolab.data.importers.contents import UNSPLIT, Arrays, Contents
from nolab.data.importers.counts import divide
from nolab.data.importers.fields import Field
from nolab.data.importers.geometry import build_domain
from nolab.data.importers.options import SPACE, FileOptions
from nolab.data.importers.points import ImportedPoints, read_points
from nolab.data.importers.roles import Roles, assign
from nolab.data.importers.source import ImportedSource, SplitFields
from nolab.data.source import Shape
from nolab.errors import InputError, unknown


def assemble(contents: Contents, options: FileOptions) -> ImportedSource | ImportedPoints:
    """The source that the file is under `options`, every key of which that the format needs is set.

    Raises
    ------
    InputError : naming the key or the array, and what the file holds.
    """
    if contents.points is not None:
        return read_points(contents.points, options)
    roles = assign(contents, options)
    as_channels = options.frames_in is not None or options.frames_out is not None
    letters = set().union(*roles.outputs.values())
    space = "".join(v for v in ("" if as_channels else "t") + SPACE if v in letters)
    held = {split: _samples(grids[0], roles) for split, grids in contents.splits.items()}
    rows = divide(held, options)
    frames = _Frames(options)
    read: dict[str, dict[Shape, SplitFields]] = {}
    for split, part in rows.items():
        for arrays in contents.splits.get(split) or contents.splits[UNSPLIT]:
            fields = SplitFields(
                frames.fields(arrays, roles.inputs, "input", part.start),
                frames.fields(arrays, roles.outputs, "output", part.start),
            )
            shape = _shape(fields, space, held.get(split) or held[UNSPLIT], split)
            grids = read.setdefault(split, {})
            if shape in grids:
                raise InputError(f"dataset.path: {options.path} holds split '{split}' twice on one grid")
            grids[shape] = fields
    finest = max((shape for grids in read.values() for shape in grids), key=max)
    domain = build_domain(contents.hints, options, space, finest)
    counts = {split: len(part) for split, part in rows.items()}
    source = ImportedSource(domain, space, _input_axes(roles, space), counts, read)
    _check_channels(source, read)
    return source


class _Frames:
    """Cuts time series into input and output frames, where the options ask for frames."""

    def __init__(self, options: FileOptions) -> None:
        self._in, self._out = options.frames_in, options.frames_out

    def fields(self, arrays: Arrays, roles: Mapping[str, str], role: str, first: int) -> tuple[Field, ...]:
        """The fields of a role, their samples counted from `first`."""
        made = []
        for name, axes in roles.items():
            if name not in arrays:
                raise unknown(f"dataset.{role}", name, arrays)
            if len(axes) != len(arrays[name].shape):
                raise InputError(
                    f"{arrays[name].where} has shape {arrays[name].shape}, expected axes '{axes}'"
                )
            made.append(
                Field(name, arrays[name], axes, self._cut(arrays[name].shape, name, axes, role), first)
            )
        key, asked = ("frames_in", self._in) if role == "input" else ("frames_out", self._out)
        if asked is not None and not any(field.frames for field in made):
            raise InputError(f"dataset.{key}: no {role} array has an axis t: {_shown(made)}")
        return tuple(made)

    def _cut(self, shape: tuple[int, ...], name: str, axes: str, role: str) -> range | None:
        if (self._in is None and self._out is None) or "t" not in axes:
            return None
        if self._in is None and role == "input":
            raise InputError(f"dataset.frames_in: missing; {name} is a time series and frames_out is given")
        held, start = shape[axes.index("t")], 0 if role == "input" else self._in or 0
        stop = self._in if role == "input" else held if self._out is None else start + self._out
        if not start < stop <= held:
            raise InputError(
                f"dataset.frames_{'in' if role == 'input' else 'out'}: {name} holds {held} frames; "
                f"frames_in={self._in} and frames_out={self._out} do not fit"
            )
        return range(start, stop)


def _samples(arrays: Arrays, roles: Roles) -> int:
    name, axes = next(iter(roles.outputs.items()))
    return arrays[name].shape[axes.index("n")] if name in arrays else 0


def _shape(fields: SplitFields, space: str, count: int, split: str) -> Shape:
    """The grid of the outputs; every field has its sizes and as many samples."""
    shape = tuple(fields.outputs[0].size(letter) for letter in space)
    for field, is_output in [(f, False) for f in fields.inputs] + [(f, True) for f in fields.outputs]:
        for letter, size in zip(space, shape, strict=True):
            lacks = letter not in field.axes
            if (lacks and is_output) or (not lacks and field.size(letter) != size):
                raise InputError(
                    f"dataset.path: {field.name} {field.array.shape} does not lie on the grid of "
                    f"{fields.outputs[0].name} {fields.outputs[0].array.shape}: the fields differ in samples or grid "
                    f"along {letter}"
                )
        if set(field.axes) & set(SPACE) - set(space):
            raise InputError(
                f"dataset.axes: {field.name} has axes '{field.axes}', the output has only '{space}'"
            )
        if field.size("n") != count:
            raise InputError(
                f"dataset.path: split '{split}' holds different numbers of samples: {field.name} "
                f"{field.array.shape} has {field.size('n')}, expected {count}"
            )
    return shape


def _input_axes(roles: Roles, space: str) -> tuple[int, ...] | None:
    varies = tuple(i for i, v in enumerate(space) if any(v in axes for axes in roles.inputs.values()))
    if not varies:
        raise InputError("dataset.input: varies along no axis of the output's grid")
    return None if len(varies) == len(space) else varies


def _check_channels(source: ImportedSource, read: Mapping[str, Mapping[Shape, SplitFields]]) -> None:
    for split, grids in read.items():
        for shape, fields in grids.items():
            for role, expected in (("inputs", source.input_names), ("outputs", source.output_names)):
                found = tuple(name for field in getattr(fields, role) for name in field.names())
                if found != expected:
                    raise InputError(
                        f"dataset.path: {split} {shape}: {role} {_shown(getattr(fields, role))} make the channels "
                        f"{found}, those of other files {expected}"
                    )


def _shown(fields) -> str:
    return ", ".join(f"{field.name} {field.array.shape}" for field in fields)
