"""`curriculum`: when phases begin and end, who is asked for what, and what is refused."""

import numpy as np
import pytest
from estimators_support import N, costs_of, of_variances, same_plans
from hypothesis import given, settings
from hypothesis import strategies as st

from nolab.errors import InputError
from nolab.estimators import curriculum
from nolab.schema import from_mapping

COARSE = {"estimator": "coarse", "level": 0}
MIDDLE = {"estimator": "coarse", "level": 1}
FINE = {"estimator": "fine"}
ADAPTIVE = {"estimator": "adaptive", "overhead": 0.9}
COSTS = costs_of([1.0, 4.0, 16.0])


def build(*phases):
    options = from_mapping(curriculum.Options, {"phases": list(phases)}, "sampling")
    return curriculum.build(options, N, 3, 0)


def level_at(estimator, share):
    (term,) = estimator.plan(0, share)
    return term.level


@pytest.mark.parametrize("steps", [10, 30, 7, 1000])
@pytest.mark.parametrize("shares", [(0.1, 0.2), (0.3, 0.4), (0.7, 0.1), (1 / 3, 1 / 3)])
def test_phases_begin_at_the_step_that_their_shares_say(steps, shares):
    """The first step whose share of the budget is reached, whatever 0.1 + 0.2 is as a float."""
    from fractions import Fraction

    first = Fraction(shares[0]).limit_denominator(100)
    second = first + Fraction(shares[1]).limit_denominator(100)
    estimator = build({**COARSE, "share": shares[0]}, {**MIDDLE, "share": shares[1]}, FINE)
    for step in range(steps):
        expected = sum(Fraction(step, steps) >= end for end in (first, second))
        assert level_at(estimator, step / steps) == expected


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_boundaries_do_not_depend_on_rounding(a, b, c):
    total = a + b + c
    estimator = build({**COARSE, "share": a / total}, {**MIDDLE, "share": b / total}, FINE)
    levels = [level_at(estimator, step / total) for step in range(total)]
    assert levels == [0] * a + [1] * b + [2] * c


def test_a_phase_is_its_estimator():
    from nolab.estimators import mlmc

    estimator = build({**COARSE, "share": 0.5}, {"estimator": "mlmc", "batch_size": 2, "delta": 3})
    alone = mlmc.build(mlmc.Options(batch_size=2, delta=3), N, 3, 0)
    assert all(same_plans(estimator.plan(step, 0.6), alone.plan(step)) for step in range(5))
    assert estimator.counts == (4, 0, 0)
    assert estimator.steps_per_epoch == N // 4


def test_patience_ends_a_phase_after_so_many_evaluations_without_improvement():
    estimator = build({**COARSE, "patience": 2}, {**MIDDLE, "patience": 1}, FINE)
    seen = []
    errors = [0.9, 0.8, 0.8, 0.7, 0.75, 0.71, 0.5, 0.4, 0.4, 9.0, 9.0]
    for i, error in enumerate(errors):
        estimator.observe(error, (i + 1) / 20)
        seen.append(level_at(estimator, (i + 1) / 20))
    #       .9 .8 .8 .7 .75 .71| .5 .4 .4| 9. 9.
    assert seen == [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_equal_error_is_no_improvement_and_a_new_best_starts_anew():
    estimator = build({**COARSE, "patience": 2}, FINE)
    for error in (0.5, 0.5, 0.4, 0.4):
        estimator.observe(error, 0.1)
        assert level_at(estimator, 0.1) == 0
    estimator.observe(0.45, 0.1)
    assert level_at(estimator, 0.1) == 2


def test_shares_count_from_the_end_of_the_phase_before():
    estimator = build({**COARSE, "patience": 1}, {**MIDDLE, "share": 0.25}, FINE)
    assert level_at(estimator, 0.9) == 0
    estimator.observe(1.0, 0.25)
    estimator.observe(1.0, 0.5)
    assert [level_at(estimator, share) for share in (0.5, 0.74, 0.75, 0.99)] == [1, 1, 2, 2]


def test_patience_counts_from_its_own_phase():
    """Errors of the phase before are not held against the next one."""
    estimator = build({**COARSE, "share": 0.5}, {**MIDDLE, "patience": 2}, FINE)
    for share, error in ((0.1, 0.1), (0.2, 0.5), (0.3, 0.6), (0.4, 0.7)):
        estimator.observe(error, share)
    assert level_at(estimator, 0.45) == 0
    levels = []
    for share, error in ((0.6, 0.9), (0.7, 0.95), (0.8, 0.99)):
        estimator.observe(error, share)
        levels.append(level_at(estimator, share))
    assert levels == [1, 1, 2]


def test_phases_are_asked_and_taught_in_their_turn_only():
    estimator = build({**COARSE, "share": 0.3}, {**ADAPTIVE, "share": 0.4}, {**ADAPTIVE, "batch_size": 2})
    assert estimator.probe(0, 0.0) is None
    assert estimator.figures() == {}
    assert estimator.probe(30, 0.3) is not None
    estimator.learn(of_variances([1.0, 1e-2, 1e-4]), COSTS)
    assert estimator.figures()["V"] == (1.0, 1e-2, 1e-4)
    assert len(estimator.plan(30, 0.3)) > 1
    assert estimator.plan(70, 0.7)[0].level == 2  # the third has learnt nothing yet
    assert len(estimator.probe(70, 0.7)) == 16  # its own first probe
    estimator.learn(of_variances([2.0, 1e-2, 1e-4]), COSTS)
    assert estimator.figures()["V"] == (2.0, 1e-2, 1e-4)


def test_only_with_a_delayed_phase_are_gradients_kept():
    assert not build({**COARSE, "share": 0.5}, FINE).keeps_gradients
    assert build({"estimator": "delayed", "share": 0.5}, FINE).keeps_gradients


def test_the_state_comes_back_as_it_was():
    def make():
        return build({**COARSE, "patience": 2}, {**ADAPTIVE, "share": 0.3}, {**MIDDLE, "patience": 3}, FINE)

    estimator = make()
    rng = np.random.default_rng(0)
    phases = set()
    for step in range(40):
        share = step / 40
        back = make()
        back.load_state_dict(estimator.state_dict())
        assert back.state_dict() == estimator.state_dict()
        error = rng.uniform()
        for one in (estimator, back):
            if one.probe(step, share) is not None:
                one.learn(of_variances([1.0, 1e-2, 1e-4]), COSTS)
            one.observe(error, share)
        assert back.state_dict() == estimator.state_dict()
        assert back.figures() == estimator.figures()
        assert same_plans(back.plan(step, share), estimator.plan(step, share))
        phases.add(estimator._at(share))
    assert phases == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([], r"sampling\.phases: must be a list of one phase or more"),
        ([{"share": 0.5}, FINE], r"phases\[0\]: expected a mapping with estimator"),
        ([3, FINE], r"phases\[0\]: expected a group of keys, got 3"),
        (
            [{"estimator": "coars", "share": 0.5}, FINE],
            r"phases\[0\]\.estimator: 'coars' is not known\. Did you mean 'coarse'\?",
        ),
        ([{"estimator": None, "share": 0.5}, FINE], r"phases\[0\]\.estimator: 'None' is not known"),
        ([COARSE, FINE], r"phases\[0\]: give it a share of the budget, or patience"),
        ([{**COARSE, "share": 0.5, "patience": 2}, FINE], r"phases\[0\]: give it .* not both"),
        (
            [{**COARSE, "share": 0.5}, {**FINE, "share": 0.2}],
            r"phases\[1\]: the last phase takes what is left",
        ),
        ([{**FINE, "patience": 2}], r"phases\[0\]: the last phase takes what is left"),
        ([{**COARSE, "share": 0.5}, {**MIDDLE, "share": 0.5}, FINE], r"phases: shares of 1 leave nothing"),
        (
            [{**COARSE, "share": 0.7}, {**MIDDLE, "share": 0.2}, {**FINE, "share": 0.1}, FINE],
            r"phases: shares of 1 leave nothing",  # 0.7 + 0.2 + 0.1 is below 1 as a float
        ),
        ([{**COARSE, "share": 1.0}, FINE], r"phases\[0\]\.share: must be in \(0, 1\), got 1\.0"),
        ([{**COARSE, "share": 0}, FINE], r"phases\[0\]\.share: must be in \(0, 1\), got 0"),
        ([{**COARSE, "share": "half"}, FINE], r"phases\[0\]\.share: must be in \(0, 1\), got 'half'"),
        ([{**COARSE, "patience": 0}, FINE], r"phases\[0\]\.patience: must be a whole number >= 1, got 0"),
        (
            [{**COARSE, "patience": 1.5}, FINE],
            r"phases\[0\]\.patience: must be a whole number >= 1, got 1\.5",
        ),
        (
            [{**COARSE, "patience": True}, FINE],
            r"phases\[0\]\.patience: must be a whole number >= 1, got True",
        ),
        (
            [{**COARSE, "batchsize": 2, "share": 0.5}, FINE],
            r"phases\[0\]\.batchsize: 'batchsize' is not known\. Did you mean 'batch_size'\?",
        ),
        ([{**COARSE, "share": 0.5}, {**FINE, "batch_size": 0}], r"phases\[1\]\.batch_size: must be >= 1"),
        (
            [{**COARSE, "share": 0.5}, {**FINE, "batch_size": "x"}],
            r"phases\[1\]\.batch_size: expected a whole",
        ),
        ([{**COARSE, "level": 3, "share": 0.5}, FINE], r"^sampling\.phases\[0\]\.level: 3 does not exist"),
        (
            [{**COARSE, "share": 0.5}, {"estimator": "mlmc", "batch_size": 40}],
            r"^sampling\.phases\[1\]: level 0 .* would get 160 samples",
        ),
        (
            [{**COARSE, "share": 0.5}, {"estimator": "curriculum", "phases": [FINE]}],
            r"phases\[1\]\.estimator: a phase can't be a curriculum",
        ),
    ],
)
def test_refusals_name_the_phase(phases, message):
    with pytest.raises(InputError, match=message):
        build(*phases)
