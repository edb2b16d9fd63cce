"""`auto`: what `nolab plan` recommends, asked anew while training.

A probe takes the gradients of a few samples at every level, :func:`ranked` says which estimator makes the fastest
expected progress per second at the current parameters, and that one trains until the next probe. Early on that is
a coarse level; when its bias begins to matter, corrections or fine samples take over.
"""

import logging
from dataclasses import dataclass
from typing import Any

from nolab.costs import BatchCosts
from nolab.estimators._candidates import Candidate, ranked, worth
from nolab.estimators._probes import ProbeOptions, Probes, Probing
from nolab.moments import Moments
from nolab.plan import Estimator
from nolab.saved import numbers
from nolab.schema import check

log = logging.getLogger(__name__)

_WORTH_A_CHANGE = 1.1
"""A candidate replaces the one in use if it is faster by this factor."""


@dataclass(frozen=True)
class Options(ProbeOptions):
    """Config group `sampling` with estimator `auto`."""

    batch_size: int = 4
    """Samples per step at the coarsest level that is used, at least."""
    probe_samples: int = 8
    """Samples of a probe; the first one has four times as many."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.batch_size >= 1, "batch_size", self.batch_size, ">= 1")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels."""
    return Auto(options, n_samples, n_levels, seed)


class Auto(Probing):
    """The best candidate as of the last probe; the finest level until the first."""

    def __init__(self, options: Options, n_samples: int, n_levels: int, seed: int) -> None:
        self._options, self._n_samples, self._seed = options, n_samples, seed
        self._probes = Probes(options, n_samples, seed)
        sizes = (0.0,) * (n_levels - 1) + (float(options.batch_size),)
        self._use(Candidate("fine", sizes))
        self.steps_per_epoch = self._inner.steps_per_epoch

    def learn(self, moments: Moments, costs: BatchCosts) -> None:
        first = self._probes.known is None
        known = self._probes.take(moments)
        best, quality = ranked(known, costs, self._options.batch_size, self._n_samples)[0]
        now = worth(self._candidate, known, costs, self._n_samples)
        if first or quality.rate > _WORTH_A_CHANGE * now.rate:
            if best != self._candidate:
                log.info("auto: %s", " ".join(best.overrides))
            self._use(best)
        self._plan_next_probe(costs)

    def state_dict(self) -> dict[str, Any]:
        candidate = {"estimator": self._candidate.estimator, "sizes": list(self._candidate.sizes)}
        return {"candidate": candidate, "probes": self._probes.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        n_levels, candidate = len(self._candidate.sizes), state["candidate"]
        self._probes.load_state_dict(state["probes"], n_levels)
        if candidate["estimator"] not in ("fine", "coarse", "mixed", "mlmc"):
            raise ValueError(f"'{candidate['estimator']!s:.40}' is no candidate")
        sizes = numbers(candidate["sizes"], "sizes", (n_levels,))
        if (sizes < 0).any() or sizes.max() < 1:
            raise ValueError(f"sizes {sizes.tolist()} make no step")
        self._use(Candidate(candidate["estimator"], tuple(sizes.tolist())))

    def _use(self, candidate: Candidate) -> None:
        self._candidate = candidate
        self._inner = candidate.build(self._n_samples, self._seed)
