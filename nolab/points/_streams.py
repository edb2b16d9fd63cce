"""Random numbers of points: a pure function of (seed, step)."""

import torch

_MASK = 2**64 - 1


class Streams:
    """The generators of a scheme, one per device, seeded anew for every step.

    Generators are kept because making one costs more than seeding it; PyTorch's own, from which
    initialisation draws, is left alone.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def at(self, step: int, device: torch.device) -> torch.Generator:
        """The generator at the beginning of its stream for `step`."""
        generator = self._generators.get(device)
        if generator is None:
            generator = self._generators[device] = torch.Generator(device)
        return generator.manual_seed(mixed(self._seed, step))


def mixed(seed: int, number: int) -> int:
    """A seed for each (seed, number), 63 bits.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied to one after the other: every
    bit depends on all bits given. PyTorch's generator on a CPU takes only the low 32.
    """
    return _finalise(_finalise(seed) + number) >> 1


def _finalise(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
