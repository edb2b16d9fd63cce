"""How a training step scales over processes: the same batch shared out (strong), and a batch that grows (weak).

    torchrun --nproc-per-node=2 scripts/bench_distributed.py [--batch 4] [--repeats 15] [--device cpu] [KEY=VALUE …]

Tasks take turns in one start of the processes: steps of the first one alone while the others wait, and steps of all
together; besides, the exchange of a step's gradients by itself. Medians of the paired ratios. Strong: time alone over
time together, ideally K. Weak: time alone with the batch over time together with K times the batch, ideally 1.
`alone, same work` says what the machine gives before anything is exchanged: every process makes the steps of one
alone at the same time, so its ratio to `alone` is what shared caches, memory and clocks take.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from _measuring import median_ratio, write_result
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.device import keep_freed_memory
from nolab.training.costs import timed
from nolab.training.optimizer import build_optimizer
from nolab.training.ranks import ALONE, Ranks, joined
from nolab.training.setup import prepare

STEPS = 3
"""Of a task."""
WARM_UP = 2


class Steps:
    """Training steps, by `ranks`."""

    def __init__(self, overrides: list[str], ranks: Ranks) -> None:
        config = OmegaConf.to_container(nolab.compose(overrides), resolve=True)
        self.setup = prepare(validate(config), ranks)
        self.engine = self.setup.engine(self.setup.load(), self.setup.model)
        self.optimizer = build_optimizer(self.setup.config.optimizer, self.setup.model)
        self.step = 0

    def __call__(self) -> None:
        for _ in range(STEPS):
            self.optimizer.zero_grad(set_to_none=True)
            self.engine.accumulate(self.setup.estimator.plan(self.step), self.step)
            self.optimizer.step()
            self.step += 1

    def exchange(self) -> None:
        """What a step exchanges, without a step."""
        for _ in range(STEPS):
            self.setup.ranks.sum_([p.grad for p in self.setup.model.parameters()])


def measure(
    ranks: Ranks, batch: int, repeats: int, overrides: list[str]
) -> tuple[dict[str, list[float]], torch.device]:
    """Seconds of STEPS steps of each task at every turn, of the slowest process; the first one's device."""

    def steps(size: int, who: Ranks) -> Steps:
        return Steps([*overrides, f"sampling.batch_size={size}"], who)

    alone, together = steps(batch, ALONE), steps(batch, ranks)
    tasks = {
        "alone": alone if ranks.is_first else None,
        "alone, same work": alone,
        "together": together,
        "together, larger batch": steps(batch * ranks.size, ranks),
        "exchange": together.exchange,
    }
    device = together.setup.device
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(WARM_UP + repeats):
        for name, task in tasks.items():
            ranks.wait()
            elapsed = timed(task, device) if task else 0.0
            if round_ >= WARM_UP:
                seconds[name].append(max(ranks.gathered(elapsed)))
    return seconds, device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    keep_freed_memory()
    with joined(options.device) as ranks, tempfile.TemporaryDirectory() as data_dir:
        given = [
            f"device={options.device}",
            f"data_dir={Path(ranks.from_first(lambda: data_dir))}",
            "dataset.n_train=64",
            "dataset.n_test=1",
            *options.overrides,
        ]
        seconds, device = measure(ranks, options.batch, options.repeats, given)
        if not ranks.is_first:
            return
        result = {
            "processes": ranks.size,
            "threads of each": torch.get_num_threads(),
            "batch": options.batch,
            "overrides": options.overrides,
            "ms of a step": {
                name: 1e3 * sorted(times)[len(times) // 2] / STEPS for name, times in seconds.items()
            },
            "strong": median_ratio(seconds["alone"], seconds["together"]),
            "weak": median_ratio(seconds["alone"], seconds["together, larger batch"]),
            "machine": median_ratio(seconds["alone"], seconds["alone, same work"]),
        }
        print(write_result("bench_distributed", result, device))
        print(result)


if __name__ == "__main__":
    main()
