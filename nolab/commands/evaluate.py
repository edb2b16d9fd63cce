"""`nolab evaluate RUN`: errors of a run at its levels and on finer grids."""

import argparse
import json
import sys
from collections.abc import Sequence

from nolab.commands._arguments import add_run_arguments, make_parser


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab evaluate`."""
    options = _parser().parse_args(arguments)
    from nolab.commands._tables import print_table
    from nolab.evaluate import evaluate_run
    from nolab.runs import load_run

    run = load_run(options.run, checkpoint=options.checkpoint, device=options.device, trust=options.trust)
    errors = evaluate_run(run, options.levels, options.overrides)
    if options.json:
        print(json.dumps(errors, indent=2))
        return 0
    measures = list(next(iter(errors.values())))
    rows = [[level, *(f"{values[m]:.5g}" for m in measures)] for level, values in errors.items()]
    print_table(["level", *measures], rows, file=sys.stdout)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "evaluate",
        "Errors on the test set, in physical units: at the run's levels and every finer grid of its data "
        "(zero-shot super-resolution).",
    )
    add_run_arguments(parser)
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="of the run's data set, e.g. dataset.resolution=257 dataset.n_train=1 for a finer test grid",
    )
    parser.add_argument(
        "--levels",
        type=_shape,
        nargs="+",
        metavar="SHAPE",
        help="grids instead, e.g. 33x33 129x129; each one that the data hold or can be restricted to",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no grid; write e.g. 65x65") from None
