"""A guess at what a file leaves open: what errors and `nolab info data` propose, and training never takes."""

from dataclasses import replace

from nolab.data.importers.contents import UNSPLIT, Contents
from nolab.data.importers.options import SPACE, FileOptions, overrides, refuse_keys
from nolab.data.importers.roles import assign, axes_of, find, names
from nolab.errors import InputError

_PAIRS = (("x", "y"), ("a", "u"), ("input", "output"), ("inputs", "outputs"), ("coeff", "sol"))


def proposed(contents: Contents, options: FileOptions) -> FileOptions:
    """`options` with a value for every key that neither they nor the format give.

    Raises
    ------
    InputError : the file holds nothing that could be fields, or given keys do not fit it.
    """
    if contents.points is not None:
        refuse_keys(
            replace(options, n_train=None, n_test=None), "holds scattered points, whose format says it"
        )
        return options if contents.points.counts else _with_counts(options, contents.points.count)
    options = _with_names(contents, options)
    options = _with_axes(contents, options)
    roles = assign(contents, options)
    if roles.is_series and options.frames_in is None:
        name = next(name for name, axes in roles.inputs.items() if "t" in axes and name in roles.outputs)
        frames = contents.arrays[name].shape[roles.inputs[name].index("t")]
        first = max(1, min(10, frames // 2))
        rest = options.frames_out or max(1, min(10, frames - first))
        options = replace(options, frames_in=first, frames_out=rest)
    name, axes = next(iter(roles.outputs.items()))
    space = [letter for letter in SPACE if letter in axes]
    shape = contents.arrays[name].shape
    if options.placement is None and not set(space) <= set(contents.hints.placement):
        odd = all(shape[axes.index(letter)] % 2 for letter in space)
        options = replace(options, placement="nodal" if odd else "periodic")
    return _with_counts(options, shape[axes.index("n")]) if set(contents.splits) == {UNSPLIT} else options


def complete(contents: Contents, options: FileOptions) -> FileOptions:
    """`options` where they and the format leave nothing open.

    Raises
    ------
    InputError : they do; the message proposes the missing keys.
    """
    proposal = proposed(contents, options)
    added = {key: value for key, value in proposal.given().items() if options.given().get(key) != value}
    if added:
        held = ", ".join(f"{name} {array.shape}" for name, array in contents.arrays.items())
        raise InputError(
            f"dataset.{next(iter(added))}: missing; {options.path} ({contents.format}) does not say it. It holds: "
            f"{held}. If it is meant so: {overrides(added)}"
        )
    return options


def _with_counts(options: FileOptions, held: int) -> FileOptions:
    if options.n_train is not None or options.n_test is not None:
        return options
    return replace(options, n_test=max(1, min(200, held // 6)))


def _with_names(contents: Contents, options: FileOptions) -> FileOptions:
    missing = [role for role in ("input", "output") if names(contents, options, role) is None]
    if not missing:
        return options
    fields = [name for name, array in contents.arrays.items() if len(array.shape) > 1]
    if not fields:
        refused = "".join(f"; {name} {reason}" for name, reason in contents.refused.items())
        raise InputError(
            f"dataset.path: {options.path} ({contents.format}) holds no array (samples, grid …) to read{refused}"
        )
    pair = next((pair for pair in _PAIRS if set(pair) <= set(fields)), None)
    if pair is None:
        ordered = sorted(fields, key=lambda name: (len(contents.arrays[name].shape), fields.index(name)))
        pair = (ordered[0], ordered[min(1, len(ordered) - 1)])
    guess = dict(zip(("input", "output"), pair, strict=True))
    return replace(options, **{role: guess[role] for role in missing})


def _with_axes(contents: Contents, options: FileOptions) -> FileOptions:
    inputs, outputs = (names(contents, options, role) for role in ("input", "output"))
    series = set(inputs) & set(outputs)
    words = []
    for role, read in (("input", inputs), ("output", outputs)):
        known = axes_of(contents, options, role, read[0])
        for name in read[1:]:
            axes_of(contents, options, role, name)
        if known is not None and options.axes is None and series and "t" not in known:
            known = None
        shape = find(contents, f"dataset.{role}", read[0]).shape
        words.append(known or _guess(shape, bool(series)))
    known = options.axes is not None or all(name in contents.hints.axes for name in (*inputs, *outputs))
    plain = all(word == "n" + SPACE[: len(word) - 1] and len(word) < 4 for word in words)
    if known or plain:
        return options
    return replace(options, axes=words[0] if words[0] == words[1] else words)


def _guess(shape: tuple[int, ...], series: bool) -> str:
    """Letters for a shape (n, …); neighbours of one size are taken for space."""
    space = len(shape) - 2
    if not 1 <= space <= len(SPACE):
        raise InputError(
            f"dataset.axes: missing; an array has shape {shape}, nolab knows n, c, t, x, y and z"
        )
    last = space > 1 and shape[1] == shape[2] != shape[-1]
    letter = "t" if series or last else "c"
    return f"n{SPACE[:space]}{letter}" if last else f"n{letter}{SPACE[:space]}"
