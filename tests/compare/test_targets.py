"""Cost to a target, by examples worked out by hand."""

import json
from math import inf, isnan, nan

import pytest
from compare_support import make_run

from nolab.compare.groups import group_runs
from nolab.compare.records import read_runs
from nolab.compare.spread import Spread
from nolab.compare.targets import curve, error_at, first_cost, measure, no_curves

X, Y = "cost/train_s", "final/rel_l2"


def test_the_first_point_that_is_good_enough_counts():
    points = [(1.0, 0.5), (2.0, 0.2), (3.0, 0.3), (4.0, nan), (5.0, 0.1)]
    assert [first_cost(points, e) for e in (0.5, 0.4, 0.2, 0.1, 0.05)] == [1.0, 2.0, 2.0, 5.0, inf]
    assert first_cost([], 1.0) == inf


def test_the_error_at_a_cost_is_that_of_the_last_point_before():
    points = [(1.0, 0.5), (2.0, 0.2), (2.0, 0.3), (4.0, nan)]
    assert [error_at(points, c) for c in (0.5, 1.0, 1.9, 2.0, 3.9, 4.0)] == [inf, 0.5, 0.5, 0.3, 0.3, inf]


def with_curve(folder, overrides, points, end):
    """A run with the evaluations and the end (seconds, error) that are given."""
    run = make_run(folder, overrides, error=end[1], seconds=end[0])
    lines = [
        json.dumps({X: x, "cost/samples/33x33": 10 * x, "cost/samples/65x65": x, "eval/rel_l2": y})
        for x, y in points
    ]
    (run / "metrics.jsonl").write_text("\n".join(["{}", *lines, '{"cost/train_s": 1, "eval/rel_']) + "\n")


@pytest.fixture
def groups(tmp_path):
    """fine: two runs that end at 100 s; mlmc: twice as quick to the same error, and one of two stops early."""
    with_curve(tmp_path / "f0", ["sampling=fine", "seed=0"], [(50, 0.2), (100, 0.1)], (100.0, 0.1))
    with_curve(tmp_path / "f1", ["sampling=fine", "seed=1"], [(50, 0.3), (100, 0.12)], (100.0, 0.12))
    with_curve(
        tmp_path / "m0", ["sampling=mlmc", "seed=0"], [(20, 0.2), (50, 0.08), (150, 0.02)], (150.0, 0.02)
    )
    with_curve(tmp_path / "m1", ["sampling=mlmc", "seed=1"], [(20, 0.3), (50, 0.16)], (60.0, 0.12))
    with_curve(tmp_path / "x0", ["sampling=mixed", "seed=0"], [(120, 0.15)], (240.0, 0.15))
    return group_runs(read_runs([tmp_path]).runs, ["sampling"], X, Y)


def measured(groups, *errors, baseline="fine"):
    by = {group.label: group for group in groups}
    curves = [[curve(run, X, Y) for run in group.runs] for group in groups]
    found = measure(groups, curves, by.get(baseline), errors)
    labels = [group.label for group in groups]
    return (
        found,
        dict(zip(labels, found.reached, strict=True)),
        dict(zip(labels, found.against, strict=False)),
    )


def test_costs_to_targets(groups):
    found, reached, _ = measured(groups)
    # Of two final errors, 0.1 and 0.12, the higher one: the baseline reaches it with both.
    assert found.errors == pytest.approx((0.12, 0.18, 0.24))
    assert [cell.cost.median for cell in reached["fine"]] == [100.0, 100.0, 75.0]
    assert [cell.count for cell in reached["fine"]] == [2, 2, 2]
    assert [cell.cost.median for cell in reached["mlmc"]] == [55.0, 50.0, 35.0]
    assert reached["mlmc"][0].cost == Spread(52.5, 55.0, 57.5)  # 50 and, at its end, 60
    assert [(cell.cost.median, cell.count) for cell in reached["mixed"]] == [(inf, 0), (120.0, 1), (120.0, 1)]


def test_against_the_baseline(groups):
    found, _, against = measured(groups)
    assert (found.equal_error, found.equal_cost) == (0.12, 100.0)
    assert vars(against["fine"]) == pytest.approx({"speed_up": 1.0, "error": 0.11, "ratio": 1.0})
    # At 100 s: 0.08 since its evaluation at 50 s, and the final 0.12 of the run that ended at 60 s.
    assert vars(against["mlmc"]) == pytest.approx({"speed_up": 100 / 55, "error": 0.10, "ratio": 0.10 / 0.11})
    assert against["mixed"].error == inf  # nothing evaluated yet
    assert isnan(against["mixed"].speed_up)
    assert isnan(against["mixed"].ratio)


def test_asked_for_targets_need_no_baseline(groups):
    found, reached, against = measured(groups, 0.25, 0.01, baseline=None)
    assert found.errors == (0.25, 0.01)
    assert [cell.cost.median for cell in reached["mlmc"]] == [35.0, inf]
    assert against == {}


def test_a_run_that_overran_its_equal_budget_by_a_step_counts_with_its_end(tmp_path):
    for name, end in (("fine", 100.0), ("mlmc", 101.0)):
        with_curve(tmp_path / name, [f"sampling={name}"], [(50, 0.5), (end, 0.1)], (end, 0.1))
    groups = group_runs(read_runs([tmp_path]).runs, ["sampling"], X, Y)
    _, _, against = measured(groups)
    assert against["mlmc"].ratio == 1.0


def test_a_curve_over_samples_adds_the_levels_up(groups):
    (run,) = (run for group in groups for run in group.runs if run.name == "x0")
    assert curve(run, "cost/samples", Y) == [(1320.0, 0.15), (16000.0 + 4000.0 + 1000.0, 0.15)]


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (X, Y, None),
        ("cost/samples", "final/rel_l2/33x33", None),
        ("cost/peak_mem_gib", Y, "adds up"),
        ("final/h1", Y, "adds up"),
        (X, "best/rel_l2", "only final"),
    ],
)
def test_where_curves_tell_no_cost(x, y, reason):
    found = no_curves(x, y)
    assert found is None if reason is None else reason in found
