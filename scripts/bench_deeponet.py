"""What N_eval saves of a DeepONet's step, and how much of the published saving is the baseline's.

    python scripts/bench_deeponet.py [--repeats 7] [--threads 1] [--batch 256] [--device cpu]

The networks of Example 3 of arXiv 2409.13280 (heat conduction, 32×32 points; CNN branch, residual
trunk), one iteration (batch, points, forward, backward, Adam) in two styles that share the modules:

* *reference*: as the published code does it. The points of each sample are drawn in a Python loop,
  the trunk is evaluated on batch × N_eval rows, for the full grid too, and the whole test set is
  predicted after every iteration; convolutions have PyTorch's default layout. Each of these is timed
  beside the rest.
* *nolab*: what `nolab train` runs. Points are drawn for all samples at once, the trunk runs on the
  distinct points; the full grid is a Cartesian product, N_out trunk rows.

Tasks take turns in one process; medians, and medians of the paired ratios.
"""

import argparse
from statistics import median

import numpy as np
import torch
from _measuring import Step, alternate, median_ratio, setup_of, write_result
from torch import Tensor

from nolab.training.optimizer import build_optimizer
from nolab.training.setup import Setup

N_TRAIN, N_TEST, N_OUT = 512, 500, 1024


class Reference:
    """The published style, with the branch and trunk of nolab's own model.

    Parameters
    ----------
    neval : points per sample; N_OUT takes all of them, broadcast per sample all the same.
    sampled : draw the points in a Python loop; else they stay the same, to time the networks alone.
    tested : predict the test set after the step, as many points of each sample.
    fast_layout : keep the layout that nolab gives its convolutions.
    """

    def __init__(
        self,
        setup: Setup,
        neval: int,
        *,
        sampled: bool = True,
        tested: bool = True,
        fast_layout: bool = False,
    ) -> None:
        data, level = setup.load(), setup.hierarchy.finest
        train = data.batcher.get(0, np.arange(N_TRAIN))
        self.inputs, self.outputs = train.input, train.target.flatten(1)  # (n, 1, 32, 32), (n, N)
        self.test_inputs = data.tests[level].input.to(setup.device)
        grid = setup.hierarchy.domain.coordinates(level.shape).flatten(1).T
        self.coordinates = grid.float().to(setup.device)  # (N, 2)
        self.networks = setup.model.networks
        if not fast_layout:
            self.networks.branch.to(memory_format=torch.contiguous_format)
        self.optimizer = build_optimizer(setup.config.optimizer, setup.model)
        self.batch, self.neval = setup.config.sampling.options.batch_size, neval
        self.sampled, self.tested = sampled, tested
        self.random = np.random.default_rng(0)
        self.points = self._draw()

    def __call__(self) -> None:
        if self.sampled:
            self.points = self._draw()
        rows = torch.from_numpy(self.random.choice(N_TRAIN, self.batch, replace=False))
        truth = self.outputs[rows].gather(1, self.points)  # (B, P)
        self.optimizer.zero_grad()
        loss = (self._predict(self.inputs[rows], self.coordinates[self.points]) - truth).square().mean()
        loss.backward()
        self.optimizer.step()
        if self.tested:
            points = torch.from_numpy(self.random.choice(N_OUT, self.neval, replace=False))
            everywhere = self.coordinates[points].expand(N_TEST, -1, -1)
            self._predict(self.test_inputs, everywhere).square().mean().item()

    def _draw(self) -> Tensor:
        """(B, P), in a loop over the samples."""
        drawn = [self.random.choice(N_OUT, self.neval, replace=False) for _ in range(self.batch)]
        return torch.from_numpy(np.stack(drawn)).to(self.coordinates.device)

    def _predict(self, inputs: Tensor, coordinates: Tensor) -> Tensor:
        """(B, 1, 32, 32) and (B, P, 2) to (B, P): B·P trunk rows."""
        branch = self.networks.branch(inputs)  # (B, p)
        trunk = self.networks.trunk(coordinates.reshape(-1, 2))  # (B·P, p)
        return torch.einsum("bk,bpk->bp", branch, trunk.view(*coordinates.shape[:2], -1))


def heat(batch: int, device: str, *overrides: str) -> Setup:
    """The parts of `experiment=deeponet_heat` on few samples: a step's cost does not depend on them."""
    sizes = [f"dataset.n_train={N_TRAIN}", f"dataset.n_test={N_TEST}", f"sampling.batch_size={batch}"]
    return setup_of("experiment=deeponet_heat", *sizes, f"device={device}", *overrides)


def tasks_of(batch: int, device: str) -> dict[str, Reference | Step]:
    """Every style; setups are not shared, for each trains weights of its own."""
    tasks = {}
    for neval in (16, 512, None):
        shown = neval or N_OUT
        for scope in ("per_sample", "shared") if neval else ("per_sample",):
            name = f"nolab, {shown} {scope.replace('_', ' ')}" if neval else "nolab, full grid"
            points = [f"neval={neval}", f"points.scope={scope}"] if neval else []
            tasks[name] = Step(heat(batch, device, *points))
    for neval in (16, N_OUT):
        tasks[f"reference, {neval}"] = Reference(heat(batch, device), neval)
    without = {"tested": False}
    tasks["reference, 16, without the test set"] = Reference(heat(batch, device), 16, **without)
    without["fast_layout"] = True
    tasks["… and with nolab's layout"] = Reference(heat(batch, device), 16, **without)
    without["sampled"] = False
    tasks["… and without drawing points"] = Reference(heat(batch, device), 16, **without)
    return tasks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    seconds = alternate(tasks_of(options.batch, options.device), options.repeats, device)
    chosen = seconds["nolab, 16 per sample"]
    rows = {
        name: {"ms": 1e3 * median(times), "over nolab, 16 per sample": median_ratio(times, chosen)}
        for name, times in seconds.items()
    }
    for name, row in rows.items():
        print(f"{name:40s} {row['ms']:8.1f} ms {row['over nolab, 16 per sample']:6.2f}")
    full = median_ratio(seconds["reference, 1024"], seconds["nolab, full grid"])
    print(
        f"published saving (reference 1024 / 16): {rows['reference, 1024']['ms'] / rows['reference, 16']['ms']:.1f}"
    )
    print(f"full grid, reference over nolab: {full:.1f}")
    name = f"bench_deeponet_{options.device.replace(':', '')}"
    print(write_result(name, {"batch": options.batch, "repeats": options.repeats, "steps": rows}, device))


if __name__ == "__main__":
    main()
