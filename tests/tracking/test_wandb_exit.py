"""A process whose W&B is killed or hangs ends well and in time: the real library, offline."""

import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import os, signal, sys
from functools import partial
number, *arguments = sys.argv[1:]
from nolab.cli import main
from nolab.tracking.wandb_sink import WandbSink
from nolab.training import execution
from nolab.training.trainer import Trainer

execution.WandbSink = partial(WandbSink, patience=3.0)
execution.draw_pictures = lambda *_: None
original = Trainer._step

def step(self, share):
    original(self, share)
    if self.progress.step == 2:
        import wandb
        process = wandb.setup()._connection._proc._process
        print("process", process.pid)
        os.kill(process.pid, int(number))

Trainer._step = step
sys.exit(main(["train", *arguments]))
"""

ACCOUNT = {"WANDB_API_KEY": "", "NETRC": "/nonexistent", "HOME": "/nonexistent", "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_process_ends_in_time_and_without_a_traceback(tiny, tmp_path, number):
    output, errors = (tmp_path / name for name in ("output", "errors"))
    start = time.monotonic()
    with (
        output.open("w") as stdout,
        errors.open("w") as stderr,
    ):  # no pipes: W&B's process would hold them open
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(int(number)), *tiny("tracking=wandb")],
            cwd=tmp_path,
            env={**os.environ, **ACCOUNT},
            stdout=stdout,
            stderr=stderr,
            timeout=120,
        )
    seconds = time.monotonic() - start
    if number == signal.SIGSTOP:
        pid = int(output.read_text().partition("process ")[2].split()[0])
        os.kill(pid, signal.SIGKILL)  # it can't see that its parent has gone
    said = errors.read_text()
    assert done.returncode == 0, said
    assert seconds < 60
    assert "Traceback" not in said
    assert "Exception" not in said
    assert said.count("W&B") == 1
    (run_dir,) = (tmp_path / "outputs" / "train").iterdir()
    assert (run_dir / "summary.json").is_file()
    assert len((run_dir / "metrics.jsonl").read_text().splitlines()) == 6
