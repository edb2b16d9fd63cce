"""`nolab report DIR…`: one HTML page that compares finished runs, or a W&B workspace."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from nolab.commands._arguments import make_parser
from nolab.errors import InputError


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab report`."""
    options = _parser().parse_args(arguments)
    if options.wandb is not None:
        print(_workspace(options))
        return 0
    if not options.runs:
        raise InputError("which runs? nolab report DIR…, e.g. nolab report outputs/train")
    _check_output(options.output)
    _write(options)
    print(options.output)
    return 0


def _workspace(options: argparse.Namespace) -> str:
    if options.runs:
        raise InputError(f"--wandb shows the project's own runs, not those in {', '.join(options.runs)}")
    entity, _, project = options.wandb.partition("/")
    if not entity or not project or "/" in project:
        raise InputError(f"--wandb: '{options.wandb}' is no project; write ENTITY/PROJECT")
    from nolab.compare.workspace import save_workspace

    return save_workspace(entity, project)


def _check_output(output: Path) -> None:
    if os.path.isdir(output):  # unlike Path.is_dir it raises nothing
        raise InputError(f"--output: {output} is a folder; write a file's name, e.g. report.html")
    if not os.path.isdir(output.parent):
        raise InputError(f"--output: no such folder: {output.parent}")


def _write(options: argparse.Namespace) -> None:
    from nolab.compare.keys import matching
    from nolab.compare.records import read_runs
    from nolab.compare.report.data import report_data
    from nolab.compare.report.page import page
    from nolab.compare.report.pictures import pictures
    from nolab.tracking.run_directory import write_text

    reading = read_runs(options.runs)
    if not reading.runs:
        first = reading.skipped[0]
        raise InputError(
            f"no finished run: {len(reading.skipped)} skipped, first {first.path} ({first.reason})"
        )
    runs = matching(reading.runs, options.where)
    if not runs:
        raise InputError(f"none of {len(reading.runs)} runs has {' and '.join(options.where)}")
    print(f"runs: {len(runs)}, skipped: {len(reading.skipped)}", file=sys.stderr)
    title = options.title or ", ".join(Path(path).resolve().name for path in options.runs)
    data = report_data(
        runs,
        reading.skipped,
        pictures(runs, options.pictures),
        title=title,
        source=[*options.runs, *options.where],
    )
    try:
        write_text(options.output, page(data))
    except OSError as error:
        raise InputError(f"--output: can't write {options.output}: {error.strerror}") from error


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "report",
        "One HTML page that compares finished runs: Pareto front, learning curves, what matters, every run's "
        "figures, config and picture. It needs no server and no network.",
    )
    parser.add_argument("runs", nargs="*", metavar="DIR", help="run directories, or folders that hold some")
    parser.add_argument(
        "--where",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="only runs with this, e.g. sampling=fine,mlmc",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html"
    )
    parser.add_argument(
        "--pictures",
        type=_count,
        default=24,
        metavar="N",
        help="runs whose picture is kept inside; default: 24",
    )
    parser.add_argument("--title", metavar="TEXT", help="default: the folders' names")
    parser.add_argument(
        "--wandb", metavar="ENTITY/PROJECT", help="make a W&B workspace of the project's runs instead"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no number of pictures; write e.g. 24 or 0")
    return int(text)
