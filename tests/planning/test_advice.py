"""What is recommended where the answer is known, why, and that it can be typed."""

from dataclasses import replace

import numpy as np
import pytest
from estimators_support import costs_of
from omegaconf import OmegaConf
from planning_support import COARSE_WINS, COSTS, FINE_WINS, MLMC_WINS, outlook_of

import nolab
from nolab import registry
from nolab.config import validate
from nolab.errors import RunFailure
from nolab.moments import quality
from nolab.planning.advice import advise
from nolab.planning.choices import WORTH_A_CHANGE, choose
from nolab.planning.reasons import reason
from nolab.planning.resampling import Estimate
from nolab.planning.text import Table, paragraphs
from nolab.training.budget import Budget

N = 512
STEPS, SECONDS = Budget(1000, None), Budget(None, 100.0)


def typed(overrides):
    """The estimator that these overrides of `nolab train` make."""
    config = nolab.compose(["hierarchy=three", *overrides])
    sampling = validate(OmegaConf.to_container(config, resolve=True)).sampling
    part = registry.load("nolab.estimators", sampling.name, "sampling.estimator")
    return part.build(sampling.options, N, 3, 0)


@pytest.mark.parametrize(
    ("moments", "estimator", "words"),
    [
        (COARSE_WINS, "coarse", ["don't use MLMC", "not limited by noise", "9x9 costs 0.062", "batch of 4"]),
        (MLMC_WINS, "mlmc", ["use MLMC", "unbiased", "9x9 alone is off by |bias|² = 0.1 V_fine"]),
        (FINE_WINS, "fine", ["don't use MLMC", "corrections do not pay", "17x17 alone is off by"]),
    ],
)
def test_what_wins_and_why(moments, estimator, words):
    outlook = outlook_of(*moments, COSTS)
    assert outlook.chosen.candidate.estimator == estimator
    for word in words:
        assert word in reason(outlook)


def test_reasons_fit_their_numbers():
    """The same choice, for other reasons."""
    hidden = outlook_of([100.0, 1e-3, 1e-4], [1.0, 1e-3, 1e-4], COSTS)
    assert hidden.chosen.candidate.estimator == "coarse"
    assert "little for corrections to remove" in reason(hidden)
    assert "not limited by noise" not in reason(hidden)
    even = outlook_of([20.0, 2.5, 1.0], [1.0, 1.0, 1.0], COSTS)
    assert even.chosen.candidate.estimator == "coarse"
    assert "corrections are hardly faster" in reason(even)
    assert "falls by hardly anything a level while the cost rises by 2^2" in reason(
        outlook_of(*FINE_WINS, COSTS)
    )
    slow = outlook_of([1.0, 12.0, 10.0], FINE_WINS[1], COSTS)
    assert "falls by 2^0.26 a level while the cost rises by 2^2" in reason(slow)
    calm = outlook_of([0.85, 5e-4, 1e-3], [0.08, 0.023, 1.48], (4.2, 8.7, 9.4), batch_size=2)
    assert calm.chosen.candidate.estimator == "fine"
    assert "corrections would gain 1" in reason(calm)
    assert "not limited by noise" in reason(calm)


def test_corrections_on_one_level_are_no_choice():
    """As many samples at every level cancel but at the finest, which is a choice already."""
    for choice in outlook_of(*FINE_WINS, COSTS).ranking:
        assert choice.candidate.estimator != "mlmc" or len(choice.levels) > 1


def test_figures_of_choices_are_relative_to_fine():
    """Against the moments and :func:`quality` directly."""
    outlook = outlook_of(*MLMC_WINS, COSTS)
    by_overrides = {" ".join(choice.candidate.overrides): choice for choice in outlook.ranking}
    coarse = by_overrides["sampling=coarse sampling.level=0 sampling.batch_size=4"]
    fine = by_overrides["sampling=fine sampling.batch_size=4"]
    assert (fine.rate.value, fine.variance_cost, fine.squared_bias.value) == pytest.approx((1, 1, 0))
    assert coarse.squared_bias.value == pytest.approx(2 / 20.06)
    assert coarse.variance_cost == pytest.approx(20 / 20.06 / 16)
    assert coarse.levels == (0,)
    noise = 1 / 4 - 1 / N  # of a batch, drawn without replacement
    progress = 0.1**2 / (0.1 + 20 * noise) / 2.1
    of_fine = 2.1 / (2.1 + 20.06 * noise)
    assert coarse.rate.value == pytest.approx(16 * progress / of_fine)
    assert [c.rate.value for c in outlook.ranking] == sorted(
        (c.rate.value for c in outlook.ranking), reverse=True
    )
    worth = quality(typed(fine.candidate.overrides).outcomes(), _moments(MLMC_WINS), costs_of(COSTS), N)
    assert fine.seconds == pytest.approx(worth.cost)


def _moments(diagonals):
    from nolab.moments import Moments

    return Moments(*(np.diag(values) for values in diagonals), 16)


@pytest.mark.parametrize("moments", [COARSE_WINS, MLMC_WINS, FINE_WINS])
def test_every_candidate_can_be_typed(moments):
    for choice in outlook_of(*moments, COSTS).ranking:
        estimator = typed(choice.candidate.overrides)
        assert tuple(level for level, n in enumerate(estimator.counts) if n) == choice.levels


def test_the_simplest_of_those_that_are_about_as_fast():
    fine, mlmc = (
        next(c for c in outlook_of(*MLMC_WINS, COSTS).ranking if c.candidate.estimator == name)
        for name in ("fine", "mlmc")
    )

    def faster(by):
        rate = by * fine.rate.value
        return replace(mlmc, rate=Estimate(rate, rate, rate))

    near, far = faster(0.99 * WORTH_A_CHANGE), faster(1.01 * WORTH_A_CHANGE)
    assert choose([near, fine]) is fine
    assert choose([far, fine]) is far
    assert choose([near, fine], before=far) is near  # what trained before stays
    assert choose([far, fine], before=fine) is far


def test_one_kind_at_all_stages_is_one_estimator():
    """With the last stage's numbers of samples."""
    first = outlook_of(*MLMC_WINS, COSTS)
    last = outlook_of([20.0, 0.1, 0.04], MLMC_WINS[1], COSTS, step=200, before=first.chosen)
    assert first.chosen.candidate != last.chosen.candidate
    assert first.chosen.kind == last.chosen.kind
    advice = advise([first, last], STEPS)
    assert advice.overrides == last.chosen.candidate.overrides
    assert len(advice.reasons) == 1
    assert typed(advice.overrides).counts == pytest.approx(last.chosen.candidate.build(N, 0).counts, rel=1e-3)


def changing(*steps):
    """Coarse at the first of the steps, corrections at the second, fine at the third."""
    outlooks = []
    for step, moments in zip(steps, (COARSE_WINS, MLMC_WINS, FINE_WINS), strict=False):
        before = outlooks[-1].chosen if outlooks else None
        outlooks.append(outlook_of(*moments, COSTS, step=step, before=before))
    return outlooks


def phases(overrides):
    config = nolab.compose(["hierarchy=three", *overrides])
    return OmegaConf.to_container(config.sampling.phases)


def test_a_change_is_a_curriculum():
    outlooks = changing(0, 200, 500)
    advice = advise(outlooks, STEPS)
    assert advice.overrides[0] == "sampling=curriculum"
    found = phases(advice.overrides)
    assert [phase["estimator"] for phase in found] == ["coarse", "mlmc", "fine"]
    assert [phase.get("share") for phase in found] == [0.2, 0.3, None]
    assert found[0] == {"estimator": "coarse", "level": 0, "batch_size": 4, "share": 0.2}
    assert found[1]["counts"] == pytest.approx(outlooks[1].chosen.candidate.sizes, rel=1e-3)
    assert len(advice.reasons) == 3
    curriculum = typed(advice.overrides)
    for share, outlook in ((0.1, outlooks[0]), (0.3, outlooks[1]), (0.9, outlooks[2])):
        assert {term.level for term in curriculum.plan(0, share)} <= set(outlook.chosen.levels)


def test_shares_of_a_budget_of_seconds_are_by_measured_cost():
    outlooks = changing(0, 10)
    (first, _) = phases(advise(outlooks, SECONDS).overrides)
    assert first["share"] == pytest.approx(10 * outlooks[0].chosen.seconds / 100)


@pytest.mark.parametrize(
    ("steps", "estimators"),
    [
        ((0, 1000), ["coarse"]),  # the change lies beyond the budget
        ((0, 5000, 6000), ["coarse"]),
        ((0, 300, 2000), ["coarse", "mlmc"]),
        ((0, 5), ["mlmc"]),  # no room for a first phase
        ((0, 300, 305), ["coarse", "fine"]),  # nor for one between
    ],
)
def test_phases_without_room_are_left_out(steps, estimators):
    overrides = advise(changing(*steps), STEPS).overrides
    if len(estimators) == 1:
        assert overrides[0] == f"sampling={estimators[0]}"
    else:
        assert [phase["estimator"] for phase in phases(overrides)] == estimators
    typed(overrides)


def test_gradients_that_do_not_differ_leave_nothing_to_plan():
    with pytest.raises(RunFailure, match="do not differ"):
        outlook_of([0.0, 0.0], [1.0, 0.1], (1.0, 4.0))


def test_the_text_says_what_is_lost_in_the_noise_and_warns():
    from nolab.planning.run import Planned

    outlook = outlook_of([20.0, 0.05, 0.01], [1.0, 1.0, -1e-4], COSTS)
    bad = replace(outlook, ratios=[1.0, 3.5])
    parts = list(paragraphs(Planned([bad], advise([bad], STEPS))))
    text = "\n".join(part for part in parts if isinstance(part, str))
    assert "1.00, 3.50: above 3 at 33x33, take more plan.samples" in text
    assert "α not known, β" in text
    levels, ranking = (part for part in parts if isinstance(part, Table))
    assert [row[0] for row in levels.rows] == ["9x9", "17x17", "33x33"]
    assert "lost in the noise" in levels.rows[1][5]
    assert "lost in the noise" not in levels.rows[0][5]
    (marked,) = [row for row in ranking.rows if row[-1].endswith("<")]
    assert marked[-1].startswith(" ".join(outlook.chosen.candidate.overrides))
