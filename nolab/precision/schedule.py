"""Precision over a run: a sequence of modes, each for a share of the budget.

The schedule of arXiv 2307.15034: low precision first, where gradients are large, and
full precision last, where the error is made.
"""

from dataclasses import dataclass
from typing import cast

import torch

from nolab.errors import InputError, unknown
from nolab.precision.modes import MODES, Mode, check_mode
from nolab.schema import check
from nolab.spectral.precision import Stabilizer

SCHEDULE = "schedule"


@dataclass(frozen=True)
class PrecisionOptions:
    """Config group `precision`."""

    mode: str = "fp32"
    """fp32, tf32, amp_bf16, amp_fp16, half, mixed, mixed_fp32_transform, or schedule."""
    phases: tuple[tuple[str, float], ...] = ()
    """mode=schedule: [mode, share of the run] in the order of their use; shares add up to 1."""
    stabilizer: Stabilizer = "scale"
    """What keeps spectral layers in float16's range; tanh and the clips change the model itself."""

    def __post_init__(self) -> None:
        if self.mode != SCHEDULE:
            return
        shares = [share for _, share in self.phases]
        good = shares and min(shares) > 0 and abs(sum(shares) - 1) < 1e-6
        check(
            bool(good), "phases", self.phases, "shares > 0 that add up to 1, e.g. [[mixed, 0.5], [fp32, 0.5]]"
        )


@dataclass(frozen=True)
class Schedule:
    """Mode of a level over the run.

    phases : (share of the run at which the phase ends, mode), ascending; the last ends at 1.
    """

    phases: tuple[tuple[float, Mode], ...]

    @classmethod
    def constant(cls, mode: Mode) -> "Schedule":
        """One mode for the whole run."""
        return cls(((1.0, mode),))

    def at(self, share: float) -> Mode:
        """The mode when `share` of the budget is used."""
        return next((mode for end, mode in self.phases if share < end), self.phases[-1][1])

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Every mode that the schedule comes to use."""
        return tuple(mode for _, mode in self.phases)

    @property
    def has_float16(self) -> bool:
        """Whether any phase needs the loss to be scaled."""
        return any(MODES[mode].has_float16 for mode in self.modes)

    def __str__(self) -> str:
        if len(self.phases) == 1:
            return self.phases[0][1]
        return " → ".join(f"{mode} until {end:.0%}" for end, mode in self.phases)


def build_schedule(
    options: PrecisionOptions, device: torch.device, mode: str | None = None, where: str = "precision.mode"
) -> Schedule:
    """The schedule that `mode` (null: the run's) stands for, checked against the device.

    Raises
    ------
    InputError : an unknown mode, or one that the device does not have.
    """
    mode = mode or options.mode
    if mode != SCHEDULE:
        if mode not in MODES:
            raise unknown(where, mode, (*MODES, SCHEDULE))
        check_mode(mode, device, where)
        return Schedule.constant(mode)
    if not options.phases:
        raise InputError(
            f"{where}: schedule needs precision.phases; choose precision=schedule, which has them"
        )
    ends: list[tuple[float, Mode]] = []
    end = 0.0
    for name, share in options.phases:
        check_mode(name, device, "precision.phases")
        end += share
        ends.append((end, cast(Mode, name)))
    return Schedule(tuple(ends))
