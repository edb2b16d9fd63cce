"""A process that trains in children of its own and kills them before a chosen change of a file; prints JSON.

    python kills_support.py FOLDER all|CHANGE [CHANGE …]

CHANGE is a part of its name, e.g. "rename .last.pt.tmp": the last such change is meant.

Children are forked, so the imports are paid once; this process itself never runs PyTorch's autograd, which
would not survive a fork.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tests_support import tiny_overrides
from training_support import same_bits

import nolab

MORE = ("dataset.n_train=24", "optimizer.ema=0.9", "neval=20", "evaluation.checkpoint_seconds=1e-9")
"""Every step writes a checkpoint."""
CHANGES = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
CLOCKS = ("clock", "energy", "batch_costs")


def in_child(work: Callable[[], None], kill_before: int | None = None, watched: Path | None = None) -> str:
    """How a child ends that does `work`: killed before its k-th change below `watched`, or the changes that it made."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        changes: list[str] = []

        def hook(event: str, arguments: tuple) -> None:
            if event == "open":
                path, _, flags = arguments
                changing = isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR)
            else:
                changing, path = event in CHANGES, arguments[0] if arguments else None
            if not changing or str(watched) not in os.fsdecode(path):
                return
            if len(changes) == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            changes.append(f"{event} {Path(os.fsdecode(path)).name}")

        code = 1
        try:
            sys.addaudithook(hook)
            work()
            code = 0
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            if code == 0:
                os.write(writer, json.dumps(changes).encode())
            os._exit(code)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "killed"
    return said if os.WEXITSTATUS(status) == 0 else f"failed: {said}"


def next_command(folder: Path) -> Callable[[], None]:
    """What a user does: go on with the run that there is, or start one; nothing if it is finished."""
    runs = sorted(path.parent for path in (folder / "outputs" / "train").glob("*/config.yaml"))

    def command() -> None:
        if runs and (runs[-1] / "summary.json").exists():
            return
        if runs:
            nolab.resume(runs[-1])
        else:
            nolab.train(nolab.compose(tiny_overrides(folder / "data", folder / "outputs", *MORE)))

    return command


def outcome(folder: Path) -> tuple[dict, bytes, list[int], dict]:
    """The last checkpoint but for clocks, the store, the steps of the records, and the summary's errors."""
    (summary,) = (folder / "outputs" / "train").glob("*/summary.json")
    (store,) = (folder / "data").glob("*/*.h5")
    # A run that was killed before it had a config is nobody's, and keeps what it had.
    leftovers = [
        *summary.parent.rglob("*.tmp"),
        *(folder / "data").rglob("*.tmp"),
        *folder.rglob("*.partial"),
    ]
    if leftovers:
        raise AssertionError(f"left behind: {leftovers}")
    state = torch.load(summary.parent / "checkpoints" / "last.pt", weights_only=True)
    records = map(json.loads, (summary.parent / "metrics.jsonl").read_text().splitlines())
    figures = json.loads(summary.read_text())
    kept = {key: value for key, value in figures.items() if key.startswith(("final/", "best/"))}
    return (
        {key: value for key, value in state.items() if key not in CLOCKS},
        store.read_bytes(),
        [record["step"] for record in records],
        kept,
    )


def disturbed(folder: Path, kill_before: int) -> tuple[str, int]:
    """Train, be killed once, go on to the end; returns how the first part ended, and the commands it took."""
    first, commands = in_child(next_command(folder), kill_before, folder), 1
    ended = first
    while ended == "killed":
        ended, commands = in_child(next_command(folder)), commands + 1
    if ended.startswith("failed"):
        raise AssertionError(f"killed before change {kill_before}: {ended}")
    return first, commands


def main(folder: Path, names: list[str]) -> dict:
    whole = folder / "whole"
    changes = json.loads(in_child(next_command(whole), watched=whole))
    expected = outcome(whole)
    rows = []
    instants = (
        []
        if names == ["all"]
        else [max(i for i, change in enumerate(changes) if name in change) for name in names]
    )
    for k in range(len(changes)) if names == ["all"] else instants:
        first, commands = disturbed(folder / str(k), k)
        found = outcome(folder / str(k))
        same = [same_bits(a, b) for a, b in zip(expected, found, strict=True)]
        rows.append({"before": changes[k], "killed": first == "killed", "commands": commands, "same": same})
    return {"changes": changes, "rows": rows}


if __name__ == "__main__":
    torch.set_num_threads(1)
    nolab.training.execution.draw_pictures = lambda *_: None
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2:])))
