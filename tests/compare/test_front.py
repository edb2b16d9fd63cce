"""The front and its area against brute force, and runs on it by the public API."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from compare_support import make_run
from hypothesis import example, given
from hypothesis import strategies as st

import nolab
from nolab.compare.front import hypervolume, pareto_mask
from nolab.compare.records import read_runs
from nolab.errors import InputError

# A few whole numbers make ties and duplicates common.
coordinate = st.one_of(
    st.integers(-1, 4).map(float),
    st.floats(0, 10, allow_subnormal=False),
    st.sampled_from([np.nan, np.inf, -np.inf]),
)
clouds = st.lists(st.tuples(coordinate, coordinate), max_size=25).map(
    lambda pairs: np.array(pairs, dtype=float).reshape(-1, 2)
)
corners = st.tuples(st.floats(0, 10), st.floats(0, 10))


def brute_mask(points):
    finite = np.isfinite(points).all(axis=1)
    rivals = points[finite]
    return np.array(
        [
            ok and not any((other <= point).all() and (other < point).any() for other in rivals)
            for point, ok in zip(points, finite, strict=True)
        ],
        dtype=bool,
    )


def brute_hypervolume(points, reference):
    """Sum of the cells, between sorted coordinates, of which the lower left corner is dominated."""
    points = points[np.isfinite(points).all(axis=1)]
    xs, ys = (np.unique([*points[:, i][points[:, i] < reference[i]], reference[i]]) for i in (0, 1))
    return sum(
        (right - left) * (top - bottom)
        for left, right in pairwise(xs)
        for bottom, top in pairwise(ys)
        if ((points[:, 0] <= left) & (points[:, 1] <= bottom)).any()
    )


@given(clouds)
@example(np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0], [2.0, 2.0], [0.0, np.nan], [-np.inf, 0.0]]))
def test_the_mask_is_that_of_all_pairs(points):
    mask = pareto_mask(points)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, brute_mask(points))


@given(clouds, corners)
@example(np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [0.0, 9.0]]), (4.0, 4.0))
def test_the_area_is_that_of_all_cells(points, reference):
    assert hypervolume(points, reference) == pytest.approx(brute_hypervolume(points, reference), abs=1e-9)


@given(clouds, corners)
def test_points_off_the_front_add_no_area(points, reference):
    assert hypervolume(points[pareto_mask(points)], reference) == hypervolume(points, reference)


def test_by_hand():
    points = np.array([[1, 3], [2, 1], [2, 2], [3, 3], [1, 3], [np.inf, 0], [5, np.nan]])
    assert pareto_mask(points).tolist() == [True, True, False, False, True, False, False]
    assert hypervolume(points, (4, 4)) == 1 * 1 + 2 * 3
    assert hypervolume(points, (2, 4)) == 1
    assert hypervolume(points, (1, 1)) == 0


def test_none_and_one():
    assert pareto_mask(np.empty((0, 2))).tolist() == []
    assert hypervolume(np.empty((0, 2)), (1, 1)) == 0
    assert pareto_mask(np.array([[3.0, 4.0]])).tolist() == [True]
    assert pareto_mask(np.array([[3.0, np.nan]])).tolist() == [False]
    assert hypervolume(np.array([[3.0, 4.0]]), (5, 6)) == 4


def test_many_points_take_no_quadratic_time():
    # All pairs of these would need a hundred gigabytes, or minutes.
    points = np.random.default_rng(0).random((300_000, 2))
    mask = pareto_mask(points)
    assert 1 < mask.sum() < 100


@pytest.fixture
def three(tmp_path):
    """Paths: a cheap run, a good one, and one that is worse than both; further one that diverged."""
    return [
        make_run(tmp_path / "good", error=0.01, seconds=90.0),
        make_run(tmp_path / "bad", error=0.2, seconds=95.0),
        make_run(tmp_path / "cheap", error=0.1, seconds=10.0),
        make_run(tmp_path / "diverged", error=None, seconds=1.0),
    ]


def test_the_public_front_gives_the_items_back_cheapest_first(three, tmp_path):
    good, _, cheap, _ = three
    assert nolab.pareto_front(three) == [cheap, good]
    assert nolab.pareto_front(map(str, three)) == [str(cheap), str(good)]
    opened = [SimpleNamespace(path=path) for path in three]  # as nolab.Run is
    assert nolab.pareto_front(opened) == [opened[2], opened[0]]
    records = read_runs([tmp_path]).runs
    assert [record.name for record in nolab.pareto_front(records)] == ["cheap", "good"]
    assert nolab.pareto_front(three, x="cost/steps") == [good]


def test_an_unfinished_run_is_not_on_the_front(three, tmp_path):
    begun = make_run(tmp_path / "begun", error=0.001, seconds=1.0, finished=False)
    assert nolab.pareto_front([begun, *three[:1]]) == three[:1]


def test_the_public_front_refuses_what_it_can_not_compare(three, tmp_path):
    with pytest.raises(InputError, match="a folder of runs"):
        nolab.pareto_front([tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        nolab.pareto_front([tmp_path / "missing"])
    with pytest.raises(InputError, match="Did you mean 'cost/train_s'"):
        nolab.pareto_front(three, x="cost/train")
    with pytest.raises(InputError, match="none of the 0"):
        nolab.pareto_front([])
