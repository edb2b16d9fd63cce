"""Run directories are unique and their files are written whole."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from nolab.errors import InputError
from nolab.tracking.run_directory import create_run_directory, finite, write_json


def test_many_runs_in_one_second_never_share_a_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: create_run_directory(tmp_path, "train"), range(64)))
    assert len(set(paths)) == 64
    assert all(path.is_dir() and path.parent == tmp_path / "train" for path in paths)


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output_dir: can't make"):
        create_run_directory(tmp_path / "file", "train")


def test_json_knows_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": [float("inf"), 1.5], "z": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": None, "y": [None, 1.5], "z": None}
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]
    assert finite(2) == 2
