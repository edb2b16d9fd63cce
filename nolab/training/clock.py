"""A clock with buckets: only `train` counts as training time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import torch

from nolab.device import synchronize
from nolab.saved import number

Bucket = Literal["train", "eval", "log", "warmup"]


class Clock:
    """Device-synchronised seconds per bucket.

    Time runs in one bucket at a time; switching waits for the device, so that queued work is
    charged to the bucket that queued it. Between switches nothing synchronises.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds = dict.fromkeys(get_args(Bucket), 0.0)
        self._bucket: Bucket | None = None
        self._since = 0.0

    @contextmanager
    def running(self, bucket: Bucket) -> Iterator[None]:
        """Charge the block to `bucket`; an outer block's bucket goes on afterwards."""
        outer = self._bucket
        self._switch(bucket)
        try:
            yield
        finally:
            self._switch(outer)

    def seconds(self, bucket: Bucket) -> float:
        """Seconds so far, the running block included (without waiting for the device)."""
        running = time.perf_counter() - self._since if self._bucket == bucket else 0.0
        return self._seconds[bucket] + running

    def state_dict(self) -> dict[str, float]:
        """Seconds of every bucket, for checkpoints."""
        return {bucket: self.seconds(bucket) for bucket in self._seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from the seconds of a checkpoint."""
        self._seconds.update({bucket: number(state[bucket], bucket) for bucket in self._seconds})

    def _switch(self, bucket: Bucket | None) -> None:
        synchronize(self._device)
        now = time.perf_counter()
        if self._bucket is not None:
            self._seconds[self._bucket] += now - self._since
        self._bucket, self._since = bucket, now
