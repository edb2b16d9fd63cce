"""SIGINT and SIGTERM as a request to stop after the current step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StopRequest:
    """Set once a signal has asked for the end."""

    def __init__(self) -> None:
        self.signal: str | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """The first SIGINT or SIGTERM sets the request; a second one acts as it would have before.

    Outside the main thread, where Python allows no handlers, the request is never set.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    watched = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in watched}

    def handle(number: int, frame: object) -> None:
        request.signal = signal.Signals(number).name
        for each in watched:
            signal.signal(each, before[each])

    for number in watched:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        for number in watched:
            signal.signal(number, before[number])
