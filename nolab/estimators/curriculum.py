"""`curriculum`: coarse first, finer later, each phase an estimator of its own (full multiscale, arXiv 2501.12739).

A phase ends when its share of the budget is used, or, with `patience`, once the test error has not improved
for that many evaluations; the last phase takes what is left.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nolab import registry
from nolab.costs import BatchCosts
from nolab.errors import InputError
from nolab.moments import Moments
from nolab.plan import Estimator, Plan
from nolab.saved import number, whole
from nolab.schema import check, from_mapping

log = logging.getLogger(__name__)

_ROUNDING = 1e-9
"""Of sums of shares: 0.1 + 0.2 is more than 3/10 as a float."""


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `curriculum`."""

    phases: list[dict] = field(default_factory=list)
    """In order; each a mapping with `estimator` and its keys, and `share` of the budget or `patience`."""

    def __post_init__(self) -> None:
        check(len(self.phases) >= 1, "phases", self.phases, "a list of one phase or more")


@dataclass(frozen=True)
class Phase:
    """One part of the run."""

    estimator: Estimator
    share: float | None
    """Of the budget; None with patience, and for the last phase."""
    patience: int | None


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels.

    Raises
    ------
    InputError : naming the phase and its key.
    """
    phases = [_phase(values, i, n_samples, n_levels, seed) for i, values in enumerate(options.phases)]
    for i, phase in enumerate(phases[:-1]):
        if (phase.share is None) == (phase.patience is None):
            raise InputError(
                f"sampling.phases[{i}]: give it a share of the budget, or patience, and not both"
            )
    last = phases[-1]
    if last.share is not None or last.patience is not None:
        raise InputError(
            f"sampling.phases[{len(phases) - 1}]: the last phase takes what is left of the budget"
        )
    total = sum(phase.share or 0.0 for phase in phases)
    if total >= 1 - _ROUNDING:
        raise InputError(f"sampling.phases: shares of {total:g} leave nothing to the last phase")
    return Curriculum(phases)


def _phase(values: Any, i: int, n_samples: int, n_levels: int, seed: int) -> Phase:
    where = f"sampling.phases[{i}]"
    if not isinstance(values, Mapping) or "estimator" not in values:
        raise InputError(
            f"{where}: expected a mapping with estimator, e.g. {{estimator: coarse, share: 0.6}}"
        )
    own = dict(values)
    share, patience, name = own.pop("share", None), own.pop("patience", None), own.pop("estimator")
    if share is not None and not (isinstance(share, (int, float)) and 0 < share < 1):
        raise InputError(f"{where}.share: must be in (0, 1), got {share!r}")
    if patience is not None and not (type(patience) is int and patience >= 1):
        raise InputError(f"{where}.patience: must be a whole number >= 1, got {patience!r}")
    if name == "curriculum":
        raise InputError(f"{where}.estimator: a phase can't be a curriculum; list its phases in its place")
    part = registry.load("nolab.estimators", name, f"{where}.estimator")
    options = from_mapping(part.Options, own, where)
    try:
        estimator = part.build(options, n_samples, n_levels, seed)
    except InputError as error:
        raise InputError(f"{where}{str(error).removeprefix('sampling')}") from None
    if estimator.keeps_gradients and i > 0:
        raise InputError(
            f"{where}.estimator: {name} can only be the first phase, later it would begin without what it keeps"
        )
    return Phase(estimator, share, patience)


class Curriculum(Estimator):
    """The phases one after the other; shares count from the end of the phase before."""

    def __init__(self, phases: list[Phase]) -> None:
        self._phases = phases
        self._now, self._began = 0, 0.0  # the phase after the last one that ended by patience, and when
        self._watched, self._best, self._stale = 0, float("inf"), 0
        self._probed = 0
        self.keeps_gradients = any(phase.estimator.keeps_gradients for phase in phases)
        self.probes = any(phase.estimator.probes for phase in phases)
        first = phases[0].estimator
        self.counts, self.steps_per_epoch = first.counts, first.steps_per_epoch

    def plan(self, step: int, share: float = 0.0) -> Plan:
        return self._phases[self._at(share)].estimator.plan(step, share)

    def probe(self, step: int, share: float) -> np.ndarray | None:
        self._probed = self._at(share)
        return self._phases[self._probed].estimator.probe(step, share)

    def learn(self, moments: Moments, costs: BatchCosts) -> None:
        self._phases[self._probed].estimator.learn(moments, costs)

    def observe(self, error: float, share: float) -> None:
        now = self._at(share)
        self._phases[now].estimator.observe(error, share)
        if now != self._watched:
            self._watched, self._best, self._stale = now, float("inf"), 0
        self._stale = 0 if error < self._best else self._stale + 1
        self._best = min(self._best, error)
        patience = self._phases[now].patience
        if patience is not None and self._stale >= patience:
            self._now, self._began = now + 1, share
            log.info("curriculum: phase %d begins at %.0f %% of the budget", now + 1, 100 * share)

    def figures(self) -> dict[str, tuple[float, ...]]:
        return self._phases[self._probed].estimator.figures()

    def state_dict(self) -> dict[str, Any]:
        own = {name: getattr(self, f"_{name}") for name in _STATE}
        return {**own, "phases": [phase.estimator.state_dict() for phase in self._phases]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        last = len(self._phases) - 1
        for name in ("now", "watched", "probed"):
            setattr(self, f"_{name}", whole(state[name], name, most=last))
        self._began, self._stale = number(state["began"], "began"), whole(state["stale"], "stale")
        self._best = float(state["best"])
        for phase, own in zip(self._phases, state["phases"], strict=True):
            phase.estimator.load_state_dict(own)

    def _at(self, share: float) -> int:
        """Which phase a step belongs to."""
        now, began = self._now, self._began
        while (length := self._phases[now].share) is not None and share >= began + length - _ROUNDING:
            now, began = now + 1, began + length
        return now


_STATE = ("now", "began", "watched", "best", "stale", "probed")
