"""What a training step costs: nolab's against neuraloperator's own Trainer, and MLMC's against its terms.

    python scripts/bench_step.py [--repeats 15] [--device cpu]

1. FNO, width 32, 4 layers, 64² and 128², batch 16 and 4, relative L2, AdamW:
   `Trainer.train_one_epoch` of neuraloperator on its own FNO, beside nolab's engine on the same
   architecture. Both conventions of "12 modes" (12 and 24 as neuraloperator counts them). The data
   lie in memory for both.
2. One nested MLMC step (δ = 2, three levels) beside the sum of its terms, each timed alone.

Tasks take turns, in 1 each in a process of its own, since nolab's keeps freed memory and
neuraloperator's does not (its row with memory kept says what that alone is worth); medians, and the
median of the paired ratios.
"""

import argparse
import multiprocessing
import warnings
from functools import partial
from statistics import median

import numpy as np
import torch
from _measuring import alternate, median_ratio, write_result

from nolab.benchmark.counterparts import FULL, fourier
from nolab.benchmark.fields import random_samples
from nolab.benchmark.reference import ReferenceStep
from nolab.benchmark.subject import STEPS
from nolab.config import OptimizerOptions
from nolab.data.batcher import ResidentBatcher
from nolab.data.hierarchy import Hierarchy, Level
from nolab.data.pyramid import LevelTensors
from nolab.device import keep_freed_memory
from nolab.estimators import fine, mlmc
from nolab.fields import OperatorSpec
from nolab.grid import Domain
from nolab.metrics.errors import Units, rel_l2
from nolab.models import fno
from nolab.points import all as all_points
from nolab.points import build_points, parse_neval
from nolab.precision import Schedule
from nolab.training.costs import timed
from nolab.training.gradient import GradientEngine
from nolab.training.optimizer import build_optimizer

warnings.simplefilter("ignore")  # neuraloperator's own, about its configuration
N = 128


def make_engine(shapes, placement, options, device):
    """nolab's engine over random fields on every shape."""
    domain = Domain.unit(2, placement)
    levels = []
    for shape in shapes:
        x, y = torch.randn(2, N, 1, *shape).unbind()
        levels.append(LevelTensors(x, y, y.square().mean(dim=(1, 2, 3)).sqrt(), torch.zeros(1)))
    hierarchy = Hierarchy(tuple(Level(s) for s in shapes), domain, "subsample")
    model = fno.build(options, OperatorSpec(1, 1, domain, shapes[-1])).to(device)
    batcher = ResidentBatcher(levels, hierarchy, device, on_device=True)
    every = parse_neval(None, "neval")
    points = build_points("all", all_points.Options(), domain, 0, tuple(shapes), (every,) * len(shapes))
    units = Units(torch.zeros(1, device=device), torch.ones(1, device=device))
    precision = (Schedule.constant("fp32"),) * len(shapes)
    return GradientEngine(model, batcher, points, rel_l2, units, precision, device)


def nolab_steps(engine, estimator, steps):
    """A task: `steps` optimizer steps."""
    optimizer = build_optimizer(OptimizerOptions(lr=1e-3), engine.model)
    state = {"step": 0}

    def task():
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            engine.accumulate(estimator.plan(state["step"]), state["step"])
            optimizer.step()
            state["step"] += 1

    return task


def neuraloperator_steps(n_modes, n, batch, device):
    """A task: STEPS batches of neuraloperator's Trainer on its own FNO."""
    options = fno.Options(n_modes=n_modes, hidden_channels=32, n_layers=4)
    spec = OperatorSpec(1, 1, Domain.unit(2, "nodal"), (n, n))
    samples = random_samples(spec, (n, n), None, batch, 0)
    build = partial(fourier, options, spec)
    return ReferenceStep(build, FULL, samples, OptimizerOptions(lr=1e-3), device)


class Worker:
    """A task in a process of its own, timed on demand: each implementation with its own memory settings."""

    def __init__(self, build, *arguments):
        self._pipe, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process
        self._process = process(target=_work, args=(theirs, build, arguments), daemon=True)
        self._process.start()

    def __call__(self):
        """Seconds of one turn."""
        self._pipe.send(True)
        return self._pipe.recv()

    def close(self):
        self._pipe.send(False)
        self._process.join()


def _work(pipe, build, arguments):
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    task, device = build(*arguments), arguments[-1]
    while pipe.recv():
        pipe.send(timed(task, device))


def neuraloperator_as_it_comes(n_modes, n, batch, device):
    return neuraloperator_steps(n_modes, n, batch, device)


def neuraloperator_keeping_memory(n_modes, n, batch, device):
    keep_freed_memory()
    return neuraloperator_steps(n_modes, n, batch, device)


def nolab(discretization, placement, n_modes, n, batch, device):
    keep_freed_memory()  # as every run of nolab on a CPU
    options = fno.Options(n_modes=n_modes, hidden_channels=32, n_layers=4, discretization=discretization)
    engine = make_engine([(n, n)], placement, options, device)
    return nolab_steps(engine, fine.build(fine.Options(batch), N, 1, 0), STEPS)


def against_neuraloperator(n_modes, n, batch, repeats, device):
    size = (n_modes, n, batch, device)
    workers = {
        "neuraloperator Trainer": Worker(neuraloperator_as_it_comes, *size),
        "the same, memory kept": Worker(neuraloperator_keeping_memory, *size),
        "nolab, index": Worker(nolab, "index", "periodic", *size),
        "nolab, consistent": Worker(nolab, "consistent", "nodal", *size),
    }
    rounds = [{name: worker() for name, worker in workers.items()} for _ in range(repeats + 2)][2:]
    for worker in workers.values():
        worker.close()
    seconds = {name: [turn[name] for turn in rounds] for name in workers}
    base = seconds["neuraloperator Trainer"]
    return {
        name: {"ms_per_step": 1e3 * median(times) / STEPS, "speed_up": median_ratio(base, times)}
        for name, times in seconds.items()
    }


def against_its_terms(repeats, device):
    options = fno.Options(n_modes=12, hidden_channels=24, n_layers=4)
    engine = make_engine([(17, 17), (33, 33), (65, 65)], "nodal", options, device)
    estimator = mlmc.build(mlmc.Options(batch_size=4, delta=2.0), N, 3, 0)
    plan = estimator.plan(0)
    tasks = {"whole step": lambda: engine.accumulate(plan, 0)}
    for term in plan:
        tasks[f"level {term.level}"] = lambda term=term: engine.accumulate((term,), 0)
    seconds = alternate(tasks, 3 * repeats, device)
    alone = np.sum([seconds[f"level {term.level}"] for term in plan], axis=0).tolist()
    return {
        **{name: {"ms": 1e3 * median(times)} for name, times in seconds.items()},
        "step over the sum of its terms": median_ratio(seconds["whole step"], alone),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.manual_seed(0)
    keep_freed_memory()
    result = {
        f"FNO {n}², batch {batch}, n_modes={n_modes}": against_neuraloperator(
            n_modes, n, batch, options.repeats, device
        )
        for n in (64, 128)
        for batch in (16, 4)
        for n_modes in (12, 24)
    }
    result["nested MLMC step, 17/33/65, n = 16/8/4"] = against_its_terms(options.repeats, device)
    for title, rows in result.items():
        print(title)
        for name, row in rows.items():
            text = row if not isinstance(row, dict) else "  ".join(f"{k} {v:.2f}" for k, v in row.items())
            print(f"  {name:32} {text}")
    print(write_result("bench_step", result, device))


if __name__ == "__main__":
    main()
