"""From a validated config to the parts of a run.

:func:`prepare` makes everything that needs no data (and so finds every mistake in the config
before anything is generated or trained); :meth:`Setup.load` reads the data.
"""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from nolab import registry
from nolab.config import DatasetConfig, FileOptions, GeneratedOptions, RunConfig
from nolab.data.batcher import Batcher, open_batcher
from nolab.data.hierarchy import Hierarchy, Kind, Level, build_hierarchy
from nolab.data.opening import GeneratedSource, open_file
from nolab.data.pyramid import LevelTensors, Normalizers, normalize_level
from nolab.data.reading import read_pyramid
from nolab.data.solved import with_levels
from nolab.data.source import FieldSource, Shape
from nolab.data.tables import find_tables
from nolab.device import choose_device, keep_freed_memory, make_deterministic
from nolab.errors import InputError
from nolab.fields import OperatorSpec
from nolab.frames import follow_on
from nolab.grid import Domain, full_shape, input_shape
from nolab.metrics.errors import ERRORS, Units
from nolab.models import build_model, set_checkpointing
from nolab.neighbourhood import Neighbourhood
from nolab.plan import Estimator
from nolab.points import PointSampler, build_points, parse_neval
from nolab.precision import Mode, Schedule, build_schedule, check_model
from nolab.training.gradient import GradientEngine
from nolab.training.graphs import CudaCapture, TermGraphs
from nolab.training.memory import enough_for
from nolab.training.ranks import ALONE, Ranks
from nolab.training.room import built_within_memory
from nolab.training.slots import GradientSlots

log = logging.getLogger(__name__)

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Data:
    """What a run reads: its batches, its test set at every level, and the normalisers."""

    batcher: Batcher
    normalizers: Normalizers
    tests: dict[Level, LevelTensors]
    """Test set per level: the hierarchy's, then finer grids that the test split holds."""
    units: Units


@dataclass(frozen=True)
class Setup:
    """The parts of a run that its config determines."""

    config: RunConfig
    device: torch.device
    source: FieldSource
    hierarchy: Hierarchy
    spec: OperatorSpec
    model: nn.Module
    estimator: Estimator
    points: PointSampler
    precision: tuple[Schedule, ...]
    """Of each level."""
    ranks: Ranks = ALONE
    """The processes that carry out the run."""

    def load(self) -> Data:
        """Read (or generate) the data."""
        held = self.config.dataset.held
        batcher, normalizers = open_batcher(
            self.source,
            TRAIN,
            self.hierarchy,
            self.device,
            held.residency,
            held.memory_gib,
            self.neighbourhood,
        )
        levels = [*self.hierarchy.levels, *self.finer_levels()]
        shapes, kind = [level.shape for level in levels], self.hierarchy.restriction
        read = read_tests(self.source, shapes, kind, normalizers, self.neighbourhood, shapes[0])
        tests = dict(zip(levels, read, strict=True))
        return Data(batcher, normalizers, tests, units(normalizers, self.device))

    @property
    def neighbourhood(self) -> Neighbourhood | None:
        """The neighbours of scattered points that the model asks for."""
        return getattr(self.model, "neighbourhood", None)

    def finer_levels(self) -> list[Level]:
        """Grids of the test split that are finer than the hierarchy: zero-shot super-resolution."""
        known = {level.shape for level in self.hierarchy.levels}
        stored = [Level(shape) for shape in self.source.shapes(TEST) if shape not in known]
        return [level for level in stored if level.points > self.hierarchy.finest.points]

    def engine(self, data: Data, model: nn.Module) -> GradientEngine:
        """What carries out the estimator's plans on `model` (compiled or not)."""
        slots = GradientSlots(list(self.model.parameters())) if self.estimator.keeps_gradients else None
        graphs = TermGraphs(list(model.parameters()), CudaCapture()) if self.config.cuda_graphs else None
        return GradientEngine(
            model,
            data.batcher,
            self.points,
            ERRORS[self.config.loss.name],
            data.units,
            self.precision,
            self.device,
            self.config.precision.stabilizer,
            graphs,
            slots,
            self.ranks,
            self.scaler(),
        )

    def scaler(self) -> torch.amp.GradScaler:
        """Scaler of the loss, without effect unless a level comes to run in float16."""
        enabled = any(schedule.has_float16 for schedule in self.precision)
        return torch.amp.GradScaler(self.device.type, enabled=enabled)

    def mode_of(self, level: Level, share: float = 1.0) -> Mode:
        """Mode in which a level is evaluated when `share` of the run is done; finer grids take the run's."""
        return build_schedule(self.config.precision, self.device, level.precision).at(share)


def prepare(config: RunConfig, ranks: Ranks = ALONE) -> Setup:
    """Check the config against the device and the data's shape, and build the run's parts.

    Parameters
    ----------
    ranks : the processes that carry out the run.

    Raises
    ------
    InputError : naming the key, what was given and the way out.
    """
    device = choose_device(config.device)
    if config.cuda_graphs and device.type != "cuda":
        raise InputError(f"cuda_graphs: needs a CUDA device, the run's device is '{device}'; use false")
    if device.type == "cpu":
        keep_freed_memory()
    make_deterministic(config.deterministic)
    source, hierarchy = open_levels(config, device)
    if config.loss.name == "h1" and source.domain.is_scattered:
        raise InputError(
            "loss: h1 takes derivatives along the axes of a grid; on scattered points use rel_l2 or mse"
        )
    own = build_schedule(config.precision, device)  # grids beyond the hierarchy are evaluated in it
    precision = _precision(config, hierarchy, device)
    points = _points(config, hierarchy)
    estimators = registry.load("nolab.estimators", config.sampling.name, "sampling.estimator")
    estimator = estimators.build(config.sampling.options, source.count(TRAIN), len(hierarchy), config.seed)
    torch.manual_seed(config.seed)
    spec = OperatorSpec(
        len(source.input_names),
        len(source.output_names),
        source.domain,
        input_shape(hierarchy.finest.shape, source.input_axes),
        follow_on(source.input_names, source.output_names),
    )
    part = config.model
    build = partial(build_model, part.name, part.options, spec, is_target=part.is_target)
    smaller = "make it smaller by its options under model, or use a device with more memory"
    with enough_for("the model's parameters", smaller, device):
        model = built_within_memory(build, device, training=True).to(device)
    if config.checkpointing:
        set_checkpointing(model)
    for mode in dict.fromkeys(mode for schedule in (own, *precision) for mode in schedule.modes):
        check_model(model, mode)
    for level in hierarchy.levels:
        # A model may say what a grid is too coarse for; the coarse level is used all the same.
        if (remark := getattr(model, "remark", lambda shape: None)(level.shape)) is not None:
            log.info("level %s: the model %s", level.name, remark)
    return Setup(config, device, source, hierarchy, spec, model, estimator, points, precision, ranks)


def open_levels(config: RunConfig, device: torch.device) -> tuple[FieldSource, Hierarchy]:
    """The data set's source and the hierarchy on it; nothing is generated yet.

    Raises
    ------
    InputError : a level that the data can't give.
    """
    source = open_source(config.dataset, Path(config.data_dir), device)
    finest = _finest(config.dataset, source)
    hierarchy = build_hierarchy(config.hierarchy, source.domain, finest, source.shapes(TRAIN))
    shapes = [level.shape for level in hierarchy.levels]
    return with_levels(source, shapes, hierarchy.restriction), hierarchy


def open_source(dataset: DatasetConfig, data_dir: Path, device: torch.device) -> FieldSource:
    """The data set's source; one that nolab generates is not generated yet.

    Raises
    ------
    InputError : files that can't be read, or no training or test split.
    """
    origin = dataset.origin
    if isinstance(origin, GeneratedOptions):
        counts = {TRAIN: origin.n_train, TEST: origin.n_test}
        return GeneratedSource(
            origin.problem, dataset.problem, counts, origin.seed, data_dir, device, origin.workers
        )
    if isinstance(origin, FileOptions):
        source = open_file(origin)
    else:
        source = registry.instantiate(origin.name, origin.options, "dataset")
    if missing := {TRAIN, TEST} - set(source.splits()):
        raise InputError(f"dataset: no split named {' or '.join(sorted(missing))}, but {source.splits()}")
    return source


def read_tests(
    source: FieldSource,
    shapes: list[Shape],
    kind: Kind,
    normalizers: Normalizers,
    wanted: Neighbourhood | None,
    coarsest: Shape,
) -> list[LevelTensors]:
    """The test split at every level, normalised.

    Parameters
    ----------
    wanted : the neighbours of scattered points that the model asks for.
    coarsest : level of the run's hierarchy.
    """
    levels = zip(shapes, read_pyramid(source, TEST, shapes, kind), strict=True)
    return [
        normalize_level(
            level, normalizers, source.domain, find_tables(source, TEST, shape, kind, wanted, coarsest)
        )
        for shape, level in levels
    ]


def units(normalizers: Normalizers, device: torch.device) -> Units:
    """The output normaliser on the device."""
    output = normalizers.output
    return Units(torch.tensor(output.mean, device=device), torch.tensor(output.std, device=device))


def _finest(dataset: DatasetConfig, source: FieldSource) -> Shape:
    finest = dataset.held.finest
    if finest is None:
        return source.shapes(TRAIN)[-1]
    return full_shape(finest, source.domain, "dataset.finest")


def _precision(config: RunConfig, hierarchy: Hierarchy, device: torch.device) -> tuple[Schedule, ...]:
    where = "hierarchy.levels ({}): precision"
    return tuple(
        build_schedule(config.precision, device, level.precision, where.format(level.name))
        for level in hierarchy.levels
    )


def _points(config: RunConfig, hierarchy: Hierarchy) -> PointSampler:
    options = config.points.options
    for level in hierarchy.levels:
        if level.neval is None:
            continue
        where = f"hierarchy.levels ({level.name}): neval={level.neval}"
        if config.points.name == "all":
            raise InputError(f"{where} needs points=random, the run has points=all")
        if config.loss.name == "h1":
            raise InputError(f"{where} can't be used with loss=h1")
    common = parse_neval(options.neval, "points.neval")
    nevals = tuple(level.neval or common for level in hierarchy.levels)
    if all(neval.exceeds(level.points) for neval, level in zip(nevals, hierarchy.levels, strict=True)):
        raise InputError(
            f"neval: {nevals[-1]} is more than the {hierarchy.finest.points} points of the finest "
            f"level {hierarchy.finest.name}; lower it, or take all points with neval=null"
        )
    shapes = tuple(level.shape for level in hierarchy.levels)
    domain = Domain(hierarchy.domain.grid_axes)  # scattered points are drawn by their place in the list
    return build_points(config.points.name, options, domain, config.seed, shapes, nevals)
