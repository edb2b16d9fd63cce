"""SIGKILL at random and at chosen instants of `nolab train`: does the user's next command end with the same bits?

    python scripts/check_kills.py --kills 20

Runs of their own, data included, are killed twice each and then finished: `nolab train resume=RUN` where there is
a run directory with a config, the same command again where there is none. Half of the kills fall at an instant
drawn uniformly over an undisturbed run, the others as soon as a file appears that is written then.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _measuring import write_result

RUN = (
    *(
        "dataset.n_train=160",
        "dataset.n_test=16",
        "dataset.resolution=33",
        "dataset.finest=33",
        "hierarchy=two",
    ),
    *(
        "model.n_modes=8",
        "model.hidden_channels=16",
        "model.n_layers=2",
        "sampling.batch_size=2",
        "device=cpu",
    ),
    *("budget.steps=150", "evaluation.times=6", "evaluation.checkpoint_seconds=0.2", "optimizer.ema=0.99"),
    *("tracking=none", "data_dir=data", "output_dir=outputs"),
)
APPEARING = (
    "data/*/*.partial",
    "data/*/*.h5.tmp",
    "outputs/*/*/*/.last.pt.tmp",
    "outputs/*/*/*/.best.pt.tmp",
)
CLOCKS = ("clock", "energy", "batch_costs")
KILLS_PER_RUN = 2


def command(folder: Path) -> list[str] | None:
    """The user's next command; None if the run is finished."""
    if list(folder.glob("outputs/*/*/summary.json")):
        return None
    configs = sorted(folder.glob("outputs/*/*/config.yaml"))
    arguments = [f"resume={configs[-1].parent.relative_to(folder)}"] if configs else RUN
    return [sys.executable, "-m", "nolab", "train", *arguments]


def start(folder: Path) -> subprocess.Popen:
    folder.mkdir(parents=True, exist_ok=True)
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    log = (folder / "log.txt").open("ab")
    return subprocess.Popen(command(folder), cwd=folder, env=environment, stdout=log, stderr=log)


def finish(folder: Path) -> int:
    """Run the next command until the run is finished; returns how many it took."""
    commands = 0
    while command(folder) is not None:
        commands += 1
        if start(folder).wait() != 0 or commands > 2:
            raise SystemExit(f"not finished after a kill, see {folder / 'log.txt'}")
    return commands


def killed(folder: Path, instant: float, wanted: str | None) -> str | None:
    """Kill the next command at an instant, or earlier where a file of that name appears; returns the phase."""
    process, began = start(folder), time.monotonic()
    while process.poll() is None:
        appeared = wanted is not None and any(folder.glob(wanted))
        if appeared or (wanted is None and time.monotonic() - began >= instant):
            process.send_signal(signal.SIGKILL)
            return phase(folder) if process.wait() == -signal.SIGKILL else None
        time.sleep(0.0005)
    return None


def phase(folder: Path) -> str:
    """What a killed process was about, by what it left."""
    if list(folder.glob("outputs/*/*/*/.*.tmp")) or list(folder.glob("outputs/*/*/.*.tmp")):
        return "writing a checkpoint or another file of the run"
    if list(folder.glob("outputs/*/*/*/last.pt")):
        return "after a checkpoint: steps, evaluations, summary, or imports of a resume"
    if list(folder.glob("outputs/*/*/config.yaml")):
        return "before the first checkpoint"
    if list(folder.glob("data/*/*.h5.tmp")):
        return "putting the store together"
    if list(folder.glob("data/*/*.partial")):
        return "generation"
    return "loading the data" if list(folder.glob("data/*/*.h5")) else "imports"


def outcome(folder: Path) -> tuple[dict[str, Any], bytes]:
    (summary,) = folder.glob("outputs/*/*/summary.json")
    (store,) = folder.glob("data/*/*.h5")
    state = torch.load(summary.parent / "checkpoints" / "last.pt", weights_only=True)
    return {key: value for key, value in state.items() if key not in CLOCKS}, store.read_bytes()


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if torch.is_tensor(a) else a == b


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, targets = np.random.default_rng(options.seed), cycle(APPEARING)
    folder = Path(tempfile.mkdtemp(prefix="nolab-kills-"))
    began = time.monotonic()
    finish(folder / "whole")
    duration = time.monotonic() - began
    expected, store = outcome(folder / "whole")
    phases, resumes, equal, runs, missed = Counter(), 0, 0, 0, 0
    while phases.total() < options.kills:
        run = folder / str(runs)
        for kill in range(KILLS_PER_RUN):
            if run.exists() and command(run) is None:
                break
            wanted = next(targets) if (runs + kill) % 2 == 0 else None
            seen = killed(run, float(rng.uniform(0, duration)), wanted)
            phases.update([] if seen is None else [seen])
            missed += seen is None
        resumes += finish(run)
        state, data = outcome(run)
        equal += same(state, expected) and data == store
        runs += 1
        print(f"run {runs}: {phases.total()} kills, {equal} of {runs} equal", flush=True)
    result = {
        "seconds_undisturbed": duration,
        "kills": phases.total(),
        "kills_by_phase": dict(phases),
        "ended_before_its_kill": missed,
        "runs": runs,
        "commands_after_the_last_kill": resumes,
        "runs_with_equal_bits": equal,
    }
    print(write_result("check_kills", result))
    shutil.rmtree(folder)
    if equal < runs:
        raise SystemExit("a run that was killed ended with other bits")


if __name__ == "__main__":
    main()
