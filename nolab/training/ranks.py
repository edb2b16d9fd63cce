"""Several processes as one run: the plan is shared out among them, its gradient summed over them.

Every process holds the same model and takes the same steps. A step exchanges once, whatever the number of its
terms: all gradients, and the few numbers that all have to know alike, in one buffer. DistributedDataParallel
exchanges in the backward of a forward that all processes take alike; here one of them may have no sample of a
term, terms may be replayed as graphs, and gradients be kept over steps.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from nolab import processes
from nolab.device import choose_device
from nolab.errors import InputError, RunFailure, first_line
from nolab.plan import Plan

T = TypeVar("T")

_TIMEOUT = timedelta(minutes=30)


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run; alone by default.

    Parameters
    ----------
    rank : number of this process, from 0.
    size : number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run's files and speaks for it."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    def slices(self, plan: Plan) -> list[slice]:
        """This process's samples of each term: equal numbers, and what is left over goes round, finest term first.

        All processes' parts make up the plan, whose gradient is the sum of theirs.
        """
        first, slices = 0, []
        for term in reversed(plan):
            each, over = divmod(len(term.indices), self.size)
            place = (self.rank - first) % self.size
            start = place * each + min(place, over)
            slices.append(slice(start, start + each + (place < over)))
            first += over
        return slices[::-1]

    def part(self, plan: Plan) -> Plan:
        """This process's samples of each term, where it has some."""
        return tuple(
            replace(term, indices=term.indices[own], weights=term.weights[own])
            for term, own in zip(plan, self.slices(plan), strict=True)
            if own.stop > own.start
        )

    def largest_part(self, plan: Plan) -> Plan:
        """As many samples of each term as the process with the most has; the same in all processes."""
        sizes = [-(-len(term.indices) // self.size) for term in plan]
        return tuple(
            replace(term, indices=term.indices[:n], weights=term.weights[:n])
            for term, n in zip(plan, sizes, strict=True)
        )

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over the processes, all in one exchange.

        The sums have the same bits in all processes. Shapes and types are the same in all of them.

        Raises
        ------
        RunFailure : another process has ended.
        """
        if self.is_alone:
            return
        reals = [torch.view_as_real(tensor) if tensor.is_complex() else tensor for tensor in tensors]
        dtype = max((tensor.dtype for tensor in reals), key=lambda dtype: dtype.itemsize)
        flat = torch.cat([tensor.reshape(-1).to(dtype) for tensor in reals])
        with _peers():
            dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in reals])
        torch._foreach_copy_(reals, [part.view(t.shape) for part, t in zip(parts, reals, strict=True)])

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in the first process, in all of them; its error is raised in all of them."""
        if self.is_alone:
            return make()
        made: list[Any] = [None, None]
        if self.is_first:
            try:
                made[0] = make()
            except Exception as error:
                made[1] = error
        with _peers():
            dist.broadcast_object_list(made)
        if made[1] is not None:
            raise made[1]
        return made[0]

    def gathered(self, value: T) -> list[T]:
        """Every process's value, in all of them."""
        if self.is_alone:
            return [value]
        values: list[Any] = [None] * self.size
        with _peers():
            dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Until all processes have come here."""
        self.gathered(None)


ALONE = Ranks()


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """The processes that the launcher started as one run, connected inside the block; :data:`ALONE` without one.

    A process group that exists already is used and left open.

    Parameters
    ----------
    device : of the config; NCCL connects GPUs, Gloo CPUs.

    Raises
    ------
    InputError : the launcher's variables are incomplete, or there is no GPU for this process.
    """
    if dist.is_initialized():
        yield _current()
        return
    if processes.count() == 1:
        yield ALONE
        return
    own = choose_device(device)
    if own.type == "cuda":
        torch.cuda.set_device(own)
    try:
        dist.init_process_group("cuda:nccl,cpu:gloo" if own.type == "cuda" else "gloo", timeout=_TIMEOUT)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"can't join the {processes.count()} processes of the run ({first_line(error)}); "
            f"start them with {processes.TORCHRUN}"
        ) from error
    yield _current()
    # Not after an error: the other processes may never come to this place, and the launcher ends them.
    dist.destroy_process_group()


def _current() -> Ranks:
    return Ranks(dist.get_rank(), dist.get_world_size())


@contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RunFailure(f"another process of the run has ended ({first_line(error)})") from error
