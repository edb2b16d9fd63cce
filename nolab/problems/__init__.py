"""PDEs that nolab can generate itself: one file each, with the law of its random inputs.

A problem is a module that defines

* ``Options``: frozen dataclass of everything that its samples depend on besides the seed;
* ``VERSION``: text, changed whenever the same options give other numbers;
* ``describe(options) -> Description``;
* ``generate(options, seed, split, indices, device) -> (inputs, outputs)``: float32 arrays
  (n, C_in, *shape) and (n, C_out, *shape), deterministic in (options, seed, split, indices). On scattered
  points a list of :class:`nolab.mesh.MeshFields`, one per level.
"""

from nolab.problems._description import SPLITS, Description, stream

__all__ = ["SPLITS", "Description", "stream"]
