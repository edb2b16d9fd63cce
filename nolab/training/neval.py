"""N_eval = auto: the largest number of points before the step takes longer."""

import logging
from copy import deepcopy
from functools import partial
from statistics import median

import torch

from nolab.plan import Plan, Term
from nolab.training.costs import term_at, timed
from nolab.training.gradient import GradientEngine

log = logging.getLogger(__name__)

TOLERANCE = 1.1
"""A step that takes up to this many times as long as the fastest takes the same time."""
_ROUNDS = 5


def choose_neval(engine: GradientEngine, plan: Plan) -> None:
    """Measure and fix N_eval at every level where it is `auto` (and not chosen before a resume).

    Candidates are N_out and its halves, quarters and so on; they take turns, so that drifts of the
    machine fall on all alike. The largest one is taken whose step, like that of every smaller one,
    takes at most :data:`TOLERANCE` times as long as the smallest one's. The state of random numbers
    and of points that learn is left as it was; gradients are dropped.
    """
    cuda = [engine.device] if engine.device.type == "cuda" else []
    ranks, engine = engine.ranks, engine.aside()
    for level, name in enumerate(engine.points.names):
        if not engine.points.is_auto(level):
            continue
        term = term_at(plan, level)
        with torch.random.fork_rng(devices=cuda):
            seconds = _measure(engine, term)
        chosen = ranks.from_first(partial(_largest_free, seconds))
        engine.points.fix(level, chosen)
        shown = ", ".join(f"{n}: {1e3 * s:.3g} ms" for n, s in seconds.items())
        log.info("neval=auto at %s takes %d points (%s)", name, chosen, shown)
    engine.model.zero_grad(set_to_none=True)


def _measure(engine: GradientEngine, term: Term) -> dict[int, float]:
    """Median seconds of the term's forward and backward at every candidate N_eval, ascending."""
    points = engine.points
    n_points = points.n_points(term.level)
    candidates = sorted({max(1, n_points >> k) for k in range(n_points.bit_length())})
    seconds: dict[int, list[float]] = {n: [] for n in candidates}
    learnt = deepcopy(points.state_dict())
    for _ in range(1 + _ROUNDS):
        for n in candidates:
            points.fix(term.level, n)
            seconds[n].append(timed(lambda: engine.accumulate((term,), 0), engine.device))
    points.load_state_dict(learnt)
    return {n: median(times[1:]) for n, times in seconds.items()}  # the first round warms up


def _largest_free(seconds: dict[int, float]) -> int:
    """The largest candidate up to which every step takes about as long as the first."""
    first, chosen = None, 1
    for n, value in seconds.items():
        first = value if first is None else min(first, value)
        if value > TOLERANCE * first:
            break
        chosen = n
    return chosen
