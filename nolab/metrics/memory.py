"""What autograd keeps for the backward, in bytes: the memory of training where no allocator tells it."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def saved_bytes(run: Callable[[], Any]) -> int:
    """Most bytes that autograd keeps for the backward at any one time while `run` executes.

    Each storage counts once and in full, whatever views of it are kept, and only if it is allocated
    inside `run`: parameters, inputs and constants that are there before do not count. So call `run`
    once before, where it builds constants at its first call.

    Parameters
    ----------
    run : a forward, or forwards and backwards; not compiled.
    """
    with _Allocations() as made:
        ledger = _Ledger(made)
        with torch.autograd.graph.saved_tensors_hooks(ledger.note, lambda tensor: tensor):
            run()
    return ledger.peak


class _Allocations(TorchDispatchMode):
    """Storages that operations inside the block have allocated.

    Weak references: they keep no memory, and no later storage can be taken for one of these.
    """

    def __init__(self) -> None:
        super().__init__()
        self._storages: dict[int, StorageWeakRef] = {}

    def __contains__(self, tensor: Tensor) -> bool:
        return _key(tensor) in self._storages

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = function(*args, **kwargs)
        given = {_key(tensor) for tensor in _tensors((args, kwargs))}
        for tensor in _tensors(out):
            if _key(tensor) not in given:
                self._storages[_key(tensor)] = StorageWeakRef(tensor.untyped_storage())
        return out


class _Ledger:
    """Storages that are kept now, and the most that were at any one time."""

    def __init__(self, made: _Allocations) -> None:
        self.peak = 0
        self._made = made
        self._kept: dict[int, tuple[StorageWeakRef, int]] = {}

    def note(self, tensor: Tensor) -> Tensor:
        """Take down a tensor that autograd saves."""
        if tensor in self._made:
            storage = tensor.untyped_storage()
            self._kept[_key(tensor)] = StorageWeakRef(storage), storage.nbytes()
            self._kept = {key: entry for key, entry in self._kept.items() if not entry[0].expired()}
            self.peak = max(self.peak, sum(size for _, size in self._kept.values()))
        return tensor


def _tensors(tree: Any) -> Iterable[Tensor]:
    return (leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor))


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
