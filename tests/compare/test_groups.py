"""Groups of runs: seeds aggregated, failures counted, labels that read."""

from math import inf

import numpy as np
import pytest
from compare_support import make_run
from hypothesis import given
from hypothesis import strategies as st

from nolab.compare.groups import group_runs, remarks
from nolab.compare.records import read_runs
from nolab.compare.spread import Spread

X, Y = "cost/train_s", "final/rel_l2"


@pytest.fixture
def grouped(tmp_path):
    """Make runs of (overrides, error) and group them by keys."""

    def group(runs, *keys):
        for i, (overrides, error) in enumerate(runs):
            make_run(tmp_path / f"run{i:02}", overrides, error=error, seconds=10.0 + i)
        return group_runs(read_runs([tmp_path]).runs, keys, X, Y)

    return group


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_quartiles_are_numpys(values):
    expected = np.percentile(values, [25, 50, 75])
    spread = Spread.of(values)
    np.testing.assert_allclose([spread.low, spread.median, spread.high], expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, inf], Spread(inf, inf, inf)),
        ([inf, 2.0, 1.0], Spread(1.5, 2.0, inf)),
        ([1.0, 2.0, 3.0, 4.0, inf], Spread(2.0, 3.0, 4.0)),
        ([inf, inf, inf], Spread(inf, inf, inf)),
        ([7.0], Spread(7.0, 7.0, 7.0)),
    ],
)
def test_a_miss_is_infinity_and_never_nan(values, expected):
    assert Spread.of(values) == expected


def test_seeds_are_aggregated(grouped):
    runs = [
        ([f"sampling={s}", f"seed={k}"], e * (k + 1)) for s, e in (("fine", 1), ("mlmc", 2)) for k in range(3)
    ]
    fine, mlmc = grouped(runs, "sampling")
    assert (fine.label, mlmc.label) == ("fine", "mlmc")
    assert (fine.x, fine.y) == (Spread(10.5, 11.0, 11.5), Spread(1.5, 2.0, 2.5))
    assert mlmc.y == Spread(3.0, 4.0, 5.0)
    assert (fine.seeds, fine.missing_seeds, fine.failed) == ((0, 1, 2), (), 0)
    assert remarks([fine, mlmc]) == []


def test_a_group_that_diverged_is_a_miss(grouped):
    runs = [(["sampling=fine", f"seed={k}"], None) for k in range(2)]
    fine, mlmc = grouped(
        [*runs, (["sampling=mlmc", "seed=0"], 0.1), (["sampling=mlmc", "seed=1"], None)], "sampling"
    )
    assert fine.y == mlmc.y == Spread(inf, inf, inf)
    assert (fine.failed, mlmc.failed) == (2, 1)
    assert fine.x.median == 10.5  # what it cost is known
    assert not fine.drawable
    assert remarks([fine, mlmc]) == [
        "fine: 2 of 2 runs without a finite result",
        "mlmc: 1 of 2 runs without a finite result",
    ]


def test_seeds_that_are_missing_or_twice_are_named(grouped):
    runs = [(["sampling=fine", f"seed={k}"], 0.1) for k in (0, 1, 2)]
    fine, mlmc = grouped(
        [*runs, (["sampling=mlmc", "seed=1"], 0.1), (["sampling=mlmc", "seed=1"], 0.2)], "sampling"
    )
    assert (mlmc.seeds, mlmc.missing_seeds) == ((1, 1), (0, 2))
    assert mlmc.y.median == pytest.approx(0.15)
    assert remarks([fine, mlmc]) == [
        "mlmc: no run with seed 0, 2, others have it",
        "mlmc: several runs with seed 1, all of them count",
    ]


@pytest.mark.parametrize(
    ("keys", "labels"),
    [
        (["sampling"], ["mlmc"]),
        (["delta"], ["delta=2", "delta=4"]),
        (["neval"], ["neval=16", "neval=null"]),
        (["sampling", "delta"], ["sampling=mlmc delta=2", "sampling=mlmc delta=4"]),
        (["optimizer.lr", "delta"], ["lr=0.005 delta=2", "lr=0.005 delta=4"]),
        (["sampling.delta", "delta"], ["sampling.delta=2 delta=2", "sampling.delta=4 delta=4"]),
        ([], ["all runs"]),
    ],
)
def test_labels(grouped, keys, labels):
    groups = grouped([(["delta=2", "neval=16"], 0.1), (["delta=4"], 0.2)], *keys)
    assert [group.label for group in groups] == labels


def test_null_is_no_word_that_speaks_for_itself(grouped):
    groups = grouped([(["neval=auto"], 0.1), (["neval=null"], 0.2)], "neval")
    assert [group.label for group in groups] == ["neval=auto", "neval=null"]


def test_the_cheapest_group_comes_first(grouped):
    groups = grouped([(["delta=4"], 0.1), (["delta=2"], 0.1), (["delta=8"], 0.1)], "delta")
    assert [group.x.median for group in groups] == [10.0, 11.0, 12.0]
    assert groups[0].settings == {"delta": 4}
