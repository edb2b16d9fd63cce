"""One GPU per process: locks that end with the process."""

import os
import subprocess
import sys

import pytest

from nolab.sweeps.gpus import take_gpu

TAKE = """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from nolab.sweeps.gpus import take_gpu
print(take_gpu(int(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def take(tmp_path):
    """Begin a process that takes one of `count` GPUs and holds it; returns (lines it printed, process)."""
    processes = []

    def begin(count: int, lines: int = 1, **env: str):
        process = subprocess.Popen(
            [sys.executable, "-c", TAKE, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path), **env},
        )
        processes.append(process)
        return [process.stdout.readline().strip() for _ in range(lines)], process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_each_process_has_a_gpu_of_its_own_while_there_are_any(take):
    taken = [take(3) for _ in range(3)]
    assert [lines for lines, _ in taken] == [["0"], ["1"], ["2"]]
    (warning, index), _ = take(3, lines=2)
    assert index == "0"
    assert "more jobs at once than GPUs" in warning
    assert "hydra.launcher.n_jobs=3" in warning
    taken[1][1].kill()
    taken[1][1].wait()
    assert take(3)[0] == ["1"]


def test_locks_are_those_of_the_cards_that_a_process_sees(take, tmp_path):
    assert take(2, CUDA_VISIBLE_DEVICES="2,3")[0] == ["0"]  # card 2
    assert take(2, CUDA_VISIBLE_DEVICES="3,2")[0] == ["0"]  # card 3
    assert take(2, CUDA_VISIBLE_DEVICES="2, 5")[0] == ["1"]  # card 5
    assert take(1, CUDA_VISIBLE_DEVICES="GPU-8932f937, GPU-0a")[0] == ["0"]
    assert take(2, CUDA_VISIBLE_DEVICES="GPU-8932f937,GPU-0a")[0] == ["1"]
    assert take(1, CUDA_VISIBLE_DEVICES="MIG-GPU-e3ed/2/0")[0] == ["0"]
    names = {file.name.removeprefix(f"nolab-gpu-{os.getuid()}-") for file in tmp_path.iterdir()}
    assert names == {f"{card}.lock" for card in ("2", "3", "5", "GPU-8932f937", "GPU-0a", "MIG-GPU-e3ed-2-0")}


def test_a_process_alone_takes_the_first(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nolab.sweeps.gpus._held", held := [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert take_gpu(2) == 0
    assert held[0].is_locked
    held[0].release()
