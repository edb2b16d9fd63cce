"""The typed schema behind ``conf/``: unknown keys, wrong types and bad ranges stop here.

YAML composes (Hydra), :func:`validate` turns the result into a :class:`RunConfig`. Groups whose
choices have options of their own (model, sampling, points, a generated data set's problem) take them
from the ``Options`` of the part that is named: nolab's own, or a module of the user's (a name with a dot).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from nolab import registry
from nolab.data.batcher import Residency
from nolab.data.hierarchy import HierarchyOptions
from nolab.data.importers.options import FileOptions
from nolab.errors import InputError, unknown
from nolab.points import PointOptions, parse_neval
from nolab.precision import PrecisionOptions
from nolab.schema import check, from_mapping

SELECTORS = {"model": "name", "sampling": "estimator", "points": "scheme", "dataset": "problem"}
"""The key of each group that names a part."""


@dataclass(frozen=True)
class Part:
    """A choice with options of its own: a part by name, or a user's class by path."""

    name: str
    """Name of the part (with a dot: the user's module), or the dotted path of `_target_`."""
    options: Any
    """The part's validated ``Options``, or the keyword arguments of `_target_`."""
    is_target: bool = False


@dataclass(frozen=True)
class DataOptions:
    """Keys that every data set has."""

    finest: int | list[int] | None = None
    """Finest grid of the hierarchy; null takes the finest one that the training split holds."""
    residency: Residency = "auto"
    """Where the pyramid lives: auto, device, host or stream."""
    memory_gib: float | None = None
    """Budget of `residency=auto` in GiB; null takes half of the free memory."""

    def __post_init__(self) -> None:
        check(self.memory_gib is None or self.memory_gib >= 0, "memory_gib", self.memory_gib, ">= 0 or null")


@dataclass(frozen=True)
class GeneratedOptions:
    """Data that nolab makes itself (`dataset.problem`)."""

    problem: str
    """Name of a problem, see `nolab info`; with a dot: a module of the user's own."""
    n_train: int = 512
    """Training samples."""
    n_test: int = 128
    """Test samples."""
    seed: int = 0
    """Seed of the data, apart from the run's."""
    workers: int = 0
    """Threads that generate; 0 takes one per core. The data do not depend on it."""

    def __post_init__(self) -> None:
        check(self.n_train >= 1, "n_train", self.n_train, ">= 1")
        check(self.n_test >= 1, "n_test", self.n_test, ">= 1")
        check(0 <= self.seed < 2**63, "seed", self.seed, ">= 0 and below 2**63")
        check(0 <= self.workers <= 1024, "workers", self.workers, "from 0 to 1024")


@dataclass(frozen=True)
class DatasetConfig:
    """A data set: where it comes from and how it is held."""

    origin: GeneratedOptions | FileOptions | Part
    problem: Any
    """The problem's validated options where the data are generated, else None."""
    held: DataOptions


@dataclass(frozen=True)
class OptimizerOptions:
    """Config group `optimizer`."""

    name: Literal["adamw", "adam"] = "adamw"
    """adamw decouples the weight decay, adam adds it to the gradient."""
    lr: float = 5e-3
    """Peak learning rate."""
    weight_decay: float = 1e-4
    """Weight decay."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of the moment estimates."""
    clip_norm: float | None = None
    """Largest norm of the gradient; null does not clip."""
    ema: float | None = None
    """Decay of an exponential moving average of the weights, evaluated instead of them; null: none."""

    def __post_init__(self) -> None:
        check(0 < self.lr < float("inf"), "lr", self.lr, "> 0")
        check(self.weight_decay >= 0, "weight_decay", self.weight_decay, ">= 0")
        check(all(0 <= b < 1 for b in self.betas), "betas", self.betas, "two numbers in [0, 1)")
        check(self.clip_norm is None or self.clip_norm > 0, "clip_norm", self.clip_norm, "> 0 or null")
        check(self.ema is None or 0 < self.ema < 1, "ema", self.ema, "in (0, 1) or null")


@dataclass(frozen=True)
class SchedulerOptions:
    """Config group `scheduler`; a pure function of the run's progress."""

    name: Literal["constant", "cosine", "step"] = "cosine"
    """Learning rate over the run's progress (its share of the budget)."""
    warmup: float = 0.0
    """Share of the run in which the rate rises linearly from zero."""
    final: float = 0.0
    """cosine: last rate as a share of the peak."""
    gamma: float = 0.5
    """step: factor at each drop."""
    drops: int = 4
    """step: number of drops, evenly spaced."""

    def __post_init__(self) -> None:
        check(0 <= self.warmup < 1, "warmup", self.warmup, "in [0, 1)")
        check(0 <= self.final <= 1, "final", self.final, "in [0, 1]")
        check(0 < self.gamma <= 1, "gamma", self.gamma, "in (0, 1]")
        check(self.drops >= 1, "drops", self.drops, ">= 1")


@dataclass(frozen=True)
class LossOptions:
    """Config group `loss`."""

    name: Literal["rel_l2", "mse", "h1"] = "rel_l2"
    """rel_l2: relative L2; mse: mean square, whose N_eval estimate is unbiased; h1: relative H1."""


@dataclass(frozen=True)
class BudgetOptions:
    """When training ends: at whichever is reached first; null ones do not count."""

    steps: int | None = None
    """Optimizer steps."""
    epochs: float | None = None
    """Passes of a step's largest draw over the training set."""
    seconds: float | None = None
    """Seconds of training (the clock's `train` bucket)."""
    target_error: float | None = None
    """Relative L2 at the finest level, checked at each evaluation."""
    default_steps: int | None = None
    """Optimizer steps where none of steps, epochs and seconds is set."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            check(value is None or 0 < value < float("inf"), field.name, value, "> 0 or null")
        if all(v is None for v in (self.steps, self.epochs, self.seconds, self.default_steps)):
            raise InputError("budget: one of budget.steps, budget.epochs and budget.seconds has to be set")


@dataclass(frozen=True)
class EvaluationOptions:
    """Config key `evaluation`."""

    times: int = 10
    """Evaluations on the test set, evenly spaced over the run; the last is at its end."""
    checkpoint_seconds: float = 300.0
    """Longest time between two checkpoints; each evaluation writes one too."""

    def __post_init__(self) -> None:
        check(self.times >= 1, "times", self.times, ">= 1")
        check(self.checkpoint_seconds > 0, "checkpoint_seconds", self.checkpoint_seconds, "> 0")


@dataclass(frozen=True)
class TrackingOptions:
    """Config group `tracking`."""

    sink: Literal["wandb", "none"] = "wandb"
    """wandb: online when logged in, else offline; none: files only. Files are always written."""
    project: str = "nolab"
    """W&B project."""
    entity: str | None = None
    """W&B user or team; null takes the account's default."""
    group: str | None = None
    """W&B group; null takes the sweep's id."""


@dataclass(frozen=True)
class RunConfig:
    """A whole run, validated."""

    model: Part
    dataset: DatasetConfig
    hierarchy: HierarchyOptions
    sampling: Part
    points: Part
    precision: PrecisionOptions
    optimizer: OptimizerOptions
    scheduler: SchedulerOptions
    loss: LossOptions
    budget: BudgetOptions
    evaluation: EvaluationOptions
    tracking: TrackingOptions
    name: str
    """First folder below `output_dir`."""
    delta: float
    """Sampling factor δ, read by the groups that have one."""
    neval: Any
    """N_eval, read by `points`: a number, a fraction of all points, auto or {start: …, stop: …}."""
    seed: int
    """Of initialisation, sample order and points."""
    device: str
    """auto, cpu, cuda or cuda:<index>."""
    deterministic: bool
    """Only deterministic kernels: same bits on the same machine, slower on a GPU."""
    compile: bool
    """Compile the model with torch.compile."""
    cuda_graphs: bool
    """Record each term of a step as a CUDA graph and replay it."""
    checkpointing: bool
    """Keep the inputs of the model's blocks only, and recompute the rest in the backward."""
    output_dir: str
    """Root of run directories."""
    data_dir: str
    """Root of stores."""
    resume: str | None
    """A run directory to go on with."""
    trust: bool
    """With `resume`: import the Python code outside nolab that the run's config names."""

    def __post_init__(self) -> None:
        check(1 <= self.delta < float("inf"), "delta", self.delta, "a number >= 1")
        parse_neval(self.neval, "neval")
        check(0 <= self.seed < 2**63, "seed", self.seed, ">= 0 and below 2**63")
        check(_is_folder_name(self.name), "name", self.name, "a plain folder name")
        points = self.points.options
        if self.loss.name == "h1" and points.takes_some:
            some = f"points.axes={points.axes}" if points.neval is None else f"neval={points.neval}"
            raise InputError(
                f"loss: h1 takes derivatives on the whole grid and can't use {some}; use loss=rel_l2 or "
                "loss=mse, or take all points with null"
            )


def validate(config: Mapping[str, Any]) -> RunConfig:
    """The resolved config as a :class:`RunConfig`.

    Raises
    ------
    InputError : naming the key, what was given, what is allowed and the nearest valid name.
    """
    values = dict(config)
    values["model"] = _part(values.get("model"), "nolab.models", "model")
    values["sampling"] = _named(values.get("sampling"), "nolab.estimators", "sampling")
    values["points"] = _named(values.get("points"), "nolab.points", "points", PointOptions)
    values["dataset"] = _dataset(values.get("dataset"))
    return from_mapping(RunConfig, values)


def _part(group: Any, package: str, key: str) -> Part:
    values = _group(group, key)
    return _target(values) if "_target_" in values else _named(values, package, key)


def _target(values: dict[str, Any]) -> Part:
    """A class or function of the user's own, called with the other keys."""
    target = values.pop("_target_")
    return Part(str(target), values, is_target=True)


def _named(group: Any, package: str, key: str, base: type = object) -> Part:
    """A part by its name; `_target_` is not possible here. `base` is what the Options of a user's own extend."""
    values, selector = _group(group, key), SELECTORS[key]
    name = _pop(values, selector, key)
    module = registry.load(package, name, f"{key}.{selector}")
    if registry.is_outside(name) and not issubclass(module.Options, base):
        raise InputError(
            f"{key}.{selector}: '{name}': its Options must extend {base.__name__} (docs/extending.md)"
        )
    return Part(name, from_mapping(module.Options, values, key))


def _dataset(group: Any) -> DatasetConfig:
    values = _group(group, "dataset")
    held = from_mapping(DataOptions, _take(values, DataOptions), "dataset")
    if "_target_" in values:
        return DatasetConfig(_target(values), None, held)
    if "problem" not in values:
        if values.get("path") is None:
            raise InputError(
                "dataset.path: missing; give the folder or file that holds the data: dataset.path=…"
            )
        return DatasetConfig(from_mapping(FileOptions, values, "dataset"), None, held)
    problem = registry.load("nolab.problems", values["problem"], "dataset.problem")
    allowed = [f.name for cls in (DataOptions, GeneratedOptions, problem.Options) for f in fields(cls)]
    for name in values:
        if name not in allowed:
            raise unknown(f"dataset.{name}", name, allowed)
    origin = from_mapping(GeneratedOptions, _take(values, GeneratedOptions), "dataset")
    return DatasetConfig(origin, from_mapping(problem.Options, values, "dataset"), held)


def _take(values: dict[str, Any], cls: type) -> dict[str, Any]:
    return {f.name: values.pop(f.name) for f in fields(cls) if f.name in values}


def _group(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{key}: expected a config group, got {value!r}; see `nolab info` for the choices")
    return dict(value)


def _pop(values: dict[str, Any], selector: str, key: str) -> Any:
    if selector not in values:
        raise InputError(f"{key}.{selector}: missing")
    return values.pop(selector)


def _is_folder_name(name: str) -> bool:
    return bool(name) and Path(name).name == name and name not in (".", "..")
