"""Flow past a cylinder in a channel: a history of the streamwise velocity to the frames that follow, at mesh nodes.

The channel of Schäfer and Turek, *Benchmark Computations of Laminar Flow Around a Cylinder* (1996), in their units (a
cylinder of diameter 0.1 in a channel of height 0.41, a parabola of mean 1 as inflow, an open outlet) but shorter, at
random Reynolds numbers and places of the cylinder. As in the multi-level Monte Carlo paper (arXiv 2505.12940), 30
frames at the nodes of a mesh go in and 20 come out. Each flow is solved once, on a mesh of its own, and seen at the
nodes of every level's mesh: all levels show one function.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise

import numpy as np
import torch

from nolab.frames import frame_name
from nolab.grid import Domain
from nolab.mesh import MeshFields, vertex_weights
from nolab.problems._channel_flow import ChannelFlow
from nolab.problems._channel_mesh import CENTRE, HEIGHT, channel_mesh, channel_size
from nolab.problems._description import Description, stream
from nolab.schema import check

VERSION = "1"

STEP = 0.005
"""Default time step times the solver's resolution; up to about 0.0065 was stable at Re = 100 to 200."""


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    resolutions: tuple[int, ...] = (4, 6, 8, 12)
    """Of the levels, coarsest first: cells along the square around the cylinder, even; a level has about 12 times its
    square of points at length 1.5."""
    solve_resolution: int = 10
    """Of the solver's mesh, which has quadratic elements."""
    length: float = 1.5
    """Of the channel; 2.2 in the benchmark."""
    reynolds_low: float = 80.0
    """Reynolds numbers are drawn from here on; vortices come from about 50 on."""
    reynolds_high: float = 160.0
    """Reynolds numbers are drawn up to here."""
    shift: float = 0.03
    """The cylinder's centre is drawn so far from (0.2, 0.2) at most, along each axis."""
    history: int = 30
    """Input frames."""
    horizon: int = 20
    """Output frames, right after the input's."""
    frame_step: float = 0.02
    """Time between frames; a vortex pair takes about 0.33 at Re = 100."""
    windows: int = 5
    """Samples that are cut from one simulation; they follow each other in a split."""
    stride: int = 10
    """Frames from the start of one sample to that of the next in a simulation."""
    spin_up: float = 2.0
    """Time before the first frame, in which vortices develop."""
    dt: float | None = None
    """Longest time step; null: one that is stable on the solver's mesh."""

    def __post_init__(self) -> None:
        self._check_meshes()
        low, high = self.reynolds_low, self.reynolds_high
        check(1 <= low <= 300, "reynolds_low", low, "from 1 to 200")
        check(low <= high <= 200, "reynolds_high", high, f"from reynolds_low = {low:g} to 200")
        check(0 <= self.shift <= 0.05, "shift", self.shift, "from 0 to 0.05")
        check(0.001 <= self.frame_step <= 1, "frame_step", self.frame_step, "from 0.001 to 1")
        for name in ("history", "horizon", "windows", "stride"):
            value = getattr(self, name)
            check(1 <= value <= 1000, name, value, "from 1 to 1000")
        check(0 <= self.spin_up <= 100, "spin_up", self.spin_up, "from 0 to 100")
        check(self.dt is None or 1e-6 <= self.dt <= 0.1, "dt", self.dt, "null or from 0.000001 to 0.1")

    def _check_meshes(self) -> None:
        sizes, solved = self.resolutions, self.solve_resolution
        check(
            4 <= solved <= 64 and solved % 2 == 0, "solve_resolution", solved, "an even number from 4 to 64"
        )
        highest = 2 * solved  # The solver's velocity has nodes at the middle of edges as well.
        check(
            len(sizes) > 0
            and all(4 <= size <= highest and size % 2 == 0 for size in sizes)
            and all(coarse < fine for coarse, fine in pairwise(sizes)),
            "resolutions",
            list(sizes),
            f"ascending even numbers from 4 to 2·solve_resolution = {highest}",
        )
        check(0.5 <= self.length <= 10, "length", self.length, "from 0.5 to 10")

    @property
    def frames(self) -> int:
        """Frames of a simulation."""
        return self.history + self.horizon + (self.windows - 1) * self.stride

    @property
    def steps(self) -> int:
        """Time steps from frame to frame."""
        return math.ceil(self.frame_step / (self.dt or STEP / self.solve_resolution) * (1 - 1e-9))


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and sizes; the times of a sample are counted from its first frame."""
    names = tuple(
        frame_name("velocity_x", i * options.frame_step) for i in range(options.history + options.horizon)
    )
    meshes = tuple(channel_size(size, options.length) for size in options.resolutions)
    return Description(
        domain=Domain.cloud((0.0, options.length), (0.0, HEIGHT)),
        shape=(meshes[-1].points,),
        input_names=names[: options.history],
        output_names=names[options.history :],
        units=dict.fromkeys(names, "1"),
        meshes=meshes,
        together=options.windows,
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> list[MeshFields]:
    """Samples `indices` of a split, at every level; sample i is cut from simulation i // windows of the split.

    A simulation runs on the CPU whatever the `device`, and depends on (options, seed, split) and its number alone.

    Raises
    ------
    InputError : unknown split.
    RunFailure : the time step is too large.
    """
    levels: list[list[MeshFields]] = [[] for _ in options.resolutions]
    for number, chosen in groupby(indices, lambda index: index // options.windows):
        starts = [index % options.windows * options.stride for index in chosen]
        for level, (points, cells, frames) in zip(
            levels, _simulation(options, seed, split, number), strict=True
        ):
            weights = vertex_weights(points, cells)
            level += [_sample(options, points, cells, weights, frames[start:]) for start in starts]
    return [MeshFields(*map(np.stack, zip(*samples, strict=True))) for samples in levels]


def _sample(
    options: Options, points: np.ndarray, cells: np.ndarray, weights: np.ndarray, frames: np.ndarray
) -> MeshFields:
    """The sample that begins at the first of the frames (F, N)."""
    before, after = np.split(frames[: options.history + options.horizon], [options.history])
    return MeshFields(
        before, after, points.astype(np.float32), weights.astype(np.float32), cells.astype(np.int32)
    )


@lru_cache(maxsize=1)  # A simulation's windows may be asked for one after the other.
def _simulation(
    options: Options, seed: int, split: str, number: int
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points, cells and frames (F, N) float32 of the streamwise velocity at every level."""
    generator = stream(seed, split, number)
    reynolds = generator.uniform(options.reynolds_low, options.reynolds_high)
    x, y = generator.uniform(-options.shift, options.shift, 2)
    centre = CENTRE[0] + x, CENTRE[1] + y
    dt = options.frame_step / options.steps
    flow = ChannelFlow(options.solve_resolution, options.length, centre, reynolds, dt)
    meshes = [channel_mesh(size, options.length, centre) for size in options.resolutions]
    probes = [flow.space.probe(points) for points, _ in meshes]
    flow.advance(math.ceil(options.spin_up / dt))
    seen = []
    for frame in range(options.frames):
        flow.advance(options.steps if frame else 0)
        seen.append([probe @ flow.velocity[0] for probe in probes])
    frames = [np.stack(level).astype(np.float32) for level in zip(*seen, strict=True)]
    for level, size in zip(frames, options.resolutions, strict=True):
        level[:, : 4 * size] = 0  # On the circle, part of which is outside of the solver's polygon.
    return [(*mesh, level) for mesh, level in zip(meshes, frames, strict=True)]
