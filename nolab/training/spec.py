"""What a checkpoint holds so that its model can be used without data: written plain, and believed only once checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from nolab.data.normalizer import Normalizer
from nolab.data.pyramid import Normalizers
from nolab.data.source import Shape
from nolab.errors import InputError
from nolab.fields import OperatorSpec
from nolab.frames import follow_on
from nolab.grid import Axis, Domain, Placement, input_shape

if TYPE_CHECKING:
    from nolab.training.setup import Setup

_MOST_NAMES = 4096
_LONGEST_NAME = 1000
_MOST_LEVELS = 64
_MOST_POINTS = 2**40
_TINY, _MOST = (float(limit) for limit in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))


@dataclass(frozen=True)
class TrainedOn:
    """The fields between which a trained model maps."""

    domain: Domain
    """The physical domain of every grid."""
    input_names: tuple[str, ...]
    """One name per input channel."""
    output_names: tuple[str, ...]
    """One name per output channel."""
    input_axes: tuple[int, ...] | None
    """Axes of the domain on which the input varies, None for all of them."""
    normalizers: Normalizers
    """Of input and output, with a value per channel."""
    levels: tuple[Shape, ...]
    """Grids, or numbers of scattered points, that it was trained at."""

    @property
    def finest(self) -> Shape:
        """The training level with most points."""
        return max(self.levels, key=prod)

    @property
    def fields(self) -> OperatorSpec:
        """What the model is built from."""
        return OperatorSpec(
            len(self.input_names),
            len(self.output_names),
            self.domain,
            input_shape(self.finest, self.input_axes),
            follow_on(self.input_names, self.output_names),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values only; :meth:`from_dict` reads them back."""
        return {
            "domain": self.domain.to_dict(),
            "input_names": list(self.input_names),
            "output_names": list(self.output_names),
            "input_axes": None if self.input_axes is None else list(self.input_axes),
            "normalizers": {
                key: {"mean": list(part.mean), "std": list(part.std)}
                for key, part in (("input", self.normalizers.input), ("output", self.normalizers.output))
            },
            "levels": [list(shape) for shape in self.levels],
        }

    @classmethod
    def from_dict(cls, data: object) -> "TrainedOn":
        """The fields out of a file's values, none of which is believed.

        Raises
        ------
        InputError : naming the part, what was found and what is expected.
        """
        values = _mapping(data, "spec", _PARTS)
        domain = _domain(values["domain"])
        names = [_names(values[key], f"spec.{key}") for key in ("input_names", "output_names")]
        saved = _mapping(values["normalizers"], "spec.normalizers", ("input", "output"))
        normalizers = Normalizers(
            _normalizer(saved["input"], "spec.normalizers.input", len(names[0])),
            _normalizer(saved["output"], "spec.normalizers.output", len(names[1])),
        )
        axes = _input_axes(values["input_axes"], domain)
        return cls(domain, names[0], names[1], axes, normalizers, _levels(values["levels"], domain))


_PARTS = ("domain", "input_names", "output_names", "input_axes", "normalizers", "levels")


def spec(setup: "Setup", normalizers: Normalizers) -> dict[str, Any]:
    """What a run's checkpoint keeps of its data."""
    source, levels = setup.source, tuple(level.shape for level in setup.hierarchy.levels)
    names = tuple(source.input_names), tuple(source.output_names)
    return TrainedOn(setup.hierarchy.domain, *names, source.input_axes, normalizers, levels).to_dict()


def _check(condition: bool, where: str, value: object, expected: str) -> None:
    if not condition:
        raise InputError(f"{where}: expected {expected}, found {_shown(value)}")


def _shown(value: object) -> str:
    """A short text for anything: a list in a file may hold itself a billion times over."""
    return f"{value!r:.60}" if isinstance(value, str | float | bool | None) else f"a {type(value).__name__}"


def _mapping(value: object, where: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    _check(isinstance(value, dict), where, value, "a mapping")
    for key in keys:
        _check(key in value, f"{where}.{key}", None, "a value")
    return value


def _list(value: object, where: str, most: int) -> list:
    _check(isinstance(value, list | tuple) and 0 < len(value) <= most, where, value, f"1 to {most} entries")
    return list(value)


def _domain(value: object) -> Domain:
    axes = []
    for i, item in enumerate(_list(value, "spec.domain", 3)):
        where = f"spec.domain[{i}]"
        axis = _mapping(item, where, ("placement", "start", "stop"))
        placement = axis["placement"]
        known = type(placement) is str and placement in get_args(Placement)
        _check(known, f"{where}.placement", placement, f"one of {', '.join(get_args(Placement))}")
        start, stop = (_number(axis[key], f"{where}.{key}") for key in ("start", "stop"))
        try:
            axes.append(Axis(placement, start, stop))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return Domain(tuple(axes))


def _names(value: object, where: str) -> tuple[str, ...]:
    names = _list(value, where, _MOST_NAMES)
    for i, name in enumerate(names):
        good = type(name) is str and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
        _check(good, f"{where}[{i}]", name, f"a name of 1 to {_LONGEST_NAME} characters")
    return tuple(names)


def _input_axes(value: object, domain: Domain) -> tuple[int, ...] | None:
    if value is None:
        return None
    where = "spec.input_axes"
    _check(not domain.is_scattered, where, value, "null on scattered points")
    axes = tuple(_size(axis, f"{where}[{i}]", 0) for i, axis in enumerate(_list(value, where, domain.ndim)))
    good = sorted(set(axes)) == list(axes) and axes[-1] < domain.ndim
    _check(good, where, value, f"ascending axes below {domain.ndim}")
    return axes


def _normalizer(value: object, where: str, channels: int) -> Normalizer:
    saved = _mapping(value, where, ("mean", "std"))
    read = {}
    for key in ("mean", "std"):
        numbers = _list(saved[key], f"{where}.{key}", _MOST_NAMES)
        read[key] = tuple(_number(number, f"{where}.{key}[{i}]") for i, number in enumerate(numbers))
        _check(len(numbers) == channels, f"{where}.{key}", value, f"{channels} numbers, one per channel")
    for mean, std in zip(read["mean"], read["std"], strict=True):
        _check(_TINY <= std <= _MOST, f"{where}.std", std, "positive numbers of float32")
        fits = max(abs(mean), abs(mean / std)) <= _MOST
        _check(fits, f"{where}.mean", mean, "numbers of float32, in units of std too")
    return Normalizer(read["mean"], read["std"])


def _levels(value: object, domain: Domain) -> tuple[Shape, ...]:
    levels = []
    for i, item in enumerate(_list(value, "spec.levels", _MOST_LEVELS)):
        where = f"spec.levels[{i}]"
        sizes = _list(item, where, domain.grid_ndim)
        _check(len(sizes) == domain.grid_ndim, where, item, f"{domain.grid_ndim} sizes")
        shape = tuple(_size(size, where, 3) for size in sizes)
        _check(prod(shape) <= _MOST_POINTS, where, item, f"at most {_MOST_POINTS} points")
        levels.append(shape)
    _check(len(set(levels)) == len(levels), "spec.levels", value, "different levels")
    return tuple(levels)


def _number(value: object, where: str) -> float:
    good = type(value) in (int, float) and abs(value) <= _MOST
    _check(good, where, value, "a finite number")
    return float(value)


def _size(value: object, where: str, least: int) -> int:
    _check(type(value) is int and least <= value <= _MOST_POINTS, where, value, f"a whole number >= {least}")
    return value
