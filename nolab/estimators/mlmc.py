"""`mlmc`: multi-level Monte Carlo gradients, many coarse ones and few fine corrections.

    ∇J ≈ (1/n_0) Σ ∇J_0 + Σ_{ℓ≥1} (1/n_ℓ) Σ [∇J_ℓ - ∇J_{ℓ-1}]        (arXiv 2505.12940)

with n_ℓ = n_L · δ^(L-ℓ). Every term of the sum that falls on the same level is evaluated in one
forward and backward, so a step costs Σ_ℓ n_ℓ C_ℓ (nested) or Σ_ℓ (n_ℓ + n_{ℓ+1}) C_ℓ (random).

An n_ℓ below 1 is the chance that a step has a correction at that level, of one sample that weighs 1/n_ℓ: the mean
over steps stays the fine gradient (Rhee and Glynn, Operations Research 63, 2015, the coupled sum estimator), and
most steps cost no more than coarse ones.

With a coefficient α_ℓ per correction, the coarser gradient is a control variate (weighted MLMC, arXiv 2405.03453):

    E_ℓ = (1/n_ℓ) Σ [∇J_ℓ - α_ℓ ∇J_{ℓ-1}] + α_ℓ E_{ℓ-1},   ∇J ≈ E_L

unbiased for any α; α = 1 is MLMC, α = 0 the finest level alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod
from typing import Literal

import numpy as np

from nolab.errors import InputError
from nolab.estimators._counts import check_counts, geometric_counts, mean_counts
from nolab.estimators._draws import EpochDraws
from nolab.plan import Estimator, Plan, Term
from nolab.schema import check


@dataclass(frozen=True)
class Options:
    """Config group `sampling` with estimator `mlmc`."""

    batch_size: float = 4
    """Samples per step at the finest level, n_L; below 1 the chance of one."""
    delta: float = 2.0
    """Sampling factor δ = n_ℓ / n_{ℓ+1}, real, >= 1."""
    scheme: Literal["nested", "random"] = "nested"
    """nested: each level's samples lie inside the coarser one's; random: a new draw per correction."""
    counts: list[float] | None = None
    """n_ℓ of every level, coarsest first, instead of batch_size and delta; null: those."""
    alpha: float | list[float] = 1.0
    """Control variate coefficient of every correction, or of each, coarsest first."""

    def __post_init__(self) -> None:
        check(0 < self.batch_size < float("inf"), "batch_size", self.batch_size, "> 0")
        check(1 <= self.delta < float("inf"), "delta", self.delta, "a number >= 1")
        check(bool(np.all(np.abs(self.alpha) <= 1e6)), "alpha", self.alpha, "from -1e6 to 1e6")


def build(options: Options, n_samples: int, n_levels: int, seed: int) -> Estimator:
    """Estimator over `n_samples` training samples on a hierarchy of `n_levels` levels."""
    counts: Sequence[float] | None = options.counts
    if counts is None:
        counts = geometric_counts(options.batch_size, options.delta, n_levels)
    if len(counts) != n_levels:
        raise InputError(f"sampling.counts: {len(counts)} numbers for {n_levels} levels: {counts}")
    if fractions := [n for n in counts if n > 1 and not float(n).is_integer()]:
        raise InputError(f"sampling.counts: whole numbers of samples, or chances below 1, not {fractions[0]}")
    alpha = options.alpha if isinstance(options.alpha, list) else [options.alpha] * (n_levels - 1)
    if len(alpha) != n_levels - 1:
        raise InputError(f"sampling.alpha: {len(alpha)} coefficients for {n_levels - 1} corrections: {alpha}")
    estimator = {"nested": Nested, "random": Random}[options.scheme](counts, n_samples, seed, alpha)
    if not all(plan for _, plan in estimator.outcomes()):
        raise InputError(
            f"sampling.alpha: {options.alpha} leaves out the coarse levels, and with n_ℓ = "
            f"{', '.join(f'{n:g}' for n in counts)} some steps have nothing else; "
            "give the finer levels whole samples, or alpha other than 0"
        )
    return estimator


def shares(alpha: Sequence[float] | None, n_levels: int) -> np.ndarray:
    """Factor of E_ℓ in the estimate of the finest gradient, Π_{k>ℓ} α_k, (L+1,)."""
    factors = np.ones(n_levels)
    if alpha is not None:
        factors[:-1] = np.cumprod(np.asarray(alpha, dtype=float)[::-1])[::-1]
    return factors


class Nested(Estimator):
    """Level sets S_L ⊂ … ⊂ S_0, prefixes of one draw: one evaluation per (sample, level).

    Sample i at level ℓ weighs a_ℓ (1/n_ℓ - [i ∈ S_{ℓ+1}]/n_{ℓ+1}), a_ℓ = Π_{k>ℓ} α_k: collecting the telescoping
    sum's coefficients per evaluation. Where they are all zero (n_ℓ = n_{ℓ+1}, α = 0) nothing is evaluated.

    Parameters
    ----------
    sizes : n_ℓ, coarsest level first, not growing; those below 1 are chances, met by one random number per step.
    alpha : control variate coefficients of the corrections; None: 1.
    """

    def __init__(
        self, sizes: Sequence[float], n_samples: int, seed: int, alpha: Sequence[float] | None = None
    ) -> None:
        check_counts(sizes, n_samples)
        if any(fine > coarse for coarse, fine in pairwise(sizes)):
            raise InputError(
                f"sampling: nested sets need n_ℓ that do not grow with the level, got {tuple(sizes)}"
            )
        self._draws = EpochDraws(n_samples, int(sizes[0]), seed)
        self._sizes, self._seed = tuple(sizes), seed
        self._shares = shares(alpha, len(sizes))
        chances = sorted({1.0, *(n for n in sizes if n < 1)})
        self._layouts = [(chance, self._layout(chance)) for chance in chances]
        self.steps_per_epoch = self._draws.steps_per_epoch
        self.counts = mean_counts(self.outcomes(), len(sizes))

    def plan(self, step: int, share: float = 0.0) -> Plan:
        number = np.random.default_rng([self._seed, 1, step]).random() if len(self._layouts) > 1 else 0.0
        return self._plan(step, next(layout for chance, layout in self._layouts if number < chance))

    def outcomes(self) -> list[tuple[float, Plan]]:
        below = [0.0, *(chance for chance, _ in self._layouts)]
        return [
            (chance - low, self._plan(0, layout))
            for low, (chance, layout) in zip(below, self._layouts, strict=False)
        ]

    def _plan(self, step: int, layout: list[np.ndarray]) -> Plan:
        drawn = self._draws.draw(step)
        return tuple(
            Term(level, drawn[: len(weights)], weights)
            for level, weights in enumerate(layout)
            if len(weights)
        )

    def _layout(self, chance: float) -> list[np.ndarray]:
        """Weights per level of the steps whose random number is just below `chance`."""
        drawn = [int(n) if n >= 1 else int(n >= chance) for n in self._sizes]
        return [self._weights(level, drawn) for level in range(len(self._sizes))]

    def _weights(self, level: int, drawn: list[int]) -> np.ndarray:
        weights = np.full(drawn[level], 1.0 / self._sizes[level])
        if level + 1 < len(drawn):
            weights[: drawn[level + 1]] -= 1.0 / self._sizes[level + 1]
        weights *= self._shares[level]
        return weights if weights.any() else weights[:0]


class Random(Estimator):
    """An independent draw per correction; its two levels see the same samples.

    Level ℓ evaluates draw ℓ with +a_ℓ/n_ℓ and draw ℓ+1 with -a_ℓ/n_{ℓ+1}, a_ℓ = Π_{k>ℓ} α_k. A draw with n_ℓ below
    1 happens with that chance, by a random number of its own.
    """

    def __init__(
        self, sizes: Sequence[float], n_samples: int, seed: int, alpha: Sequence[float] | None = None
    ) -> None:
        check_counts(sizes, n_samples)
        self._sizes, self._seed = tuple(sizes), seed
        self._draws = [
            EpochDraws(n_samples, max(1, int(n)), seed, stream=level) for level, n in enumerate(sizes)
        ]
        self._shares = shares(alpha, len(sizes))
        self.steps_per_epoch = min(draws.steps_per_epoch for draws in self._draws)
        self.counts = mean_counts(self.outcomes(), len(sizes))

    def plan(self, step: int, share: float = 0.0) -> Plan:
        numbers = np.random.default_rng([self._seed, 1, step]).random(len(self._sizes))
        return self._plan(step, [number < n for number, n in zip(numbers, self._sizes, strict=True)])

    def outcomes(self) -> list[tuple[float, Plan]]:
        chances = [min(n, 1.0) for n in self._sizes]
        happens = product(*([True] if chance == 1.0 else [True, False] for chance in chances))
        return [
            (prod(c if yes else 1 - c for c, yes in zip(chances, which, strict=True)), self._plan(0, which))
            for which in happens
        ]

    def _plan(self, step: int, happens: Sequence[bool]) -> Plan:
        drawn = [
            draws.draw(step) if yes else np.empty(0, np.int64)
            for draws, yes in zip(self._draws, happens, strict=True)
        ]
        terms = (self._term(level, drawn) for level in range(len(drawn)))
        return tuple(term for term in terms if len(term.indices) and term.weights.any())

    def _term(self, level: int, drawn: list[np.ndarray]) -> Term:
        pair = drawn[level : level + 2]
        signs = (1.0, -1.0)
        weights = [
            np.full(len(indices), sign * self._shares[level] / n)
            for indices, sign, n in zip(pair, signs, self._sizes[level : level + 2], strict=False)
        ]
        return Term(level, np.concatenate(pair), np.concatenate(weights))
