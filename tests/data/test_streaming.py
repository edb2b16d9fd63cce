"""Streaming: what is read and when, what happens when it fails, and how much memory it takes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from batcher_support import N, nodal, opened

from nolab import cli
from nolab.data.arrays import ArraySource
from nolab.data.hierarchy import Hierarchy
from nolab.data.store import StoreChunk, StoreMeta, write_store
from nolab.data.streaming import StreamingBatcher
from nolab.errors import InputError, RunFailure
from nolab.grid import Domain
from nolab.plan import Term


class Watched(ArraySource):
    """A source whose reads are noted, and fail with `error` once it is set."""

    error = None

    def read(self, split, shape, indices=None):
        type(self).reads.append((shape, list(indices)))
        if self.error is not None:
            raise self.error
        return super().read(split, shape, indices)


@pytest.fixture
def watched() -> tuple[type[Watched], Hierarchy]:
    """The class of a source that is watched, its reads so far, and its hierarchy."""
    source, hierarchy = nodal()
    kind = type("Fresh", (Watched,), {"reads": []})
    return kind(source.domain, source.data, source.input_names, source.output_names), hierarchy


def term(level: int, *indices: int) -> Term:
    return Term(level, np.array(indices), np.ones(len(indices)))


def test_prefetched_samples_are_read_once_and_ahead(watched) -> None:
    source, hierarchy = watched
    with opened(source, hierarchy, "stream", gib=0.0) as (batcher, _):
        source.reads.clear()
        batcher.prefetch((term(0, 4, 4, 1), term(0, 4, 4, 1)))
        batcher.prefetch((term(0, 4, 4, 1),))
        batcher.get(0, np.array([4, 4, 1]))
        batcher._streaming._reader.submit(lambda: None).result()  # all that was asked for is read
        assert source.reads == [((17, 17), [1, 4])]
        batcher.get(0, np.array([4, 4, 1]))
        assert len(source.reads) == 2


def test_two_plans_at_most_are_read_ahead(watched) -> None:
    source, hierarchy = watched
    with opened(source, hierarchy, "stream") as (batcher, _):
        for step in range(8):
            batcher.prefetch((term(2, step), term(2, step + 1, step)))
            assert len(batcher._streaming._pending) <= 4


def test_a_coarse_step_reads_nothing_of_the_fine_grid(watched) -> None:
    source, hierarchy = watched
    with opened(source, hierarchy, "stream") as (batcher, _):
        assert sorted({i for _, rows in source.reads for i in rows}) == list(range(N))  # once, when it opens
        assert len([i for _, rows in source.reads for i in rows]) == N
        source.reads.clear()
        for level in (0, 1):
            batcher.prefetch((term(level, 3, 1),))
            batcher.get(level, np.array([3, 1]))
        assert source.reads == []
        batcher.get(2, np.array([3, 1]))
        assert source.reads == [((17, 17), [1, 3])]


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("error", [InputError("x.h5: ends at byte 7"), OSError(5, "Input/output error")])
def test_a_source_that_fails_is_a_run_failure(watched, ahead: bool, error: Exception) -> None:
    source, hierarchy = watched
    with opened(source, hierarchy, "stream") as (batcher, _):
        object.__setattr__(source, "error", error)
        if ahead:
            batcher.prefetch((term(2, 1), term(2, 2)))
        for row in (1, 2):
            with pytest.raises(RunFailure, match=r"data cannot be read any more: .*(byte 7|Input/output)"):
                batcher.get(2, np.array([row]))


@pytest.mark.parametrize("fails", [True, False])
def test_the_thread_ends_with_the_batcher(watched, fails: bool) -> None:
    source, hierarchy = watched
    before = set(threading.enumerate())
    with opened(source, hierarchy, "stream") as (batcher, _):
        if fails:
            object.__setattr__(source, "error", OSError("gone"))
        for step in range(3):
            batcher.prefetch((term(2, step),))
        assert set(threading.enumerate()) != before
    assert set(threading.enumerate()) == before
    assert not batcher._streaming._pending


def test_a_store_cut_short_in_training_ends_the_run_with_the_reason(
    tiny, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Not with a hang, not with a traceback."""
    prefetch, calls = StreamingBatcher.prefetch, []

    def cut(self, plan) -> None:
        calls.append(plan)
        if len(calls) == 3:
            (store,) = (tmp_path / "data").rglob("*.h5")
            os.truncate(store, store.stat().st_size // 2)
        prefetch(self, plan)

    monkeypatch.setattr(StreamingBatcher, "prefetch", cut)
    arguments = tiny("+dataset.residency=stream", f"data_dir={tmp_path / 'data'}", "budget.steps=50")
    assert cli.main(["train", *arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("nolab: the training data cannot be read any more: ")
    assert "has been cut short since it was opened" in error
    assert not [t for t in threading.enumerate() if t.name.startswith("nolab-reader")]


MEMORY = """
import sys
from pathlib import Path
import numpy as np, torch
from nolab.data.batcher import open_batcher
from nolab.data.hierarchy import HierarchyOptions, build_hierarchy
from nolab.data.store import Store
from nolab.plan import Term

def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024

source = Store(sys.argv[1])
hierarchy = build_hierarchy(HierarchyOptions(count=3), source.domain, (129, 129), source.shapes("train"))
n = source.count("train")
torch.set_num_threads(1)

def peak(residency, gib):
    rng = np.random.default_rng(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = status("VmRSS")
    batcher, _ = open_batcher(source, "train", hierarchy, torch.device("cpu"), residency, gib)
    for step in range(12):
        batcher.prefetch(tuple(Term(level, rng.choice(n, 16, False), np.ones(16)) for level in range(3)))
        batcher.get(int(rng.integers(3)), rng.choice(n, 16, False))
    batcher.close()
    return status("VmHWM") - before

for case in sys.argv[2:]:
    residency, gib = case.split("=")
    print(peak(residency, float(gib)))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 128 MiB of samples."""
    path, shape, count = tmp_path_factory.mktemp("large") / "a.h5", (129, 129), 1008
    names = {"input_names": ("a",), "output_names": ("u",), "units": {"a": "1", "u": "1"}}
    meta = StoreMeta("demo", {}, "1", 0, Domain.unit(2), **names, counts={"train": count}, shapes=(shape,))
    rng = np.random.default_rng(0)

    def chunks():
        for _ in range(count // 16):
            yield StoreChunk("train", shape, *rng.random((2, 16, 1, *shape), dtype=np.float32))

    write_store(path, meta, chunks())
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_stays_within_the_budget(large: Path) -> None:
    """Budgets that hold one and two of the three levels; and data in memory, which this must tell from it."""
    budgets = {"auto=0.012": 0.012, "auto=0.045": 0.045, "host=0": 0.045}
    command = [sys.executable, "-c", MEMORY, str(large), *budgets]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Two plans of 16 samples per level, in float64 where they are normalised, and blocks of 4 MiB.
    batches, blocks = 2 * 3 * 16 * 129**2 * 8 * (1 + 2), 6 * 4 * 2**20
    bounds = [gib * 2**30 + batches + blocks for gib in budgets.values()]
    peaks = [int(line) for line in done.stdout.splitlines()]
    assert [peak <= bound for peak, bound in zip(peaks, bounds, strict=True)] == [True, True, False]
    assert peaks[0] < large.stat().st_size
