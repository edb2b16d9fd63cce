"""Whether a long run grows: memory, step time and files over 10⁵ steps of a tiny run.

    python scripts/soak.py [--steps 100000]

Nested MLMC on two grids of Darcy flow (9², 17²) with random points per sample and files as the only sink. A
view that the trainer shows its status to samples the resident set and the seconds of training per step. Growth of
memory is the slope of a line through the samples after a tenth of the run; the step time is compared between
the first and the last quarter of what is left, by medians, so that single stalls of the machine do not count.
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from _measuring import write_result

import nolab
from nolab.tracking.progress import ProgressView, Status

OVERRIDES = (
    "dataset.n_train=64",
    "dataset.n_test=8",
    "dataset.resolution=17",
    "dataset.finest=17",
    "hierarchy=two",
    "model.n_modes=4",
    "model.hidden_channels=4",
    "model.n_layers=1",
    "sampling=mlmc",
    "sampling.batch_size=2",
    "neval=16",
    "points.scope=per_sample",
    "tracking=none",
    "device=cpu",
)
WARM_UP = 0.1
"""Share of the run whose samples are left out."""
MIB_PER_10000 = 1.0
"""Growth of memory that is taken for none."""
SLOWER = 1.1
"""Ratio of step times that is taken for none."""


@dataclass(frozen=True)
class Sample:
    """Where a run stands: bytes of the resident set, seconds of training so far."""

    step: int
    rss: int
    seconds: float


class Watch(ProgressView):
    """Progress in a log file, as in any run, and a sample of the process every `every` steps."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every, self.samples = every, []

    def show(self, status: Status, *, force: bool = False) -> None:
        super().show(status, force=force)
        if not self.samples or status.step >= self.samples[-1].step + self._every:
            self.samples.append(Sample(status.step, resident_bytes(), status.train_seconds))


def resident_bytes() -> int:
    """The process's resident set."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def growth(samples: list[Sample]) -> dict[str, float | bool]:
    """Slope of the memory and ratio of the step times of `samples`, after the warm-up."""
    kept = [s for s in samples if s.step >= WARM_UP * samples[-1].step]
    steps, rss, seconds = (np.array([getattr(s, name) for s in kept]) for name in ("step", "rss", "seconds"))
    slope = np.polyfit(steps, rss, 1)[0] * 1e4 / 2**20
    per_step = np.diff(seconds) / np.diff(steps)
    quarter = max(1, len(per_step) // 4)
    first, last = np.median(per_step[:quarter]), np.median(per_step[-quarter:])
    return {
        "rss_mib_per_10000_steps": float(slope),
        "rss_mib_first": float(rss[0] / 2**20),
        "rss_mib_last": float(rss[-1] / 2**20),
        "ms_per_step_first": float(1e3 * first),
        "ms_per_step_last": float(1e3 * last),
        "step_time_last_over_first": float(last / first),
        "is_steady": bool(slope <= MIB_PER_10000 and last / first <= SLOWER),
    }


def soak(steps: int, folder: Path) -> dict[str, object]:
    """Train `steps` steps in `folder`; what grew, and the samples."""
    watch, log = Watch(max(1, steps // 100)), folder / "stderr"
    places = (f"budget.steps={steps}", f"data_dir={folder}", f"output_dir={folder}")
    with log.open("w") as file, contextlib.redirect_stderr(file):
        run = nolab.train(nolab.compose([*OVERRIDES, *places]), view=watch)
    files = {
        "metrics.jsonl_bytes": os.path.getsize(run.path / "metrics.jsonl"),
        "metrics.jsonl_lines": len((run.path / "metrics.jsonl").read_text().splitlines()),
        "stderr_lines": len(log.read_text().splitlines()),
    }
    samples = [asdict(sample) for sample in watch.samples]
    return {"steps": steps, **growth(watch.samples), **files, "samples": samples}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(options.steps, Path(folder))
    print(json.dumps({key: value for key, value in result.items() if key != "samples"}, indent=2))
    print(write_result("soak", result))
    sys.exit(0 if result["is_steady"] else 1)


if __name__ == "__main__":
    main()
