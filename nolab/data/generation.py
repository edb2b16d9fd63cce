"""Generate a problem's data set once: resumable, the same bytes for any number of workers.

Samples are made in fixed chunks. Each finished chunk is a file of its own in ``<name>.partial/``,
so a process that is killed loses the chunks in flight and no more; when all are there, they are
put together into one store. A lock beside it lets parallel jobs share one generation.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from math import prod
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import filelock
import numpy as np
import torch

from nolab import registry, schema
from nolab.data._progress import SampleProgress, say
from nolab.data._store_format import FORMAT_VERSION, canonical_json, dtype_of
from nolab.data.source import Shape
from nolab.data.store import Store, StoreChunk, StoreMeta, publish, write_store
from nolab.errors import InputError, RunFailure, unknown
from nolab.grid import shape_name
from nolab.problems import SPLITS, Description

CHUNK = 16
"""Most samples that are solved in one batch."""

CHUNK_NODES = 2**20
"""Most grid nodes of one batch of several samples, so that large grids fit in each worker's memory."""

MAX_WORKERS = 16


def ensure_store(
    problem: str,
    options: Mapping,
    *,
    seed: int,
    counts: dict[str, int],
    data_dir: Path,
    device: torch.device,
    workers: int = 0,
    progress: bool = True,
) -> Path:
    """The store of these samples, generated if it is not there yet.

    Equal arguments give equal bytes on one kind of device, whatever `workers` is and however
    often the generation was interrupted.

    Parameters
    ----------
    problem : a module of ``nolab.problems``, or with a dot of the user's own.
    options : keys of the problem's ``Options``.
    seed : seed of all samples, >= 0.
    counts : samples per split, e.g. ``{"train": 512, "test": 100}``.
    data_dir : root of the stores; the file is ``data_dir/<problem>/<size>_<counts>_<seed>-<key>.h5``.
    device : where to solve.
    workers : threads that generate; 0 takes one per core (16 at most), and one on a GPU.
    progress : show progress on stderr.

    Raises
    ------
    InputError : unknown problem, option or split, a value out of range, too little disk space, a
        file of this name that is no such store.
    RunFailure : the problem's solver failed, or the files cannot be written.
    """
    module = registry.load("nolab.problems", problem, key="dataset.problem")
    parsed = schema.from_mapping(module.Options, options, "dataset")
    schema.check(seed >= 0, "seed", seed, "0 or more")
    schema.check(workers >= 0, "workers", workers, "0 (one per core) or more")
    schema.check(isinstance(module.VERSION, str), f"{problem}.VERSION", module.VERSION, "a text")
    description = module.describe(parsed)
    meta = _meta(problem, module, parsed, description, seed, _check_counts(counts))
    chunk = _chunk_size(description)
    path = Path(data_dir) / problem / _file_name(meta, chunk)
    job = _Job(module, parsed, meta, chunk, path.with_suffix(".partial"), device)
    if path.exists() and not job.folder.exists():
        return _check_existing(path, meta)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            if path.exists():  # made meanwhile, or by a process that was killed before it had tidied up
                shutil.rmtree(job.folder, ignore_errors=True)
                return _check_existing(path, meta)
            _generate(job, path, workers, progress)
    except KeyboardInterrupt:
        say(f"{path}: interrupted. Finished samples are kept; the same command goes on from there.")
        raise
    except OSError as error:
        raise RunFailure(
            f"{path}: cannot be written ({error}). Finished samples are kept: free some space, and the same "
            "command goes on from there."
        ) from error
    return path


class _Chunk(NamedTuple):
    """Consecutive samples of one split, the unit of generation."""

    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclasses.dataclass(frozen=True)
class _Job:
    """What is generated, and the folder of its finished chunks."""

    module: ModuleType
    options: object
    meta: StoreMeta
    chunk: int
    folder: Path
    device: torch.device

    @property
    def chunks(self) -> list[_Chunk]:
        return [
            _Chunk(split, start, min(start + self.chunk, count))
            for split, count in self.meta.counts.items()
            for start in range(0, count, self.chunk)
        ]

    @property
    def names(self) -> list[tuple[Shape, tuple[str, ...]]]:
        """The grids, and the names of their fields."""
        return [(shape, self.meta.fields(shape)) for shape in self.meta.shapes]

    def file(self, chunk: _Chunk) -> Path:
        return self.folder / f"{chunk.split}-{chunk.start:08d}.npz"

    def make(self, chunk: _Chunk) -> int:
        """Generate one chunk and save it; returns its number of samples."""
        samples = range(chunk.start, chunk.stop)
        made = self.module.generate(self.options, self.meta.seed, chunk.split, samples, self.device)
        fields = self._named(made if self.meta.meshes else [made])
        if not self._fits(chunk, fields):
            raise RunFailure(
                f"{self.meta.problem}: samples {chunk.start}..{chunk.stop - 1} of '{chunk.split}' are not "
                f"finite float32 fields of the described shape. Try options that are less extreme."
            )
        path = self.file(chunk)
        temporary = path.with_suffix(".tmp")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **fields)
            publish(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return len(chunk)

    def load(self, chunk: _Chunk) -> dict[str, np.ndarray] | None:
        """The fields of a finished chunk; None if it is missing or damaged."""
        try:
            # np.load alone would leave a file open that turns out to be cut short.
            with open(self.file(chunk), "rb") as file, np.load(file, allow_pickle=False) as saved:
                fields = dict(saved)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return fields if self._fits(chunk, fields) else None

    def store_chunks(self, chunk: _Chunk) -> Iterator[StoreChunk]:
        """A finished chunk on every grid, as the store takes it.

        Raises
        ------
        RunFailure : it was damaged meanwhile.
        """
        fields = self.load(chunk)
        if fields is None:
            raise RunFailure(f"{self.file(chunk)}: was damaged meanwhile. The same command makes it again.")
        for shape, names in self.names:
            yield StoreChunk(chunk.split, shape, *(fields[_key(shape, name)] for name in names))

    def _named(self, made: list[tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
        return {
            _key(shape, name): values
            for (shape, names), fields in zip(self.names, made, strict=True)
            for name, values in zip(names, fields, strict=False)  # a mesh without cells ends before them
        }

    def _fits(self, chunk: _Chunk, fields: dict[str, np.ndarray]) -> bool:
        expected = {
            _key(shape, name): (dtype_of(name), (len(chunk), *self.meta.sample_shape(shape, name)))
            for shape, names in self.names
            for name in names
        }
        return fields.keys() == expected.keys() and all(
            (values.dtype, values.shape) == expected[key] and np.isfinite(values).all()
            for key, values in fields.items()
        )


def _key(shape: Shape, name: str) -> str:
    return f"{shape_name(shape)}/{name}"


def _generate(job: _Job, path: Path, workers: int, progress: bool) -> None:
    """Make the chunks that are missing, then the store."""
    job.folder.mkdir(exist_ok=True)
    missing = [chunk for chunk in job.chunks if job.load(chunk) is None]
    total, left = sum(job.meta.counts.values()), sum(map(len, missing))
    _check_space(job, left / total)
    label = f"{job.meta.problem} {shape_name(job.meta.shapes[-1])}"
    with SampleProgress(label, total, total - left, progress) as shown, _single_threaded():
        _make_all(job, missing, _worker_count(workers, job.device), shown)
    write_store(path, job.meta, _finished(job))
    shutil.rmtree(job.folder)


def _make_all(job: _Job, chunks: list[_Chunk], workers: int, shown: SampleProgress) -> None:
    # OpenMP's thread count belongs to the thread that sets it, hence the initializer.
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for future in as_completed([pool.submit(job.make, chunk) for chunk in chunks]):
            shown.advance(future.result())
    finally:
        # After an error or an interrupt only the chunks in flight are finished.
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """One torch thread per worker: sums are then taken in one order, whatever the workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _finished(job: _Job) -> Iterator[StoreChunk]:
    for chunk in job.chunks:
        yield from job.store_chunks(chunk)


def _worker_count(workers: int, device: torch.device) -> int:
    if device.type != "cpu":
        return 1
    if workers:
        return workers
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of one store, waiting for another process that generates it."""
    lock = filelock.FileLock(path.with_name(path.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        say(f"{path}: another process generates the same data; waiting for it.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _check_counts(counts: dict[str, int]) -> dict[str, int]:
    """The counts in the fixed order of the splits."""
    for split, count in counts.items():
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        schema.check(count >= 1, f"dataset.{split}", count, "1 or more samples")
    schema.check(bool(counts), "counts", counts, "samples for at least one split")
    return {split: int(counts[split]) for split in SPLITS if split in counts}


def _meta(
    problem: str,
    module: ModuleType,
    options: object,
    described: Description,
    seed: int,
    counts: dict[str, int],
) -> StoreMeta:
    return StoreMeta(
        problem=problem,
        # As they will be read back from the file: tuples become lists.
        parameters=json.loads(canonical_json(dataclasses.asdict(options))),
        version=module.VERSION,
        seed=seed,
        domain=described.domain,
        input_names=described.input_names,
        output_names=described.output_names,
        units=described.units,
        counts=counts,
        shapes=described.shapes,
        input_axes=described.input_axes,
        meshes=described.meshes,
        nested=described.nested,
    )


def _chunk_size(described: Description) -> int:
    """Samples per chunk: the same on every machine, since their last bits depend on it."""
    most = max(1, min(CHUNK, CHUNK_NODES // prod(described.shape)))
    return max(1, most // described.together) * described.together


def _file_name(meta: StoreMeta, chunk: int) -> str:
    layout = (FORMAT_VERSION, chunk)
    key = (meta.problem, meta.parameters, meta.seed, meta.counts, meta.version, layout)
    digest = hashlib.sha256(canonical_json(key).encode()).hexdigest()[:8]
    counts = "_".join(f"{split}{count}" for split, count in meta.counts.items())
    return f"{shape_name(meta.shapes[-1])}_{counts}_seed{meta.seed}-{digest}.h5"


def _check_existing(path: Path, meta: StoreMeta) -> Path:
    if Store(path).meta != meta:
        raise InputError(f"{path}: holds other data than its name says. Delete it and generate it again.")
    return path


def _check_space(job: _Job, share_left: float) -> None:
    """The chunks that are left and the store, which exist side by side for a moment."""
    needed, free = int(job.meta.nbytes() * (1 + share_left)), shutil.disk_usage(job.folder).free
    if needed > free:
        raise InputError(
            f"{job.folder.parent}: generating needs {needed / 2**30:.3g} GiB, {free / 2**30:.3g} GiB "
            "are free. Free some, ask for fewer samples or a lower resolution, or choose another data_dir."
        )
