"""`nolab predict RUN INPUT`: apply a run's model to inputs in a file."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nolab.commands._arguments import add_run_arguments, make_parser
from nolab.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def main(arguments: Sequence[str]) -> int:
    """Exit code of `nolab predict`; the last line on stdout is the file that was written."""
    options = _parser().parse_args(arguments)
    import numpy as np

    from nolab.runs import load_run

    run = load_run(options.run, checkpoint=options.checkpoint, device=options.device, trust=options.trust)
    inputs = _read(options.input)
    places = {
        name: None if (file := getattr(options, name)) is None else _read(file)
        for name in ("coords", "weights", "queries")
    }
    output = options.output or options.input.with_suffix(".prediction.npy")
    predicted = run.predict(inputs, **places)
    try:
        with output.open("wb") as file:
            np.save(file, predicted)
    except OSError as error:
        raise InputError(f"--output: can't write {output}: {error.strerror}") from error
    print(output)
    return 0


def _read(path: Path) -> "np.ndarray":
    import numpy as np

    from nolab.data.importers.numpy_files import map_npy

    array = map_npy(path)
    if isinstance(array, str):
        raise InputError(f"{path}: not a .npy file of numbers: {array}")
    return np.array(array.all())


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(
        "predict", "Predictions in physical units, on any grid of the run's domain or off it."
    )
    add_run_arguments(parser)
    parser.add_argument("input", metavar="INPUT", type=Path, help=".npy of (samples, channels, n1, n2, …)")
    parser.add_argument(
        "--coords",
        type=Path,
        help=".npy of the input's coordinates: (axes, n1, n2, …) of a grid, to be checked; (points, axes) or "
        "(samples, points, axes) where points are scattered",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        help=".npy of quadrature weights of scattered points, (points,) or (samples, points); default: equal",
    )
    parser.add_argument(
        "--queries",
        type=Path,
        help=".npy of coordinates (Q, axes) to predict at, for models that can (deeponet)",
    )
    parser.add_argument("--output", type=Path, help="default: INPUT with .prediction.npy")
    return parser
