"""A hyperelastic unit cell with a random void under tension: shape to stress.

The elastic problem of Li et al., *Fourier Neural Operator with Learned Deformations for PDEs on General Geometries*
(Geo-FNO, arXiv 2207.05209): [0, 1]² around a void at its centre, of radius r(θ) = 0.2 + 0.2/(1 + exp(r̃(θ))) with
r̃ ~ N(0, 4² (−∇² + 3²)^{-1}) on the circle; clamped at y = 0, pulled upwards by 100 Pa at y = 1 and free elsewhere;
incompressible Rivlin–Saunders material with C₁ = 1.863e5 Pa, C₂ = 9.79e3 Pa, at finite strain. The output is the
von Mises stress of the true (Cauchy) stress.

What the paper leaves open is chosen like this. Plane stress: in NNFEM, the solver of one of its authors, this
material exists in plane stress alone, and scripts use it with these two numbers and show von Mises' stress. r̃ has
frequencies up to 10, and covariance with respect to the angle in radians; neither is confirmed. The benchmark's
points differ (972, it seems the quadrature points of 108 elements); here they are nodes on rings around the void.
The stress is infinite at the clamped corners of the cell; there the values depend on the solver's mesh.

The equations are solved once, by biquadratic elements with twice the rings and four times the rays of the finest
level (at the default the stress differs from that on finer meshes by about 1 % in L2), and shown at all levels.
"""

from dataclasses import dataclass

import numpy as np
import torch

from nolab.grid import Domain
from nolab.mesh import MeshFields, MeshSize, padded, vertex_weights
from nolab.problems._description import Description, stream
from nolab.problems._ring_elements import ring_elements
from nolab.problems._rivlin_saunders import RivlinSaunders, von_mises
from nolab.problems._star_shapes import StarCurve, fourier_series
from nolab.problems._stretched_cell import StretchedCell
from nolab.problems._voided_cell import ring_nodes, ring_triangles
from nolab.schema import check

VERSION = "1"

MATERIAL = RivlinSaunders(c1=1.863e5, c2=9.79e3)


@dataclass(frozen=True)
class Options:
    """Everything that a sample depends on besides (seed, split, index)."""

    rings: int = 16
    """Intervals between void and sides on the finest level, which has (rings + 1)·rays points."""
    rays: int = 64
    """Points around the void on the finest level."""
    levels: int = 3
    """Levels; each coarser one has every second ring and ray."""
    modes: int = 10
    """Frequencies k = 0 … modes of r̃."""
    traction: float = 100.0
    """Pull at y = 1, in Pa."""

    def __post_init__(self) -> None:
        check(1 <= self.levels <= 5, "levels", self.levels, "from 1 to 5")
        ratio = 2 ** (self.levels - 1)
        check(
            2 <= self.rings <= 32 and self.rings % ratio == 0,
            "rings",
            self.rings,
            f"from 2 to 32 and divisible by {ratio}, 2^(levels - 1)",
        )
        check(
            8 <= self.rays <= 256 and self.rays % (8 * ratio) == 0,
            "rays",
            self.rays,
            f"at most 256 and divisible by {8 * ratio}, 8·2^(levels - 1), so that the corners are points",
        )
        check(1 <= self.modes <= 32, "modes", self.modes, "from 1 to 32")
        check(1 <= self.traction <= 5e4, "traction", self.traction, "from 1 to 5e4")

    def sizes(self) -> list[tuple[int, int]]:
        """(rings, rays) of each level, coarsest first."""
        return [(self.rings >> k, self.rays >> k) for k in reversed(range(self.levels))]


def describe(options: Options) -> Description:
    """Names, units and levels of the fields."""
    meshes = tuple(_size(rings, rays) for rings, rays in options.sizes())
    return Description(
        domain=Domain.cloud((0.0, 1.0), (0.0, 1.0)),
        shape=(meshes[-1].points,),
        input_names=("void_distance",),
        output_names=("stress",),
        units={"void_distance": "1", "stress": "Pa"},
        meshes=meshes,
        nested=True,
    )


def generate(
    options: Options, seed: int, split: str, indices: range, device: torch.device
) -> list[MeshFields]:
    """Samples `indices` of a split at each level; they depend on (options, seed, split, index) alone.

    The direct solver runs on the CPU, whatever `device` is.

    Raises
    ------
    InputError : unknown split.
    RunFailure : Newton's method has not converged.
    """
    samples = [_sample(options, random_void(options.modes, stream(seed, split, i))) for i in indices]
    levels = zip(*samples, strict=True)
    return [padded(fields, _size(*size)) for fields, size in zip(levels, options.sizes(), strict=True)]


def random_void(modes: int, generator: np.random.Generator) -> StarCurve:
    """The void's boundary around the cell's centre, r = 0.2 + 0.2/(1 + exp(r̃)).

    r̃ is the Karhunen–Loève sum over the eigenfunctions 1/√2π, cos(kθ)/√π and sin(kθ)/√π, of variances 16/(k² + 9).
    """
    k = np.arange(1, modes + 1)
    std = 4 / np.sqrt(np.pi * (k**2 + 9))
    mean = 4 / 3 / np.sqrt(2 * np.pi) * generator.standard_normal()
    cosines, sines = (std[:, None] * generator.standard_normal((modes, 2))).T

    def radius(theta: np.ndarray) -> np.ndarray:
        return 0.2 + 0.2 / (1 + np.exp(mean + fourier_series(theta, cosines, sines)))

    return StarCurve(radius)


def solve(void: StarCurve, rings: int, rays: int, traction: float) -> np.ndarray:
    """The von Mises stress (rings + 1, rays), in Pa, at the nodes of :func:`nolab.problems._voided_cell.ring_nodes`.

    Raises
    ------
    RunFailure : Newton's method has not converged.
    """
    places = ring_nodes(void, 2 * rings, 4 * rays).reshape(-1, 2)
    cell = StretchedCell.of(ring_elements(2 * rings, 4 * rays), MATERIAL, places)
    stress = von_mises(cell.stress(cell.pulled(traction)))
    return stress.reshape(2 * rings + 1, 4 * rays)[::2, ::4]


def _sample(options: Options, void: StarCurve) -> list[MeshFields]:
    """One sample at each level, without a leading axis."""
    places = ring_nodes(void, options.rings, options.rays)
    stress = solve(void, options.rings, options.rays, options.traction)
    return [_fields(void, places, stress, options.rings // rings) for rings, _ in options.sizes()]


def _fields(void: StarCurve, places: np.ndarray, stress: np.ndarray, step: int) -> MeshFields:
    """The fields at every `step`-th ring and ray."""
    rings, rays = (len(places) - 1) // step, places.shape[1] // step
    coords = places[::step, ::step].reshape(-1, 2)
    cells = ring_triangles(rings, rays)
    return MeshFields(
        void.distance(coords - 0.5)[None],
        stress[::step, ::step].reshape(1, -1),
        coords,
        vertex_weights(coords, cells),
        cells,
    )


def _size(rings: int, rays: int) -> MeshSize:
    return MeshSize((rings + 1) * rays, 2 * rings * rays)
