"""Terms of a step replayed as CUDA graphs: one launch for each, whatever the number of its kernels.

A coarse level's kernels take less time than their launches, so without graphs it costs what the
launches cost and not what its arithmetic does.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Run = Callable[..., tuple[Tensor, ...]]
"""Tensors in, tensors out; adds to the parameters' gradients and never waits for the device."""
Capture = Callable[[Callable[[], tuple[Tensor, ...]]], tuple[Callable[[], None], tuple[Tensor, ...]]]
"""A call without arguments to its replay, and the tensors into which every replay writes."""

LIMIT = 64
"""Graphs that are kept; what comes after them (a growing N_eval makes many) runs without one."""
_WARM_UP = 3


class CudaCapture:
    """Records calls as CUDA graphs, which share their memory since they run one after another."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(
        self, run: Callable[[], tuple[Tensor, ...]]
    ) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # workspaces and constants are made before the recording
            for _ in range(_WARM_UP):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            outputs = run()
        return graph.replay, outputs


@dataclass(frozen=True)
class _Graph:
    inputs: tuple[Tensor, ...]
    replay: Callable[[], None]
    outputs: tuple[Tensor, ...]


class TermGraphs:
    """Runs calls that differ in the numbers only from one recording per key and shapes.

    Recordings add to gradients at fixed addresses, so between steps gradients are to be zeroed, not
    dropped; those that were dropped are put back, as zeros.

    Parameters
    ----------
    parameters : whose gradients the calls add to.
    capture : how a call is recorded.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], capture: Capture) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._gradients = [torch.zeros_like(p) for p in self._parameters]
        self._capture = capture
        self._graphs: dict[Hashable, _Graph] = {}

    def __call__(self, key: Hashable, inputs: Sequence[Tensor], run: Run) -> tuple[Tensor, ...]:
        """``run(*inputs)``; `key` names everything that it depends on besides them."""
        self._put_back_gradients()
        full = key, tuple((tuple(x.shape), x.dtype) for x in inputs)
        if full not in self._graphs:
            if len(self._graphs) >= LIMIT:
                return run(*inputs)
            self._graphs[full] = self._record(inputs, run)
        graph = self._graphs[full]
        for fixed, given in zip(graph.inputs, inputs, strict=True):
            fixed.copy_(given, non_blocking=True)
        graph.replay()
        return tuple(output.clone() for output in graph.outputs)  # the next replay overwrites them

    def _record(self, inputs: Sequence[Tensor], run: Run) -> _Graph:
        fixed = tuple(x.clone() for x in inputs)
        before = [gradient.clone() for gradient in self._gradients]
        replay, outputs = self._capture(lambda: run(*fixed))  # runs it, too
        for gradient, kept in zip(self._gradients, before, strict=True):
            gradient.copy_(kept)
        return _Graph(fixed, replay, outputs)

    def _put_back_gradients(self) -> None:
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            if parameter.grad is gradient:
                continue
            if parameter.grad is None:
                gradient.zero_()
            else:
                gradient.copy_(parameter.grad)
            parameter.grad = gradient
