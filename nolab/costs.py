"""What a batch of samples costs at each level: what allocations weigh variances against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nolab.plan import Plan
from nolab.saved import numbers


@dataclass(frozen=True)
class BatchCosts:
    """Seconds of n samples in one batch at level ℓ, forward and backward: fixed_ℓ + n · sample_ℓ.

    Launching kernels and going through the weights takes its time however few samples there are. C_ℓ, the cost
    of one sample, is therefore smaller in larger batches.

    fixed, sample : (L+1,), coarsest first.
    """

    fixed: np.ndarray
    sample: np.ndarray

    def __len__(self) -> int:
        return len(self.sample)

    def per_sample(self, batch_size: float) -> np.ndarray:
        """C_ℓ in batches of that size, (L+1,)."""
        return self.fixed / batch_size + self.sample

    def of_plan(self, plan: Plan) -> float:
        """Seconds of its terms."""
        return float(sum(self.fixed[t.level] + len(t.indices) * self.sample[t.level] for t in plan))

    def of_outcomes(self, outcomes: Sequence[tuple[float, Plan]]) -> float:
        """Mean seconds of a step that has each plan with its chance."""
        return sum(chance * self.of_plan(plan) for chance, plan in outcomes)

    def state_dict(self) -> dict[str, Any]:
        """Plain lists."""
        return {"fixed": self.fixed.tolist(), "sample": self.sample.tolist()}

    @classmethod
    def from_state(cls, state: dict[str, Any], n_levels: int) -> "BatchCosts":
        """The inverse of :meth:`state_dict`.

        Raises
        ------
        ValueError : not seconds of so many levels.
        """
        fixed, sample = (numbers(state[name], name, (n_levels,)) for name in ("fixed", "sample"))
        if (fixed < 0).any() or (sample <= 0).any():
            raise ValueError("seconds below zero")
        return cls(fixed, sample)
