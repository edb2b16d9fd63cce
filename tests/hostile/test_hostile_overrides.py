"""Overrides made up by the thousand: exit code 0 or 2, one message, no traceback, no hang."""

import json
import os
import subprocess
import sys
from pathlib import Path

import override_support
import pytest
from override_support import BASES


def _found(cases: int, seed: int, folder: Path, seconds: float) -> list[dict]:
    """Cases that broke the law, in a process of its own whose memory is limited."""
    done = subprocess.run(
        [sys.executable, override_support.__file__, str(cases), str(seed)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    *found, last = map(json.loads, done.stdout.splitlines())
    assert last["tried"] >= cases
    written = [path.name for path in folder.iterdir() if path.name != ".hypothesis"]
    assert written == []
    return found


def test_wrong_overrides_are_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nolab.commands.train._train", override_support.prepared)
    outcomes = override_support.found(12, 0, BASES[:2])
    assert len(outcomes) >= 12
    assert [case for case in outcomes if case[1] is not None] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_wrong_overrides_are_refused_in_words(tmp_path, seed):
    assert _found(1000, seed, tmp_path, 3000) == []


ABSURD = [
    ("model.hidden_channels=1000000", "there is room for"),
    ("model.n_modes=9223372036854775808", "at most 1048576"),
    ("model.n_layers=1000000000000", "at most 1024"),
    ("model.n_modes=1000000", "there is room for"),
    ("hierarchy.levels=[100000000]", "finer than the data"),
    ("dataset.resolution=1000000000", "from 3 to 8193"),
    ("dataset.n_train=1000000000000", "the disk of data_dir"),
    ("delta=1e308", "is no count"),
    ("sampling.batch_size=1e308", "is no count"),
    ("seed=1e30", "below 2**63"),
    ("optimizer.lr=" + "9" * 400, "at most 300 digits"),
    ("dataset.n_train=" + "9" * 400, "at most 300 digits"),
    ("neval=" + "9" * 400, "must be a whole number"),
    ("budget=0", "Config group override must be a string"),
    ("seed=" + "9" * 5000, "5000 digits"),
]


_ALWAYS = ("model.hidden_channels=1000000", "dataset.n_train=1000000000000", "delta=1e308", "budget=0")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        pytest.param(*case, id=case[0][:40], marks=[] if case[0] in _ALWAYS else pytest.mark.slow)
        for case in ABSURD
    ],
)
def test_absurd_sizes_are_refused_by_what_they_need(refused, override, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    message = refused("info", "device=cpu", "tracking=none", override)
    assert said in message
    assert len(message) < 4200
