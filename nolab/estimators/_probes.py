"""When to look at the gradients of every level, and what was seen so far."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from nolab.costs import BatchCosts
from nolab.errors import InputError
from nolab.moments import Moments
from nolab.plan import Estimator, Plan
from nolab.saved import whole
from nolab.schema import check


@dataclass(frozen=True)
class ProbeOptions:
    """Keys of the estimators that measure V_ℓ while they train."""

    probe_samples: int = 4
    """Samples of a probe; the first one has four times as many."""
    overhead: float = 0.05
    """Share of the training time that probes may take."""
    memory: float = 0.8
    """Weight of what was known before a probe, in the moving average."""

    def __post_init__(self) -> None:
        check(self.probe_samples >= 2, "probe_samples", self.probe_samples, ">= 2")
        check(0 < self.overhead < 1, "overhead", self.overhead, "in (0, 1)")
        check(0 <= self.memory < 1, "memory", self.memory, "in [0, 1)")


class Probes:
    """The moving average of :class:`Moments`, and the step of the next probe."""

    def __init__(self, options: ProbeOptions, n_samples: int, seed: int) -> None:
        if n_samples < 2:
            raise InputError(f"sampling: variances need 2 training samples or more, there are {n_samples}")
        self._options, self._n_samples, self._seed = options, n_samples, seed
        self.known: Moments | None = None
        self._next = self._step = 0

    def due(self, step: int) -> np.ndarray | None:
        """The samples of a probe that is due at `step`, drawn apart from the step's own."""
        self._step = step
        if step < self._next:
            return None
        wanted = self._options.probe_samples * (4 if self.known is None else 1)
        rng = np.random.default_rng([self._seed, 2, step])
        return np.sort(rng.choice(self._n_samples, min(wanted, self._n_samples), replace=False))

    def take(self, moments: Moments) -> Moments:
        """What is known with these moments."""
        weight = 1.0 - self._options.memory
        self.known = moments if self.known is None else self.known.blended(moments, weight)
        return self.known

    def plan_next(self, step_seconds: float, sample_seconds: float) -> None:
        """Set the next probe so far ahead that probes stay within their share of the time.

        Parameters
        ----------
        sample_seconds : of one sample at all levels, by itself.
        """
        probe = self._options.probe_samples * sample_seconds
        self._next = self._step + max(1, math.ceil(probe / (self._options.overhead * step_seconds)))

    def figures(self) -> dict[str, tuple[float, ...]]:
        """V_ℓ as known now."""
        return {} if self.known is None else {"V": tuple(map(float, self.known.variances))}

    def state_dict(self) -> dict[str, Any]:
        return {"next": self._next, "known": None if self.known is None else self.known.state_dict()}

    def load_state_dict(self, state: dict[str, Any], n_levels: int) -> None:
        self._next = whole(state["next"], "next")
        self.known = None if state["known"] is None else Moments.from_state(state["known"], n_levels)


class Probing(Estimator):
    """An estimator that stands in for the one which its last probe chose."""

    probes = True
    _inner: Estimator
    _probes: Probes

    @property  # read only: it changes with what was learnt
    def counts(self) -> tuple[float, ...]:  # type: ignore[override]
        """n_ℓ now."""
        return self._inner.counts

    def plan(self, step: int, share: float = 0.0) -> Plan:
        return self._inner.plan(step, share)

    def outcomes(self) -> list[tuple[float, Plan]]:
        return self._inner.outcomes()

    def probe(self, step: int, share: float) -> np.ndarray | None:
        return self._probes.due(step)

    def figures(self) -> dict[str, tuple[float, ...]]:
        return {**self._probes.figures(), "n": self.counts}

    def _plan_next_probe(self, costs: BatchCosts) -> None:
        self._probes.plan_next(costs.of_outcomes(self.outcomes()), float(costs.per_sample(1).sum()))
