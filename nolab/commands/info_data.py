"""`nolab info data PATH`: what a data file holds, how nolab reads it, and the overrides to train on it."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nolab.commands._tables import print_table
from nolab.errors import InputError, first_line

if TYPE_CHECKING:
    from nolab.data.importers.contents import Contents
    from nolab.data.importers.options import FileOptions
    from nolab.data.importers.summary import Summary
    from nolab.data.source import FieldSource
    from nolab.grid import Domain

USAGE = """Usage: nolab info data PATH [--all] [KEY=VALUE …]

  --all       read everything for the statistics, not the first GiB of each split
  KEY=VALUE   a key of dataset=file, e.g. test_path=… input=a output=u frames_in=10 n_test=200"""

_LISTED = 30


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab info data`."""
    from nolab.data.importers.hdf5 import is_store
    from nolab.data.opening import open_file

    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return 0
    options, everything = _parse(arguments)
    path = Path(options.path).expanduser()
    if path.is_file() and is_store(path):
        print(f"{path}: store of nolab")
        _describe(open_file(options), options, everything)
        return 0
    return _describe_import(path, options, everything)


def _describe_import(path: Path, options: "FileOptions", everything: bool) -> int:
    from nolab.data.importers.assemble import assemble
    from nolab.data.importers.options import overrides
    from nolab.data.importers.proposal import proposed
    from nolab.data.importers.recognise import recognise

    contents = recognise(path, options.test_path and Path(options.test_path).expanduser())
    print(f"{path}: {contents.format}")
    _list_arrays(contents)
    complete = proposed(contents, options)
    guessed = {k: v for k, v in complete.given().items() if options.given().get(k) != v}
    if guessed:
        print(f"the file does not say, and nolab would ask for: {overrides(guessed)}")
        print("what follows is for these, which are guesses; give others as KEY=VALUE")
    _describe(assemble(contents, complete), complete, everything)
    return 0


def _parse(arguments: Sequence[str]) -> tuple["FileOptions", bool]:
    from nolab.data.importers.options import FileOptions
    from nolab.schema import from_mapping

    words = [argument for argument in arguments if argument != "--all"]
    paths = [word for word in words if "=" not in word]
    if flags := [word for word in paths if word.startswith("-")]:
        raise InputError(f"info data: '{flags[0]}' is no option of it\n{USAGE}")
    if len(paths) != 1:
        raise InputError("info data: one path is needed, nolab info data PATH [KEY=VALUE …]")
    keys = dict(_value(word) for word in words if "=" in word)
    return from_mapping(FileOptions, {"path": paths[0], **keys}, "dataset"), "--all" in arguments


def _value(word: str) -> tuple[str, Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise InputError(f"info data: '{word}' is no KEY=VALUE ({first_line(error)})") from None
    value = override.value()
    plain = list(map(_text, value)) if isinstance(value, list) else _text(value)
    return override.key_or_group.removeprefix("dataset."), plain


def _text(value: Any) -> Any:
    """Hydra's quoted texts as plain ones."""
    return getattr(value, "text", value)


def _list_arrays(contents: "Contents") -> None:
    arrays = contents.arrays
    rows = [[name, str(array.shape), array.dtype] for name, array in list(arrays.items())[:_LISTED]]
    rows += [[name, "–", f"not read: {reason}"] for name, reason in list(contents.refused.items())[:_LISTED]]
    print_table(["array", "shape", "type"], rows, sys.stdout)
    if (more := len(arrays) + len(contents.refused) - len(rows)) > 0:
        print(f"… and {more} more")


def _describe(source: "FieldSource", options: "FileOptions", everything: bool) -> None:
    from nolab.data.importers.summary import summarise
    from nolab.data.store import Store
    from nolab.grid import shape_name

    names = f"{_shortened(source.input_names)} → {_shortened(source.output_names)}"
    print(f"{names} on {_place(source.domain)}")
    if source.input_axes is not None:
        print(f"the input varies along axes {', '.join(map(str, source.input_axes))} only")
    splits = [[s, str(source.count(s)), " ".join(map(shape_name, source.shapes(s)))] for s in source.splits()]
    header = ["split", "samples", "points" if source.domain.is_scattered else "grids"]
    print_table(header, splits, sys.stdout)
    if isinstance(source, Store) and source.meta.nested:
        print("the points of every level are among those of the next")
    summaries = {split: summarise(source, split, everything=everything) for split in source.splits()}
    _show_fields(source, summaries)
    _show_overlap(source, everything)
    _show_levels(source, options)


def _show_fields(source: "FieldSource", summaries: dict[str, "Summary"]) -> None:
    rows = []
    for split, summary in summaries.items():
        channels = summary.channels[:_LISTED]
        rows += [
            [f"{split}/{c.name}", f"{c.minimum:.4g}", f"{c.mean:.4g}", f"{c.maximum:.4g}", str(c.not_finite)]
            for c in channels
        ]
    print_table(["field", "min", "mean", "max", "NaN or inf"], rows, sys.stdout)
    for split, summary in summaries.items():
        if summary.points is not None and summary.points[0] < summary.points[1]:
            print(
                f"{split}: samples of {summary.points[0]} to {summary.points[1]} points, padded at their end"
            )
        if summary.read < source.count(split):
            print(f"of the first {summary.read} of {source.count(split)} {split} samples; --all reads all")
        if bad := sum(channel.not_finite for channel in summary.channels):
            print(f"{split}: {bad} values are not finite; training refuses them")


def _show_overlap(source: "FieldSource", everything: bool) -> None:
    from nolab.data.importers.summary import shared_inputs

    for split in source.splits():
        if split == "train" or "train" not in source.splits():
            continue
        if (found := shared_inputs(source, split, everything=everything)) is None:
            print(f"{split} and train are stored on different grids; not compared for shared samples")
        else:
            refused = "; training refuses them" if found[0] else ""
            print(f"{found[0]} of {found[1]} {split} inputs are training inputs too{refused}")


def _show_levels(source: "FieldSource", options: "FileOptions") -> None:
    from nolab.data.importers.options import overrides
    from nolab.data.importers.summary import derivable
    from nolab.grid import shape_name

    method, levels = derivable(source, "train" if "train" in source.splits() else "test")
    names = " ".join(map(shape_name, levels))
    print(f"levels that can be derived: {names}{'' if len(levels) == 1 else f' ({method})'}")
    words = ["nolab train dataset=file", overrides({"path": str(Path(options.path))})]
    if options.test_path is not None:
        words.append(overrides({"test_path": options.test_path}))
    words.append(overrides(options.given()))
    words += ["model=ginot"] * source.domain.is_scattered
    hierarchy = ("one", "two", "three", "four")[min(len(levels), 3) - 1]
    words += [f"hierarchy={hierarchy}"] * (hierarchy != "three")
    words += [shlex.quote(f"hierarchy.restriction={method}")] * (method != "subsample")
    words += ["sampling=fine"] * (len(levels) == 1)
    print("to train on it:\n" + " ".join(word for word in words if word))


def _place(domain: "Domain") -> str:
    if domain.is_scattered:
        return "scattered points in " + " × ".join(f"[{a.start:g}, {a.stop:g}]" for a in domain.axes)
    return " × ".join(f"[{a.start:g}, {a.stop:g}] {a.placement}" for a in domain.axes)


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{names[0]} … {names[-1]} ({len(names)} channels)"
