"""Tables of neighbours are searched once per data set."""

from pathlib import Path

import numpy as np
import pytest
from mesh_support import ROOMS, scattered_source
from test_scattered_store import META, written

from nolab.data import tables
from nolab.data.neighbours import far_places, find_neighbours
from nolab.data.store import Store
from nolab.data.tables import find_tables
from nolab.neighbourhood import Neighbourhood

WANTED = Neighbourhood(0.5, 8, centres=4)
SHAPE = (ROOMS[1].points,)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(written(tmp_path / "a.h5"))


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list:
    calls = []

    def counted(*args):
        calls.append(args)
        return find_neighbours(*args)

    monkeypatch.setattr(tables, "find_neighbours", counted)
    monkeypatch.setattr(tables, "_BLOCK", 2)
    return calls


def same(a: tables.Tables, b: tables.Tables) -> bool:
    return all((x is None and y is None) or (x == y).all() for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("wanted", [WANTED, Neighbourhood(None, 4), Neighbourhood(0.3, 20)])
def test_blocks_give_what_one_search_gives_and_it_is_kept(store, searches, wanted) -> None:
    found = find_tables(store, "train", SHAPE, "subsample", wanted)
    assert len(searches) == 3
    fields = store.read("train", SHAPE)
    centres = far_places(fields.coords, fields.weights, 4) if wanted.centres else None
    table = find_neighbours(fields.coords, fields.weights, wanted, np.arange(5), centres)
    most = (table >= 0).sum(axis=2).max()
    assert same(found, tables.Tables(table[:, :, :most], centres))
    assert (table[:, :, most:] == -1).all()
    assert same(find_tables(store, "train", SHAPE, "subsample", wanted), found)
    assert len(searches) == 3


@pytest.mark.parametrize(
    "other",
    [
        ("test", SHAPE, "subsample", WANTED),
        ("train", (ROOMS[2].points,), "subsample", WANTED),
        ("train", SHAPE, "farthest", WANTED),
        ("train", SHAPE, "subsample", Neighbourhood(0.4, 8, centres=4)),
    ],
)
def test_other_tables_are_searched_for(store, searches, other) -> None:
    find_tables(store, "train", SHAPE, "subsample", WANTED)
    before = len(searches)
    find_tables(store, *other)
    assert len(searches) > before


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _out_of_range(file: Path) -> None:
    table = np.load(file)
    table.flat[0] = 24 if table.dtype == np.int32 else np.nan
    np.save(file, table)


def _other_size(file: Path) -> None:
    np.save(file, np.load(file)[:-1])


def _other_type(file: Path) -> None:
    np.save(file, np.load(file).astype(float))


def _pickled(file: Path) -> None:
    np.save(file, np.array([object()]), allow_pickle=True)


@pytest.mark.parametrize("damage", [_cut, _out_of_range, _other_size, _other_type, _pickled, Path.unlink])
def test_damaged_tables_are_searched_anew(store, searches, damage) -> None:
    found = find_tables(store, "train", SHAPE, "subsample", WANTED)
    for file in store.neighbours_folder.iterdir():
        damage(file)
        assert same(find_tables(store, "train", SHAPE, "subsample", WANTED), found)
    assert len(searches) == 9
    assert len(list(store.neighbours_folder.iterdir())) == 2


def test_without_a_place_they_are_searched_every_time(searches) -> None:
    for calls in (3, 6):
        find_tables(scattered_source(), "train", SHAPE, "subsample", WANTED)
        assert len(searches) == calls


def test_a_folder_that_cannot_be_written_is_no_failure(store, searches) -> None:
    store.neighbours_folder.write_text("in the way")
    assert find_tables(store, "train", SHAPE, "subsample", WANTED).neighbours.shape == (5, 4, 8)


def test_none_wanted() -> None:
    assert find_tables(scattered_source(), "train", SHAPE, "subsample", None) is None


def test_rows(store) -> None:
    found = find_tables(store, "train", SHAPE, "subsample", WANTED)
    some = found.rows(np.array([0, 3]))
    assert (some.neighbours == found.neighbours[[0, 3]]).all()
    assert (some.centres == found.centres[[0, 3]]).all()
    assert META.counts["train"] == len(found.neighbours)


def test_all_levels_have_the_coarsest_levels_centres(store) -> None:
    coarsest, finest = SHAPE, (ROOMS[2].points,)
    below = find_tables(store, "train", coarsest, "subsample", WANTED, coarsest)
    above = find_tables(store, "train", finest, "subsample", WANTED, coarsest)
    own = find_tables(store, "train", finest, "subsample", WANTED)
    assert same(find_tables(store, "train", coarsest, "subsample", WANTED), below)
    assert (above.centres == below.centres).all()
    assert (above.centres != own.centres).any()
    fields = store.read("train", finest)
    expected = find_neighbours(fields.coords, fields.weights, WANTED, np.arange(5), below.centres)
    assert same(above, tables.Tables(expected[:, :, : above.neighbours.shape[2]], below.centres))
