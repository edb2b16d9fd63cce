"""Poisson's equation on random star-shaped domains: shape and source to solution.

−Δu = f in the domain within the curve r(θ) = r₀ (1 + Σ_k a_k cos kθ + b_k sin kθ), u = 0 on the curve. r₀ is
uniform between two bounds and (a_k, b_k) is the amplitude times ω_k times a uniform point of the unit disk, with
ω_k ∝ 1/k and Σ ω_k = 1: the curve stays between r₀ (1 - amplitude) and r₀ (1 + amplitude). f is a mean plus a
stationary Gaussian field on the box [-1, 1]², Σ α_k cos(π k·x) + β_k sin(π k·x), whose variance falls as
1/|k|² over the wave vectors k.

Each level has a mesh of its own, of points at its own distance. The equation is solved once, by quadratic elements
on the finest level's mesh, and shown at the points of all levels: they are samples of one function.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from nolab.grid import Domain
from nolab.mesh import MeshFields, MeshSize, padded, vertex_weights
from nolab.problems._description import Description, stream
from nolab.problems._plane_mesh import PlaneMesh, mesh_star, most_points
from nolab.problems._poisson_plane import QuadraticField, Source, solve
from nolab.problems._star_shapes import StarCurve, fourier_series
from nolab.schema import check

VERSION = "1"


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    points: tuple[int, ...] = (128, 256, 512, 1024)
    """Room for points at each level, coarsest first: no shape fills it, most fill more than half of it."""
    radius: tuple[float, float] = (0.55, 0.75)
    """Least and largest r₀."""
    amplitude: float = 0.3
    """Bound of the curve's distance from the circle, relative to r₀."""
    modes: int = 5
    """Frequencies k = 1 … modes of the curve."""
    source_mean: float = 1.0
    """Mean of f."""
    source_std: float = 1.0
    """Standard deviation of f at each place."""
    source_modes: int = 2
    """Wave numbers of f along each axis, in half periods of the box: at most this."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.points, self.points[1:], strict=False))
        sizes = bool(self.points) and self.points[0] >= 64 and self.points[-1] <= 16384 and rising
        check(sizes, "points", self.points, "rising numbers from 64 to 16384")
        low, high = self.radius
        check(0.1 <= low <= high, "radius", self.radius, "(low, high) with 0.1 <= low <= high")
        check(0 <= self.amplitude <= 0.4, "amplitude", self.amplitude, "from 0 to 0.4")
        check(
            high * (1 + self.amplitude) < 1,
            "radius",
            self.radius,
            f"at most {1 / (1 + self.amplitude):.3g}, 1/(1 + amplitude), so that the shapes stay in [-1, 1]²",
        )
        check(1 <= self.modes <= 8, "modes", self.modes, "from 1 to 8")
        check(abs(self.source_mean) < float("inf"), "source_mean", self.source_mean, "finite")
        check(0 <= self.source_std < float("inf"), "source_std", self.source_std, "0 or more")
        check(1 <= self.source_modes <= 8, "source_modes", self.source_modes, "from 1 to 8")


def describe(options: Options) -> Description:
    """Names, units (all dimensionless) and levels of the fields."""
    return Description(
        domain=Domain.cloud((-1.0, 1.0), (-1.0, 1.0)),
        shape=(options.points[-1],),
        input_names=("source", "boundary_distance"),
        output_names=("solution",),
        units=dict.fromkeys(("source", "boundary_distance", "solution"), "1"),
        meshes=tuple(_size(points) for points in options.points),
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> list[MeshFields]:
    """Samples `indices` of a split at each level; they depend on (options, seed, split, index) alone.

    The direct solver runs on the CPU, whatever `device` is.

    Raises
    ------
    InputError : unknown split.
    RunFailure : a shape is too rough for the points of a level.
    """
    samples = [_sample(options, stream(seed, split, index)) for index in indices]
    levels = zip(*samples, strict=True)
    return [padded(fields, _size(points)) for fields, points in zip(levels, options.points, strict=True)]


@cache
def spacing(options: Options, points: int) -> float:
    """Distance of neighbouring points, so that no sample has more than `points` of them.

    By the largest area, π r₀² (1 + ½ Σ c_k²), and a bound of the largest length, 2π r₀ √(1 + ½ Σ (1 + k²) c_k²)
    (the mean of √(r² + r'²) is at most the root of the mean square), with c_k = amplitude · ω_k.
    """
    squares = np.square(options.amplitude * _shares(options.modes))
    k, r = np.arange(1, options.modes + 1), options.radius[1]
    area = np.pi * r**2 * (1 + squares.sum() / 2)
    length = 2 * np.pi * r * np.sqrt(1 + ((1 + k**2) * squares).sum() / 2)
    low, high = 0.0, 1.0
    for _ in range(60):  # bisection: the bound falls with the spacing
        middle = (low + high) / 2
        low, high = (middle, high) if most_points(area, length, middle) > points else (low, middle)
    return high


def _sample(options: Options, generator: np.random.Generator) -> list[MeshFields]:
    """One sample at each level, without a leading axis."""
    curve = _random_curve(options, generator)
    source = _random_source(options, generator)
    # Drawn last: whatever the levels are, a sample shows one shape and one source.
    shift = generator.uniform(size=2)
    meshes = [mesh_star(curve, spacing(options, points), shift) for points in options.points]
    solution = solve(meshes[-1], curve, source)
    values = [_coarser(mesh, solution) for mesh in meshes[:-1]] + [solution.vertex_values]
    return [_fields(mesh, source, u) for mesh, u in zip(meshes, values, strict=True)]


def _coarser(mesh: PlaneMesh, solution: QuadraticField) -> np.ndarray:
    """The solution at the points of a coarser level's mesh; exactly 0 at its corners."""
    return np.concatenate([np.zeros(mesh.corners), solution.at(mesh.points[mesh.corners :])])


def _fields(mesh: PlaneMesh, source: Source, values: np.ndarray) -> MeshFields:
    return MeshFields(
        np.stack([source(mesh.points), mesh.boundary_distance]),
        values[None],
        mesh.points,
        vertex_weights(mesh.points, mesh.cells),
        mesh.cells,
    )


def _random_curve(options: Options, generator: np.random.Generator) -> StarCurve:
    mean = generator.uniform(*options.radius)
    size, angle = np.sqrt(generator.uniform(size=options.modes)), generator.uniform(size=options.modes)
    size *= options.amplitude * _shares(options.modes)
    cosines, sines = size * np.cos(2 * np.pi * angle), size * np.sin(2 * np.pi * angle)
    return StarCurve(lambda theta: mean * (1 + fourier_series(theta, cosines, sines)))


def _random_source(options: Options, generator: np.random.Generator) -> Source:
    k = _wave_vectors(options.source_modes)
    std = 1 / np.linalg.norm(k, axis=1)
    std *= options.source_std / np.linalg.norm(std)
    cosines, sines = std * generator.standard_normal((2, len(k)))

    def source(places: np.ndarray) -> np.ndarray:
        phase = np.pi * places @ k.T
        return options.source_mean + np.cos(phase) @ cosines + np.sin(phase) @ sines

    return source


def _shares(modes: int) -> np.ndarray:
    """ω_k, (modes,)."""
    share = 1 / np.arange(1, modes + 1)
    return share / share.sum()


@cache
def _wave_vectors(modes: int) -> np.ndarray:
    """One of each pair ±k other than 0, (K, 2)."""
    axis = np.arange(-modes, modes + 1)
    k = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return k[len(k) // 2 + 1 :].astype(np.float64)


def _size(points: int) -> MeshSize:
    # A mesh of n points has fewer than 2n triangles.
    return MeshSize(points, 2 * points)
