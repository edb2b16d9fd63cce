"""SIGKILL before any change of a file: the next command goes on, and ends with the bits of an undisturbed run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def killed(tmp_path, *changes):
    """What kills_support.py says of a kill before each of these changes."""
    folders = map(str, (HERE, HERE.parent, HERE.parents[1]))
    done = subprocess.run(
        [sys.executable, str(HERE / "kills_support.py"), str(tmp_path), *changes],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_kills_while_data_are_made_and_while_checkpoints_change_places(tmp_path):
    rows = killed(tmp_path, "rename test-00000000.tmp", "rename .last.pt.tmp")["rows"]
    assert [(row["killed"], row["same"]) for row in rows] == [(True, [True] * 4)] * 2
    assert [row["commands"] for row in rows] == [2, 2]


@pytest.mark.slow
def test_a_kill_before_every_single_change(tmp_path):
    said = killed(tmp_path, "all")
    changes = " ".join(said["changes"])
    for name in (
        ".lock",
        "config.yaml",
        "metrics.jsonl",
        "best.pt",
        "link last.pt",
        "summary.json",
        "rmdir",
        ".h5",
    ):
        assert name in changes
    assert len(said["rows"]) == len(said["changes"]) > 60
    wrong = [row for row in said["rows"] if not row["killed"] or not all(row["same"])]
    assert not wrong
