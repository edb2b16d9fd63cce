"""The whole measurement: every precision and the reference, on every grid with every batch size."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from torch import nn

from nolab.benchmark.counterparts import Build, find_reference, variants
from nolab.benchmark.errors import Exact, exact, outcome, relative_error
from nolab.benchmark.fields import random_samples
from nolab.benchmark.measure import memory_bytes, seconds_per_step, speed_up
from nolab.benchmark.options import BenchOptions, choose_modes, choose_shapes
from nolab.benchmark.reference import ReferenceStep
from nolab.benchmark.rows import NEURALOPERATOR, NOLAB, Row
from nolab.benchmark.step import Task, TrainingStep
from nolab.benchmark.subject import Subject
from nolab.errors import InputError
from nolab.grid import shape_name
from nolab.metrics.errors import ERRORS
from nolab.points import PointSampler, build_points, parse_neval
from nolab.precision import Mode
from nolab.training.setup import Setup

log = logging.getLogger(__name__)

_MIB = 2**20


def benchmark(setup: Setup, options: BenchOptions) -> list[Row]:
    """Measure the config's model: one row per grid, batch size, implementation and precision.

    Grids from coarse to fine as given, nolab's modes before neuraloperator's.

    Raises
    ------
    InputError : the device or the model does not take a mode that was named, a grid does not fit, or
        the config asks for what is not measured here; before anything is measured.
    """
    domain = setup.source.domain
    if domain.is_scattered:
        raise InputError(
            "bench: measures models on grids, these data lie on scattered points; use e.g. dataset=darcy"
        )
    modes, refused = choose_modes(options.precision, setup.model, setup.device)
    levels = tuple(level.shape for level in setup.hierarchy.levels)
    shapes = choose_shapes(options.grids, domain, levels)
    points = _points(setup, shapes)
    for reason in refused.values():
        log.info("left out: %s", reason)
    build = _reference(setup) if options.reference else None
    rows = []
    for level, shape in enumerate(shapes):
        for n_samples in options.batch:
            log.info("measuring %s with batches of %d", shape_name(shape), n_samples)
            rows += _measure(_Case(setup, modes, build, points, level, shape, n_samples), options.repeats)
    return rows


@dataclass(frozen=True)
class _Case:
    """One grid and one batch size."""

    setup: Setup
    modes: tuple[Mode, ...]
    build: Build | None
    points: PointSampler
    level: int
    shape: tuple[int, ...]
    n_samples: int

    def row(self, contender: "_Contender", **figures: object) -> Row:
        """A row of this case."""
        return Row(
            shape_name(self.shape),
            self.points.n_points(self.level),
            self.n_samples,
            contender.implementation,
            contender.precision,
            contender.mode,
            **figures,
        )


@dataclass(frozen=True)
class _Contender:
    """A subject to be made; another's code may fail in any way, which must not end the bench."""

    implementation: str
    precision: str
    mode: Mode
    make: Callable[[], Subject]

    @property
    def failures(self) -> type[Exception]:
        return Exception if self.implementation == NEURALOPERATOR else torch.OutOfMemoryError


@dataclass(frozen=True)
class _Entry:
    """A subject that runs, and what was measured of it before the timing."""

    contender: _Contender
    subject: Subject
    figures: dict[str, object]


def _measure(case: _Case, repeats: int) -> list[Row]:
    entries: list[_Entry] = []
    failed: list[Row] = []
    truths: dict[str, Exact | str] = {}
    for contender in _contenders(case):
        try:
            entries.append(_enter(contender, truths, case.setup.device))
        except contender.failures as error:
            failed.append(case.row(contender, failure=_short(error)))
    seconds = seconds_per_step([entry.subject for entry in entries], repeats, case.setup.device)
    return sorted(_rows(case, entries, seconds) + failed, key=lambda row: row.implementation != NOLAB)


def _contenders(case: _Case) -> list[_Contender]:
    """nolab in every mode, then neuraloperator: the same samples, each from its own first weights."""
    setup, config = case.setup, case.setup.config
    samples = random_samples(setup.spec, case.shape, setup.source.input_axes, case.n_samples, config.seed)
    task = Task(
        samples.to(setup.device),
        setup.source.domain,
        case.points,
        case.level,
        ERRORS[config.loss.name],
        config.optimizer,
        config.precision.stabilizer,
        setup.device,
        config.compile,
    )
    found = [
        _Contender(NOLAB, mode, mode, partial(TrainingStep, setup.model, mode, task)) for mode in case.modes
    ]
    if case.build is None:
        return found
    seeded = partial(_seeded, case.build, setup)
    return found + [
        _Contender(
            NEURALOPERATOR,
            variant.name,
            variant.mode,
            partial(ReferenceStep, seeded, variant, samples, config.optimizer, setup.device),
        )
        for variant in variants(case.modes, setup.device)
    ]


def _enter(contender: _Contender, truths: dict[str, Exact | str], device: torch.device) -> _Entry:
    subject = contender.make()
    if contender.implementation not in truths:
        truths[contender.implementation] = _truth(subject)
    truth, figures = truths[contender.implementation], {}
    result = outcome(subject)
    if isinstance(truth, str):
        figures["note"] = truth
    else:
        figures["output_error"] = relative_error(result.prediction, truth.outcome.prediction)
        figures["gradient_error"] = relative_error(result.gradient, truth.outcome.gradient)
        if truth.narrowed:
            figures["note"] = (
                "errors good to float32 rounding only: its float64 copy narrows in "
                f"{', '.join(truth.narrowed)}"
            )
    subject()  # what is made once is there when memory is measured
    figures["memory_mib"] = memory_bytes(subject, device) / _MIB
    return _Entry(contender, subject, figures)


def _truth(subject: Subject) -> Exact | str:
    """What float64 gives, or why it gives nothing: a model is free not to run in it."""
    try:
        return exact(subject)
    except Exception as error:
        return f"no errors, it does not run in float64: {_short(error)}"


def _rows(case: _Case, entries: list[_Entry], seconds: list[tuple[float, ...]]) -> list[Row]:
    def base(implementation: str) -> int | None:
        return next(
            (
                i
                for i, entry in enumerate(entries)
                if (entry.contender.implementation, entry.contender.precision) == (implementation, "fp32")
            ),
            None,
        )

    reference, fp32 = base(NEURALOPERATOR), base(NOLAB)
    rows = []
    for entry, times in zip(entries, seconds, strict=True):
        middle, memory = median(times), entry.figures["memory_mib"]
        held = None if fp32 is None else entries[fp32].figures["memory_mib"]
        rows.append(
            case.row(
                entry.contender,
                ms_per_step=1e3 * middle,
                ms_min=1e3 * min(times),
                ms_max=1e3 * max(times),
                samples_per_s=case.n_samples / middle,
                speedup_reference=None if reference is None else speed_up(seconds[reference], times),
                speedup_fp32=None if fp32 is None else speed_up(seconds[fp32], times),
                memory_change=memory / held - 1 if held else None,
                **entry.figures,
            )
        )
    return rows


def _points(setup: Setup, shapes: tuple[tuple[int, ...], ...]) -> PointSampler:
    """The config's points on the grids that are measured."""
    config = setup.config
    neval = parse_neval(config.points.options.neval, "points.neval")
    if neval.is_auto:
        raise InputError("neval: auto is measured while a run trains; give a number, or null for all points")
    return build_points(
        config.points.name,
        config.points.options,
        setup.source.domain,
        config.seed,
        shapes,
        (neval,) * len(shapes),
    )


def _reference(setup: Setup) -> Build | None:
    build, reason = find_reference(setup.config.model.name)
    if build is None:
        log.info("no reference: %s", reason)
    return build


def _seeded(build: Build, setup: Setup, block: str) -> nn.Module:
    """The reference's model, with the same first weights at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(setup.config.seed)
        return build(setup.config.model.options, setup.spec, block)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
