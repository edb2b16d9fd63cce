"""What streaming from disk costs: training steps per second, streamed over resident, and batches alone.

    python scripts/bench_streaming.py [--repeats 15] [--device cpu] [--samples 512]

A store of random fields (128², periodic, in a temporary folder, so in the page cache: the disk keeps up) is
trained on from memory and from disk, for ordinary training and for nested MLMC on three levels. `stream` holds the
coarse levels, `stream, nothing held` none (memory_gib=0). Tasks take turns; medians, and the
median of the paired ratios. `batches alone` is the same without a model: how far the reader is ahead.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from _measuring import alternate, median_ratio, setup_of, write_result

from nolab.data.store import StoreChunk, StoreMeta, write_store
from nolab.device import keep_freed_memory
from nolab.grid import Domain
from nolab.training.optimizer import build_optimizer

SHAPE = (128, 128)
STEPS = 4
"""Of a task."""

PLACES = {
    "resident": ["+dataset.residency=device"],
    "stream": ["+dataset.residency=stream"],
    "stream, nothing held": ["+dataset.residency=stream", "+dataset.memory_gib=0"],
}


class Steps:
    """Training steps as the trainer makes them: the next plan is announced before a step."""

    def __init__(self, overrides: list[str], *, model: bool) -> None:
        self.setup = setup_of(*overrides)
        self.data = self.setup.load()
        self.engine = self.setup.engine(self.data, self.setup.model) if model else None
        self.optimizer = build_optimizer(self.setup.config.optimizer, self.setup.model)
        self.step, self.plan = 0, self.setup.estimator.plan(0)

    def __call__(self) -> None:
        for _ in range(STEPS):
            plan, self.plan = self.plan, self.setup.estimator.plan(self.step + 1)
            self.data.batcher.prefetch(self.plan)
            if self.engine is None:
                for term in plan:
                    self.data.batcher.get(term.level, term.indices)
            else:
                self.optimizer.zero_grad(set_to_none=True)
                self.engine.accumulate(plan, self.step)
                self.optimizer.step()
            self.step += 1


def write_random_store(path: Path, samples: int) -> None:
    names = {"input_names": ("a",), "output_names": ("u",), "units": {"a": "1", "u": "1"}}
    counts = {"train": samples, "test": 2}
    meta = StoreMeta(
        "random", {}, "1", 0, Domain.unit(2, "periodic"), **names, counts=counts, shapes=(SHAPE,)
    )
    rng = np.random.default_rng(0)
    chunks = (
        StoreChunk(split, SHAPE, *rng.standard_normal((2, 1, 1, *SHAPE), dtype=np.float32))
        for split, count in counts.items()
        for _ in range(count)
    )
    write_store(path, meta, chunks)


def measure(overrides: list[str], repeats: int, device: torch.device, *, model: bool) -> dict:
    tasks = {place: Steps([*overrides, *keys], model=model) for place, keys in PLACES.items()}
    seconds = alternate(tasks, repeats, device)
    for task in tasks.values():
        task.data.batcher.close()
    base = seconds["resident"]
    return {
        place: {"ms_per_step": 1e3 * float(np.median(times)) / STEPS, "throughput": median_ratio(base, times)}
        for place, times in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--samples", type=int, default=512)
    options = parser.parse_args()
    device = torch.device(options.device)
    keep_freed_memory()
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "random.h5"
        write_random_store(store, options.samples)
        data = ["dataset=file", f"dataset.path={store}", "tracking=none", f"device={options.device}"]
        for name, keys in {
            "fine, batch 8": ["sampling=fine", "sampling.batch_size=8", "hierarchy=one"],
            "mlmc, 32²/64²/128², δ = 2": ["sampling=mlmc", "delta=2", "hierarchy=three"],
        }.items():
            for what, model in (("training", True), ("batches alone", False)):
                title = f"{name}: {what}"
                result[title] = measure([*data, *keys], options.repeats, device, model=model)
                print(title)
                for place, row in result[title].items():
                    print(
                        f"  {place:24} {row['ms_per_step']:8.2f} ms/step  throughput {row['throughput']:.3f}"
                    )
    print(write_result("bench_streaming", result, device))


if __name__ == "__main__":
    main()
