"""Weights & Biases as a sink that never disturbs the run."""

import atexit
import logging
import shlex
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from nolab.tracking.sinks import Record
from nolab.tracking.wandb_run import WandbRun

log = logging.getLogger(__name__)

_Call = Callable[[WandbRun], Any]

PATIENCE = 60.0
"""Seconds for which the start and the end of a run wait for W&B."""
_EXIT_PATIENCE = 5.0


class WandbSink:
    """The run's figures on W&B (see :class:`WandbRun`), sent by a thread of its own.

    Training only puts records into a queue. It has no bound: a run has about a hundred records and one per
    evaluation, a few KiB each, so that even all of them are nothing beside a model. A call that raises ends the
    sink with one warning, a call that hangs holds up the thread alone. The start is waited for, so
    that nothing runs beside the measurements of a run's costs, and so is the end, `patience` seconds each.

    Parameters
    ----------
    patience : seconds, for the start and for the end.
    """

    def __init__(
        self,
        run_dir: Path,
        config: dict[str, Any],
        *,
        project: str,
        entity: str | None,
        group: str | None,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._closed = False  # nothing more is sent or said
        self._closing = threading.Lock()
        self._unsent: Path | None = None
        started = threading.Event()
        start = partial(WandbRun, run_dir, config, project=project, entity=entity, group=group)
        # A daemon: the interpreter does not wait for it when it exits.
        self._thread = threading.Thread(
            target=self._work, args=(start, started), name="nolab-wandb", daemon=True
        )
        self._thread.start()
        if not started.wait(patience):
            self._give_up(f"no answer for {patience:g} s")

    def log(self, record: Record) -> None:
        self._send(lambda run: run.log(record))

    def image(self, name: str, path: Path) -> None:
        self._send(lambda run: run.image(name, path))

    def finish(self, summary: Record | None) -> None:
        self._send(partial(self._end, summary=summary))
        self._send(None)
        if self._closed:
            return
        self._thread.join(self._patience)
        if self._thread.is_alive():
            self._give_up(f"no answer for {self._patience:g} s")
        elif self._close() and self._unsent is not None:
            log.info("W&B offline: wandb sync %s", shlex.quote(str(self._unsent)))

    def _send(self, call: _Call | None) -> None:
        if not self._closed:
            self._calls.put(call)

    def _end(self, run: WandbRun, summary: Record | None) -> None:
        self._unsent = run.finish(summary)

    def _work(self, start: Callable[[], WandbRun], started: threading.Event) -> None:
        try:
            run = start()
            started.set()
            while (call := self._calls.get()) is not None and not self._closed:
                call(run)
        except BaseException as error:  # W&B's sys.exit too
            self._give_up(" ".join(str(error).split()) or type(error).__name__)
        finally:
            started.set()

    def _give_up(self, reason: str) -> None:
        if self._close():
            _bound_the_exit()
            log.warning("W&B is off for the rest of this run (%s); the files are complete", reason)

    def _close(self) -> bool:
        """Whether this call is the one that closes the sink."""
        with self._closing:
            was_closed, self._closed = self._closed, True
        return not was_closed


def _bound_the_exit() -> None:
    """Bound the time for which W&B holds up the interpreter's exit.

    At exit its library waits for its own process without a limit, and that one may hang or try to reach a server.
    Here the same is done a little earlier, in a thread that is left behind when it takes long.
    """
    leave = _leave()
    atexit.unregister(leave)
    atexit.register(leave)  # what is registered last comes first: before W&B's own


@cache
def _leave() -> Callable[[], None]:
    """What to call at exit. Its thread is there from now on: at exit Python starts none any more."""
    exiting = threading.Event()

    def tear_down() -> None:
        exiting.wait()
        with suppress(BaseException):  # it calls sys.exit with its process's exit code
            import wandb

            wandb.teardown()

    thread = threading.Thread(target=tear_down, name="nolab-wandb-exit", daemon=True)
    thread.start()

    def leave() -> None:
        exiting.set()
        thread.join(_EXIT_PATIENCE)

    return leave
