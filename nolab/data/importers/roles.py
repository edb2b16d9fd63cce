"""Which arrays are the input and the output, and which axes they have: the format's word or the user's."""

from dataclasses import dataclass

from nolab.data.importers.contents import Contents
from nolab.data.importers.options import SPACE, FileOptions, names_of
from nolab.errors import InputError, unknown


@dataclass(frozen=True)
class Roles:
    """Axes of the arrays that are read, by name; see :class:`~nolab.data.importers.contents.Hints`."""

    inputs: dict[str, str]
    outputs: dict[str, str]

    @property
    def is_series(self) -> bool:
        """Whether an array is input and output at once: its first frames one, later frames the other."""
        return any("t" in axes and name in self.outputs for name, axes in self.inputs.items())


def names(contents: Contents, options: FileOptions, role: str) -> tuple[str, ...] | None:
    """Names of the arrays in a role, ``"input"`` or ``"output"``; None where nobody says."""
    given = getattr(options, role)
    return getattr(contents.hints, role) if given is None else names_of(given)


def axes_of(contents: Contents, options: FileOptions, role: str, name: str) -> str | None:
    """Letters of an array's axes, None where nobody says.

    Raises
    ------
    InputError : no such array, one that is refused, or axes that its shape contradicts.
    """
    shape = find(contents, f"dataset.{role}", name).shape
    if options.axes is not None:
        word = options.words[0 if role == "input" else -1]
        if len(word) == len(shape):
            return word
        # One word for both is that of the output; an input may have fewer axes.
        if role == "output" or len(options.words) == 2:
            raise InputError(
                f"dataset.axes: '{word}' has {len(word)} letters, array {name} has shape {shape}"
            )
    if (known := contents.hints.axes.get(name)) is not None and len(known) == len(shape):
        return known
    return f"n{SPACE[: len(shape) - 1]}" if len(shape) in (2, 3) else None


def assign(contents: Contents, options: FileOptions) -> Roles:
    """The roles of a file whose options are complete.

    Raises
    ------
    InputError : see :func:`axes_of`.
    """
    read = {
        role: {name: _known(contents, options, role, name) for name in names(contents, options, role) or ()}
        for role in ("input", "output")
    }
    roles = Roles(read["input"], read["output"])
    if same := [name for name in roles.inputs if name in roles.outputs and "t" not in roles.inputs[name]]:
        raise InputError(
            f"dataset.output: {same[0]} is the input too, and has no axis t whose frames could differ"
        )
    return roles


def _known(contents: Contents, options: FileOptions, role: str, name: str) -> str:
    axes = axes_of(contents, options, role, name)
    if axes is None:
        shape = contents.arrays[name].shape
        raise InputError(f"dataset.axes: missing for array {name} of shape {shape}, e.g. dataset.axes=nxyt")
    return axes


def find(contents: Contents, key: str, name: str):
    """An array by its name."""
    if name in contents.refused:
        raise InputError(f"{key}: {name} {contents.refused[name]}")
    if name not in contents.arrays:
        raise unknown(key, name, contents.arrays)
    return contents.arrays[name]
