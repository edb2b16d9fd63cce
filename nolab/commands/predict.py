"""`nolab predict RUN INPUT`: apply a run's model to inputs in a file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nolab.commands._arguments import add_run_arguments, make_parser
from nolab.errors import InputError


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab predict`; the last line on stdout is the file that was written."""
    options = _parser().parse_args(arguments)
    import numpy as np

    from nolab.runs import load_run

    run = load_run(options.run, checkpoint=options.checkpoint, device=options.device, trust=options.trust)
    try:
        inputs = np.load(options.input, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{options.input}: not a .npy file of numbers ({error})") from error
    if not isinstance(inputs, np.ndarray) or inputs.dtype.kind not in "biuf":
        raise InputError(f"{options.input}: expected one array of real numbers (.npy)")
    output = options.output or options.input.with_suffix(".prediction.npy")
    np.save(output, run.predict(inputs))
    print(output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = make_parser("predict", "Predictions in physical units, on any grid of the run's domain.")
    add_run_arguments(parser)
    parser.add_argument("input", metavar="INPUT", type=Path, help=".npy of (samples, channels, n1, n2, …)")
    parser.add_argument("--output", type=Path, help="default: INPUT with .prediction.npy")
    return parser
