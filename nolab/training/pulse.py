"""What all processes of a run have to know alike after each step: its training time, and whether to stop."""

import torch
from torch import Tensor

from nolab.training.clock import Clock
from nolab.training.ranks import Ranks
from nolab.training.stopping import StopRequest


class Pulse:
    """The first process's training seconds, and whether any process was asked to stop.

    Of a process alone both are as they are now. Of several they travel with the gradients of a step, so that
    all processes end, evaluate and stop after the same one. On CUDA they are read a step late, when they have long
    arrived: the host never waits for the step that it has just launched.
    """

    def __init__(self, ranks: Ranks, clock: Clock, device: torch.device) -> None:
        self._ranks, self._clock, self._device = ranks, clock, device
        self._late: tuple[Tensor, torch.cuda.Event] | None = None
        self._seconds = clock.seconds("train")
        self._request = StopRequest()
        self._stop = False

    def listen(self, request: StopRequest) -> None:
        """Take this process's signals from `request`."""
        self._request = request

    @property
    def seconds(self) -> float:
        """Training seconds by which the run is judged."""
        return self._clock.seconds("train") if self._ranks.is_alone else self._seconds

    @property
    def stop(self) -> bool:
        """Whether the run is to stop now."""
        return bool(self._request) if self._ranks.is_alone else self._stop

    def sent(self) -> tuple[Tensor, ...]:
        """What the next step has to sum over the processes."""
        if self._ranks.is_alone:
            return ()
        seconds = self._clock.seconds("train") if self._ranks.is_first else 0.0
        notes = torch.tensor([seconds, float(bool(self._request))], dtype=torch.float32)
        return (notes.to(self._device, non_blocking=True),)

    def receive(self, notes: tuple[Tensor, ...]) -> None:
        """Take in the sums."""
        if not notes:
            return
        if self._device.type != "cuda":
            self._read(notes[0])
            return
        if self._late is not None:
            host, event = self._late
            event.synchronize()
            self._read(host)
        host = torch.empty(2, pin_memory=True)
        host.copy_(notes[0], non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._late = host, event

    def _read(self, notes: Tensor) -> None:
        seconds, stops = notes.tolist()
        self._seconds, self._stop = seconds, stops > 0
