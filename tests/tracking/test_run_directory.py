"""Run directories are unique and their files are written whole."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from nolab.errors import InputError
from nolab.tracking.run_directory import create_run_directory, finite, write_json


def test_many_runs_in_one_second_never_share_a_folder(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: create_run_directory(tmp_path, "train"), range(64)))
    assert len(set(paths)) == 64
    assert all(path.is_dir() and path.parent == tmp_path / "train" for path in paths)


def test_not_even_processes_that_draw_the_same_number(tmp_path):
    """Four processes at once, one second, and 64 names for 48 folders."""
    program = (
        "import random, sys\n"
        "from pathlib import Path\n"
        "from nolab.tracking import run_directory as folder\n"
        "folder.new_id = lambda: f'20300101-000000-{random.randrange(64)}'\n"
        "for _ in range(12): print(folder.create_run_directory(Path(sys.argv[1]), 'train'))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    paths = [line for process in running for line in process.communicate(timeout=60)[0].splitlines()]
    assert len(paths) == len(set(paths)) == 48


def test_a_folder_that_can_not_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="output_dir: can't make"):
        create_run_directory(tmp_path / "file", "train")


def test_json_knows_no_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": float("nan"), "y": [float("inf"), 1.5], "z": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": None, "y": [None, 1.5], "z": None}
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]
    assert finite(2) == 2
