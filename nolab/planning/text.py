"""The plan in words and tables."""

from collections.abc import Iterator
from dataclasses import dataclass

from nolab.planning.consistency import LARGEST
from nolab.planning.outlook import Outlook
from nolab.planning.resampling import Estimate
from nolab.planning.run import Planned

_LEVELS = ["level", "C_ℓ, ms", "a batch, ms", "V of g_ℓ", "V_ℓ of g_ℓ - g_ℓ₋₁", "|E(g_L - g_ℓ)|²", "n_ℓ/n_0"]
_CHOICES = ["progress/s", "variance × cost", "|bias|²", "overrides"]
_MOST_CORRECTIONS = 6  # that are shown; plan.json has all


@dataclass(frozen=True)
class Table:
    """Columns and rows of cells."""

    columns: list[str]
    rows: list[list[str]]


def paragraphs(planned: Planned) -> Iterator[str | Table]:
    """Everything that is printed before the recommendation."""
    first = planned.outlooks[0]
    yield (
        f"V and |bias|² are over V of the finest level, with 90 % intervals. C_ℓ is that of a sample in batches of "
        f"{first.batch_size}, its part of what a batch takes by itself included. Steps are ordinary training at "
        f"{first.levels[-2].level} in batches of {first.batch_size}, at the peak learning rate; candidates take "
        f"{first.batch_size} samples or more."
    )
    for outlook in planned.outlooks:
        yield f"{outlook.name}: test rel. L2 {outlook.error:.4f} at {outlook.levels[-1].level}"
        yield _levels(outlook)
        yield "\n".join(_lines(outlook))
        yield _ranking(outlook)
    yield from planned.advice.reasons


def _levels(outlook: Outlook) -> Table:
    rows = [
        [
            figures.level,
            f"{1e3 * figures.seconds:.2f}",
            f"{1e3 * figures.batch_seconds:.2f}",
            _shown(figures.gradient),
            _shown(figures.correction) if level else "",
            "" if figures is outlook.levels[-1] else _bias(figures.squared_bias),
            f"{figures.share:.3g}",
        ]
        for level, figures in enumerate(outlook.levels)
    ]
    return Table(_LEVELS, rows)


def _lines(outlook: Outlook) -> Iterator[str]:
    rates, gains = outlook.rates, outlook.gains
    known = {
        "α": None if rates.alpha is None else _shown(rates.alpha),
        "β": None if rates.beta is None else _shown(rates.beta),
        "γ": None if rates.gamma is None else f"{rates.gamma:.2g}",
    }
    yield "rates, log2 per level: " + ", ".join(
        f"{name} {text or 'not known'}" for name, text in known.items()
    )
    names = [figures.level for figures in outlook.levels]
    best = ", ".join(names[level] for level in gains.levels)
    yield (
        f"gain in variance × cost over fine-only, in steps as long: {_shown(gains.all_levels)} on all levels; "
        f"{_shown(gains.best)} on {best}; {_shown(gains.of_delta)} with delta={gains.delta:.3g}, the nearest"
    )
    for figures, gain in zip(outlook.levels, gains.coarse, strict=False):
        yield f"  over {figures.level} alone, whose bias it removes: {_shown(gain)}"
    yield f"noise scale tr Cov / |G|²: {_shown(outlook.noise_scale)} samples; batch {outlook.batch_size}"
    shown = ", ".join(f"{ratio:.2f}" for ratio in outlook.ratios)
    bad = [name for name, ratio in zip(names[1:], outlook.ratios, strict=True) if ratio > LARGEST]
    warning = f": above {LARGEST:g} at {', '.join(bad)}, take more plan.samples" if bad else ""
    yield f"means of two halves, difference over its standard deviation: {shown}{warning}"


def _ranking(outlook: Outlook) -> Table:
    corrections = [choice for choice in outlook.ranking if choice.candidate.estimator == "mlmc"]
    rows = [
        [
            _shown(choice.rate),
            f"{choice.variance_cost:.3g}",
            "0" if choice.candidate.estimator in ("fine", "mlmc") else _bias(choice.squared_bias),
            " ".join(choice.candidate.overrides) + ("  <" if choice is outlook.chosen else ""),
        ]
        for choice in outlook.ranking
        if choice not in corrections[_MOST_CORRECTIONS:]
    ]
    return Table(_CHOICES, rows)


def _shown(value: Estimate) -> str:
    if value.value == float("inf"):
        return f"above {value.low:.2g}"
    if value.low == value.high:
        return f"{value.value:.2g}"
    return f"{value.value:.2g} ({value.low:.2g} to {value.high:.2g})"


def _bias(value: Estimate) -> str:
    return _shown(value) if value.is_resolved else f"lost in the noise (< {max(value.high, 0.0):.1g})"
