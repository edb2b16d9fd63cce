"""When training ends, and how far it is."""

from dataclasses import dataclass

from nolab.config import BudgetOptions


@dataclass(frozen=True)
class Budget:
    """Limits of a run; whichever is reached first ends it.

    Parameters
    ----------
    steps : optimizer steps (epochs are converted), or None.
    seconds : training seconds, or None.
    """

    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, options: BudgetOptions, steps_per_epoch: int) -> "Budget":
        """Epochs become steps: one epoch is one pass of a step's largest draw over the data set."""
        limits = [options.steps]
        if options.epochs is not None:
            limits.append(max(1, round(options.epochs * steps_per_epoch)))
        known = [limit for limit in limits if limit is not None]
        if not known and options.seconds is None:
            known = [options.default_steps]
        return cls(min(known) if known else None, options.seconds)

    def progress(self, step: int, train_seconds: float) -> float:
        """Share of the budget used, in [0, 1]; 1 means that training is over."""
        shares = []
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.seconds is not None:
            shares.append(train_seconds / self.seconds)
        return min(max(shares), 1.0)
