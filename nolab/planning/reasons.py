"""Why a choice is the one to take at its stage, with the numbers that say so."""

from nolab.planning.choices import WORTH_A_CHANGE, best_of
from nolab.planning.outlook import Outlook
from nolab.planning.resampling import Estimate

_NO_FALL = 0.05
"""Rates below it are none."""


def reason(outlook: Outlook) -> str:
    """One sentence or two; the first words say whether corrections are to be used."""
    return _REASONS[outlook.chosen.candidate.estimator](outlook)


def _mlmc(outlook: Outlook) -> str:
    chosen = outlook.chosen
    return (
        f"use MLMC: its variance × cost is {chosen.variance_cost:.2g} of fine-only's, and it is unbiased, where "
        f"{_bias(outlook, 0)}. {_noise(outlook)}. {_rate(outlook)}"
    )


def _coarse(outlook: Outlook) -> str:
    level = outlook.chosen.levels[0]
    cost = outlook.levels[level].seconds / outlook.levels[-1].seconds
    cheaper = f"a sample at {outlook.levels[level].level} costs {cost:.2g} of a fine one"
    if outlook.noise_scale.value <= outlook.batch_size:
        why = f"at this batch the gradient is not limited by noise, so cheaper steps win: {cheaper}"
    elif (best := best_of(outlook.ranking, "mlmc")) and best.rate.value > outlook.chosen.rate.value:
        why = f"corrections are hardly faster, and {cheaper}"
    else:
        why = f"there is little for corrections to remove yet, and {cheaper}"
    return (
        f"don't use MLMC here, because {why}. {_noise(outlook)}; {_bias(outlook, level)}. "
        f"{_rate(outlook)}{_of_corrections(outlook)}"
    )


def _fine(outlook: Outlook) -> str:
    gains, rates = outlook.gains, outlook.rates
    if gains.best.value < WORTH_A_CHANGE:
        why = (
            f"corrections do not pay: fine-only's variance × cost is {gains.best.value:.2f} of theirs at best"
        )
        if rates.beta is not None and rates.gamma is not None and rates.beta.value < rates.gamma:
            fall = f"2^{rates.beta.value:.2g}" if rates.beta.value >= _NO_FALL else "hardly anything"
            why += f", as their variance falls by {fall} a level while the cost rises by 2^{rates.gamma:.2g}"
    elif outlook.noise_scale.value <= outlook.batch_size:
        why = (
            f"corrections would gain {gains.best.value:.2g} in variance × cost, but at this batch the gradient is "
            "not limited by noise"
        )
    else:
        why = (
            f"corrections gain {gains.best.value:.2g} in variance × cost, not enough for a step of this batch"
        )
    coarser = len(outlook.levels) - 2
    return (
        f"don't use MLMC here, because {why}. {_noise(outlook)}; {_bias(outlook, coarser)}"
        f"{_of_corrections(outlook)} fine-only's progress per second"
    )


def _mixed(outlook: Outlook) -> str:
    return (
        "don't use MLMC here, because samples of all levels without corrections make the faster progress, their "
        f"bias included ({_shown_bias(outlook.chosen.squared_bias)}). {_noise(outlook)}. "
        f"{_rate(outlook)}{_of_corrections(outlook)}"
    )


_REASONS = {"mlmc": _mlmc, "coarse": _coarse, "fine": _fine, "mixed": _mixed}


def _noise(outlook: Outlook) -> str:
    scale = outlook.noise_scale
    if scale.value == float("inf"):
        shown = f"above {scale.low:.2g}"
    else:
        shown = f"{scale.value:.2g} ({scale.low:.2g} to {scale.high:.2g})"
    return f"The noise scale tr Cov / |G|² is {shown} samples beside a batch of {outlook.batch_size}"


def _bias(outlook: Outlook, level: int) -> str:
    figures = outlook.levels[level]
    return f"{figures.level} alone is off by {_shown_bias(figures.squared_bias)}"


def _shown_bias(bias: Estimate) -> str:
    if not bias.is_resolved:
        return f"|bias|² below {max(bias.high, 0.0):.2g} V_fine, lost in the noise"
    return f"|bias|² = {bias.value:.2g} V_fine, the noise of a batch of {1 / bias.value:.2g}"


def _rate(outlook: Outlook) -> str:
    rate = outlook.chosen.rate
    return f"Progress per second: {rate.value:.2g} ({rate.low:.2g} to {rate.high:.2g}) times fine-only's"


def _of_corrections(outlook: Outlook) -> str:
    best = best_of(outlook.ranking, "mlmc")
    return "" if best is None else f"; the best corrections: {best.rate.value:.2g} times"
