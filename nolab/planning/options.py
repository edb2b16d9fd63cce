"""What is to be looked at: the keys `plan.…`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from nolab.errors import InputError
from nolab.schema import check, from_mapping
from nolab.training.setup import TRAIN, Setup


@dataclass(frozen=True)
class PlanOptions:
    """The block `plan` of conf/plan.yaml."""

    steps: list[int] = field(default_factory=lambda: [0, 200])
    """Optimizer steps at the level below the finest after which to look."""
    run: str | None = None
    """A run directory whose last checkpoint is looked at too."""
    samples: int = 32
    """Training samples whose gradients are taken at every level."""
    resamples: int = 200
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        check(
            all(step >= 0 for step in self.steps) and all(a < b for a, b in pairwise(self.steps)),
            "steps",
            self.steps,
            "numbers >= 0, ascending, each once",
        )
        check(bool(self.steps or self.run), "steps", self.steps, "one step or more where run is null")
        check(self.samples >= 4, "samples", self.samples, ">= 4")
        check(self.resamples >= 20, "resamples", self.resamples, ">= 20")


def read_options(block: Any) -> PlanOptions:
    """The block `plan` of a config; one step may stand for a list of one.

    Raises
    ------
    InputError : naming the key, what was given and what is allowed.
    """
    if isinstance(block, Mapping) and isinstance(block.get("steps"), int | float | str):
        block = {**block, "steps": [block["steps"]]}
    return from_mapping(PlanOptions, block, "plan")


def check_setup(options: PlanOptions, setup: Setup) -> None:
    """Refuse a hierarchy without corrections, and more samples than there are.

    Raises
    ------
    InputError : with the way out.
    """
    if len(setup.hierarchy) == 1:
        raise InputError(
            f"hierarchy: one level, {setup.hierarchy.finest.name}, has no corrections: there is nothing to plan; "
            "give it more, e.g. hierarchy=three"
        )
    n_samples = setup.source.count(TRAIN)
    if options.samples > n_samples:
        raise InputError(f"plan.samples: {options.samples}, but the training set has {n_samples}")
