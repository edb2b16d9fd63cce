"""The search for neighbours, against brute force."""

import numpy as np
import pytest
from mesh_support import mesh_level

from nolab.data.neighbours import far_places, farthest_points, find_neighbours
from nolab.errors import InputError
from nolab.mesh import MeshSize
from nolab.neighbourhood import Neighbourhood

LEVEL = mesh_level(0, 4, MeshSize(30, 80))
COUNTS = (LEVEL.weights > 0).sum(axis=1)
NUMBERS = np.arange(4)


def search(wanted: Neighbourhood, numbers: np.ndarray = NUMBERS) -> np.ndarray:
    return find_neighbours(LEVEL.coords, LEVEL.weights, wanted, numbers)


def distances(sample: int, to: np.ndarray | None = None) -> np.ndarray:
    points = LEVEL.coords[sample, : COUNTS[sample]].astype(float)
    others = points if to is None else to
    return np.linalg.norm(points[:, None] - others[None], axis=-1)


def test_there_are_samples_of_different_size() -> None:
    assert len(set(COUNTS)) > 1


def test_all_within_the_radius_and_no_others() -> None:
    table = search(Neighbourhood(0.4, 30))
    assert table.shape == (4, 30, 30)
    for sample, count in enumerate(COUNTS):
        near = distances(sample) <= 0.4
        assert near.sum(axis=1).max() > near.sum(axis=1).min() > 1
        for row in range(30):
            found = table[sample, row][table[sample, row] >= 0]
            expected = np.flatnonzero(near[row]) if row < count else []
            assert found.tolist() == list(expected)


def test_of_too_many_a_random_subset_stays_the_same_every_time() -> None:
    table = search(Neighbourhood(0.6, 5))
    again = search(Neighbourhood(0.6, 5))
    np.testing.assert_array_equal(table, again)
    for sample, count in enumerate(COUNTS):
        near = distances(sample) <= 0.6
        for row in range(count):
            found = table[sample, row][table[sample, row] >= 0]
            assert len(found) == len(set(found)) == min(5, near[row].sum())
            assert near[row][found].all()
    other = search(Neighbourhood(0.6, 5), NUMBERS + 10)
    assert (other != table).any()


def test_every_neighbour_is_as_likely_to_stay() -> None:
    coords, weights = np.random.default_rng(1).random((1, 12, 2)), np.full((1, 12), 1 / 12)
    seen = np.zeros(12)
    for number in range(600):
        table = find_neighbours(coords, weights, Neighbourhood(5.0, 4), np.array([number]))
        seen += np.bincount(table[0, 0], minlength=12)
    assert abs(seen / 600 - 1 / 3).max() < 0.09


def test_the_nearest() -> None:
    table = search(Neighbourhood(None, 6))
    for sample, count in enumerate(COUNTS):
        expected = np.argsort(distances(sample), axis=1)[:, :6]
        np.testing.assert_array_equal(table[sample, :count], expected)
        assert (table[sample, count:] == -1).all()


def test_nearest_of_fewer_points_than_asked_for() -> None:
    table = search(Neighbourhood(None, 40))
    for sample, count in enumerate(COUNTS):
        assert ((table[sample, :count] >= 0).sum(axis=1) == count).all()


def test_farthest_points_are_greedy_and_begin_alike() -> None:
    points = np.random.default_rng(2).random((40, 3))
    chosen = farthest_points(points, 10)
    assert chosen[0] == np.linalg.norm(points - points.mean(axis=0), axis=1).argmax()
    for i in range(1, 10):
        gaps = np.linalg.norm(points[:, None] - points[chosen[:i]][None], axis=-1).min(axis=1)
        assert gaps[chosen[i]] == pytest.approx(gaps.max())
    np.testing.assert_array_equal(farthest_points(points, 5), chosen[:5])


def test_more_centres_than_points_come_again() -> None:
    chosen = farthest_points(np.random.default_rng(2).random((3, 2)), 8)
    assert chosen.tolist() == [*chosen[:3], *chosen[:3], *chosen[:2]]


@pytest.mark.parametrize("given", [(0.0, 4), (-1.0, 4), (float("inf"), 4), (0.1, 0)])
def test_bad_neighbourhoods(given: tuple) -> None:
    with pytest.raises(InputError):
        Neighbourhood(*given)


def test_neighbours_of_centres_anywhere() -> None:
    centres = np.random.default_rng(5).random((4, 6, 2))
    table = find_neighbours(LEVEL.coords, LEVEL.weights, Neighbourhood(0.4, 30, centres=6), NUMBERS, centres)
    assert table.shape == (4, 6, 30)
    for sample in range(4):
        near = distances(sample, centres[sample]) <= 0.4
        for row in range(6):
            found = table[sample, row][table[sample, row] >= 0]
            assert found.tolist() == np.flatnonzero(near[:, row]).tolist()


def test_far_places_are_those_of_the_samples_own_points() -> None:
    places = far_places(LEVEL.coords, LEVEL.weights, 5)
    for sample, count in enumerate(COUNTS):
        points = LEVEL.coords[sample, :count].astype(float)
        np.testing.assert_array_equal(places[sample], points[farthest_points(points, 5)].astype(np.float32))
