"""Errors of a finished run on its test set, at the grids that are asked for."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch

from nolab.data.hierarchy import check_restriction
from nolab.data.solved import with_levels
from nolab.data.source import FieldSource, Shape
from nolab.errors import InputError
from nolab.grid import full_shape, shape_name
from nolab.precision import build_schedule
from nolab.runs import Run
from nolab.training.evaluation import Evaluator
from nolab.training.setup import TEST, open_source, read_tests, units


def evaluate_run(
    run: Run, shapes: list[Shape] | None = None, overrides: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
    """Mean errors (rel_l2, h1, mse, r2; physical units) of the run's model per grid.

    Parameters
    ----------
    shapes : grids; None takes the run's levels and every finer grid that the test split holds.
    overrides : of the run's data set, ``dataset.key=value`` or ``data_dir=…``: another test set, or
        one on a finer grid than the run's own.

    Raises
    ------
    InputError : a grid that the data can't give, or data that do not fit the run.
    """
    config = run.settings_with(overrides, allowed=("dataset", "data_dir"))
    source = open_source(config.dataset, Path(config.data_dir), run.device)
    if source.domain != run.domain:
        raise InputError(f"{run.path}: the data set's domain is not the one that the run was trained on")
    if source.input_axes != run.input_axes:
        raise InputError(f"{run.path}: the data set's input varies along other axes than the run's")
    fields = run.trained_on.fields
    if (len(source.input_names), len(source.output_names)) != (fields.in_channels, fields.out_channels):
        raise InputError(
            f"{run.path}: the data set has {len(source.input_names)} input and {len(source.output_names)} output "
            f"channels, the run was trained on {fields.in_channels} and {fields.out_channels}"
        )
    levels = list(run.trained_on.levels)
    if shapes is None:
        shapes = [*levels, *_finer(source, levels)]
    for shape in shapes:
        full_shape(shape, source.domain, "levels")
        check_restriction(source.domain, source.shapes(TEST), shape, config.hierarchy.restriction)
    source = with_levels(source, shapes, config.hierarchy.restriction)
    normalizers = run.normalizers
    wanted = getattr(run.model, "neighbourhood", None)
    coarsest = min(levels, key=prod)
    read = read_tests(source, shapes, config.hierarchy.restriction, normalizers, wanted, coarsest)
    evaluator = Evaluator(
        run.model,
        source.domain,
        units(normalizers, torch.device(run.device)),
        build_schedule(config.precision, run.device).at(1.0),
        config.precision.stabilizer,
        run.device,
    )
    return {shape_name(shape): evaluator.errors(level) for shape, level in zip(shapes, read, strict=True)}


def _finer(source: FieldSource, levels: list[Shape]) -> list[Shape]:
    finest = max(torch.Size(level).numel() for level in levels)
    return [shape for shape in source.shapes(TEST) if torch.Size(shape).numel() > finest]
