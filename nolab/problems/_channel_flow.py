"""The flow through the channel around the cylinder, from a disturbed start on."""

import numpy as np

from nolab.errors import RunFailure
from nolab.problems._channel_mesh import HEIGHT, RADIUS, channel_mesh
from nolab.problems._incompressible import Stepper
from nolab.problems._taylor_hood import TaylorHood

SPEED_LIMIT = 30.0
"""The mean inflow is 1, and the flow stays below 4."""

KICK = 1.5
"""Of the start: speed across the channel behind the cylinder, without which vortices take long to come."""


class ChannelFlow:
    """A flow on a mesh of its own, in the units of Schäfer and Turek: mean inflow 1, diameter 0.1.

    Parameters
    ----------
    resolution, length, centre : see :func:`nolab.problems._channel_mesh.channel_mesh`.
    reynolds : mean inflow times diameter over viscosity.
    dt : the time step.
    kick : see :data:`KICK`.

    Attributes
    ----------
    velocity, pressure : (2, V) and (P,), now, see :class:`nolab.problems._taylor_hood.TaylorHood`.
    """

    def __init__(
        self,
        resolution: int,
        length: float,
        centre: tuple[float, float],
        reynolds: float,
        dt: float,
        kick: float = KICK,
    ) -> None:
        self.space = TaylorHood(*channel_mesh(resolution, length, centre))
        self.viscosity, self._dt = 2 * RADIUS / reynolds, dt
        x, y = self.space.nodes.T
        fixed = self.space.boundary & ~((x == length) & (y > 0) & (y < HEIGHT))
        self._stepper = Stepper(self.space, self.viscosity, dt, np.stack([fixed, fixed]))
        behind = np.square(x - centre[0] - 2 * RADIUS) + np.square(y - centre[1])
        start = np.stack([inflow(y), kick * np.exp(-behind / RADIUS**2)])
        start[1, fixed] = 0
        start[:, fixed & (x > 0)] = 0
        self._past = start, start, start
        self.pressure = np.zeros(self.space.gradient[0].shape[1])

    @property
    def velocity(self) -> np.ndarray:
        return self._past[0]

    def advance(self, steps: int) -> None:
        """Take so many steps.

        Raises
        ------
        RunFailure : the time step is too large, or the mesh too coarse for the Reynolds number.
        """
        for _ in range(steps):
            after, self.pressure = self._stepper.step(self._past)
            if not abs(after).max() < SPEED_LIMIT:  # catches NaN as well
                raise RunFailure(
                    f"the flow became unstable in time steps of {self._dt:g}; take smaller ones, e.g. "
                    f"dataset.dt={self._dt / 2:.2g}, or raise dataset.solve_resolution"
                )
            self._past = after, *self._past[:2]


def inflow(y: np.ndarray) -> np.ndarray:
    """The parabola of mean 1 across the channel."""
    return 6 * y * (HEIGHT - y) / HEIGHT**2
