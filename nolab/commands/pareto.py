"""`nolab pareto DIR ...`: the front of error and cost over finished runs."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from nolab.commands._arguments import make_parser
from nolab.compare.comparison import Comparison, Options, compare
from nolab.compare.export import as_csv, as_dict
from nolab.errors import InputError, printable
from nolab.tracking.run_directory import write_text

_MOST_NOTES = 10


def main(arguments: Sequence[str]) -> int:
    """Compare runs and print their front; see `nolab pareto --help`."""
    asked = _parser().parse_args(arguments)
    _check_files(asked.figure, asked.csv)
    by, reference = asked.by and tuple(asked.by), asked.reference and tuple(asked.reference)
    lists = (tuple(asked.where), tuple(asked.baseline), tuple(asked.target))
    comparison = compare(asked.runs, Options(asked.x, asked.y, by, *lists, reference, asked.along))
    if asked.json:
        print(json.dumps(as_dict(comparison), indent=2, default=str))
    else:
        _print(comparison, plot=not asked.no_plot)
    _write_files(comparison, asked.figure, asked.csv)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("pareto", "The Pareto front of error and cost over finished runs, seeds aggregated.")
    add = parser.add_argument
    add("runs", metavar="DIR", nargs="+", help="a run directory, or a folder that holds some at any depth")
    add(
        "--x",
        default=Options.x,
        metavar="NAME",
        help=f"the cost, a figure of summary.json; default {Options.x}",
    )
    add("--y", default=Options.y, metavar="NAME", help=f"the error; default {Options.y}")
    add("--by", nargs="+", metavar="KEY", help="keys that make groups; default: those that vary, seeds aside")
    add("--along", metavar="KEY", help="of these keys, the one along which groups make a curve in the figure")
    keys = {"nargs": "+", "action": "extend", "default": [], "metavar": "KEY=VALUE"}
    add("--where", help="only these runs; A,B: either value", **keys)
    add("--baseline", help="the group to compare with; default: the one with sampling=fine", **keys)
    add("--target", nargs="+", type=float, default=[], metavar="ERR", help="errors of which to tell the cost")
    add("--reference", nargs=2, type=float, metavar=("X", "Y"), help="corner of the hypervolume's rectangle")
    add("--json", action="store_true", help="all of it as JSON on stdout, and nothing else")
    add("--csv", type=Path, metavar="FILE", help="write the groups' table")
    add("--figure", nargs="+", type=Path, default=[], metavar="FILE", help="write pictures: .png, .svg, .pdf")
    add("--no-plot", action="store_true", help="no plot in the terminal")
    return parser


def _check_files(figures: Sequence[Path], csv: Path | None) -> None:
    """Refuse what could not be written, before a thousand runs are read."""
    if figures:
        from nolab.compare.figure import check_suffix

        for file in figures:
            check_suffix(file)
    for file in (*figures, *([csv] if csv else [])):
        if not file.parent.is_dir():
            raise InputError(f"{file}: no such folder: {file.parent}")
        if file.exists() and not file.is_file():
            raise InputError(f"{file}: not a plain file that could be replaced")


def _write_files(comparison: Comparison, figures: Sequence[Path], csv: Path | None) -> None:
    if csv:
        try:
            write_text(csv, as_csv(comparison))
        except OSError as error:
            raise InputError(f"{csv}: can't be written: {error.strerror}") from error
    if figures:
        from nolab.compare.figure import save_figure

        for file in figures:
            save_figure(comparison, file)


def _print(comparison: Comparison, *, plot: bool) -> None:
    from nolab.commands._tables import print_table
    from nolab.compare import table
    from nolab.compare.axes import title
    from nolab.compare.terminal import draw, glyphs_for

    glyphs = glyphs_for(sys.stdout.encoding)
    sys.stdout.reconfigure(errors="replace")  # labels may hold what the terminal can't show
    if plot:
        print(draw(comparison, glyphs), end="\n\n")
    print_table(*table.groups_table(comparison, glyphs), sys.stdout)
    print(f"\n{glyphs.front} on the Pareto front. {table.hypervolume_line(comparison)}")
    targets = comparison.targets
    if targets is not None:
        words = f"{title(comparison.options.x)} to reach a {title(comparison.options.y)} of"
        print(f"\n{words[0].upper()}{words[1:]}\n")
        print_table(*table.targets_table(comparison, targets, glyphs), sys.stdout)
        if targets.against:
            print(f"\n{table.baseline_line(comparison, targets)}\n")
            print_table(*table.baseline_table(comparison, targets, glyphs), sys.stdout)
    sys.stdout.flush()
    _note([f"note: {remark}" for remark in comparison.remarks])
    _note([f"skipped: {run.path}: {run.reason}" for run in comparison.skipped])


def _note(lines: Sequence[str]) -> None:
    for line in lines[:_MOST_NOTES]:
        print(printable(line), file=sys.stderr)
    if len(lines) > _MOST_NOTES:
        print(f"… and {len(lines) - _MOST_NOTES} more", file=sys.stderr)
