"""The keys of `dataset=file`."""

import re
import shlex
from dataclasses import dataclass, fields
from typing import Any

from nolab.errors import InputError
from nolab.grid import Placement
from nolab.schema import check

AXES = "nctxyz"
SPACE = "xyz"
_WORDS = ("null", "true", "false", "nan", "inf")  # that are no texts in YAML


@dataclass(frozen=True)
class FileOptions:
    """Data that the user has (`dataset.path`). Null keys are taken from the file where its format says it."""

    path: str
    """A file or folder; `nolab info data PATH` says how it is read."""
    test_path: str | None = None
    """A second file of the same format: the test split."""
    input: str | list[str] | None = None
    """Name of the array that is the input, or of several, which become channels."""
    output: str | list[str] | None = None
    """The same for the output."""
    axes: str | list[str] | None = None
    """Axes of the arrays, a letter each: n samples, c channels, t time, x, y, z space, e.g. nxyt; or two such
    words, the input's and the output's: [nxy,nxyt]."""
    frames_in: int | None = None
    """Time series: the first frames are the input, as channels."""
    frames_out: int | None = None
    """Time series: the frames after them are the output, as channels; null: all the rest."""
    n_train: int | None = None
    """Training samples, from the first on; null: all that are not test samples."""
    n_test: int | None = None
    """Test samples: the last ones, or the first ones of a test file."""
    placement: list[Placement] | Placement | None = None
    """Where the samples lie on each axis: nodal, cell or periodic, or a list with one entry per axis."""

    def __post_init__(self) -> None:
        for name in ("frames_in", "frames_out", "n_train", "n_test"):
            value = getattr(self, name)
            check(value is None or value >= 1, name, value, ">= 1 or null")
        for name in ("input", "output"):
            check(getattr(self, name) != [], name, [], "at least one array's name")
        words = [] if self.axes is None else self.words
        check(self.axes is None or len(words) in (1, 2), "axes", self.axes, "one word, or [input's,output's]")
        for word in words:
            allowed = f"letters of {AXES}, each once, n and one of xyz among them, e.g. nxy"
            check(_are_axes(word), "axes", word, allowed)

    @property
    def words(self) -> list[str]:
        """The words of `axes`."""
        return [self.axes] if isinstance(self.axes, str) else list(self.axes)

    def given(self) -> dict[str, Any]:
        """The keys that are set, without the paths."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("path", "test_path")}
        return {name: value for name, value in values.items() if value is not None}


def overrides(values: dict[str, Any]) -> str:
    """`values` as overrides of the group `dataset`, to paste into a shell."""
    return " ".join(shlex.quote(f"dataset.{name}={_hydra(value)}") for name, value in values.items())


def names_of(value: str | list[str]) -> tuple[str, ...]:
    """One name or several as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)


def refuse_keys(options: FileOptions, reason: str) -> None:
    """Raise an InputError where any key but `path` is set: the file leaves nothing open."""
    given = {**options.given(), **({} if options.test_path is None else {"test_path": options.test_path})}
    if given:
        raise InputError(f"dataset.{next(iter(given))}: {options.path} {reason}; leave the key out")


def _hydra(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_hydra, value))}]"
    text = str(value)
    if isinstance(value, str) and (
        text.lower() in _WORDS or not re.fullmatch(r"[A-Za-z_/.~][\w/.+@%-]*", text)
    ):
        return "'" + text.replace("'", "\\'") + "'"
    return text


def _are_axes(word: str) -> bool:
    return len(set(word)) == len(word) and set(word) <= set(AXES) and "n" in word and bool({*SPACE} & {*word})
