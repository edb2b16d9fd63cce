"""The rows as tables and files."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path
from typing import Any

from nolab.benchmark.picture import draw
from nolab.benchmark.rows import Row
from nolab.tracking.environment import environment
from nolab.tracking.run_directory import create_run_directory, write_json, write_text
from nolab.training.setup import Setup

COLUMNS = [
    "precision",
    "ms/step",
    "samples/s",
    "MiB",
    "output error",
    "gradient error",
    "× neuraloperator",
    "× fp32",
    "memory vs fp32",
]


def tables(rows: list[Row]) -> Iterator[tuple[str, list[list[str]]]]:
    """Title and cells, under :data:`COLUMNS`, of every grid and batch size."""
    for (grid, batch), block in groupby(rows, key=lambda row: (row.grid, row.batch)):
        yield f"{grid}, batches of {batch}", [_cells(row) for row in block]


def remarks(rows: list[Row]) -> list[str]:
    """What has to be known beside the tables, each said once."""
    failures = [
        f"{row.grid}, batches of {row.batch}, {row.name}: {row.failure}" for row in rows if row.failure
    ]
    notes = dict.fromkeys(f"{row.implementation}: {row.note}" for row in rows if row.note)
    return failures + list(notes)


def write_report(rows: list[Row], setup: Setup, config: dict[str, Any]) -> Path:
    """A folder ``<output_dir>/bench/<time>-<random>`` with bench.json, bench.csv and bench.png.

    Parameters
    ----------
    config : the resolved config, the block `bench` included.
    """
    folder = create_run_directory(Path(setup.config.output_dir), "bench")
    write_json(
        folder / "bench.json",
        {
            "rows": [asdict(row) for row in rows],
            "config": config,
            "environment": environment(setup.device),
        },
    )
    write_text(folder / "bench.csv", _csv(rows))
    draw(
        folder / "bench.png",
        rows,
        "peak of a step" if setup.device.type == "cuda" else "kept for the backward",
    )
    return folder


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def _cells(row: Row) -> list[str]:
    if row.failure:
        return [row.name, "failed", *[""] * (len(COLUMNS) - 2)]
    return [
        row.name,
        f"{row.ms_per_step:.2f}",
        f"{row.samples_per_s:,.0f}",
        f"{row.memory_mib:,.2f}",
        _error(row.output_error),
        _error(row.gradient_error),
        _shown(row.speedup_reference, "{:.2f}"),
        _shown(row.speedup_fp32, "{:.2f}"),
        "" if row.memory_change is None else f"{round(row.memory_change, 2) + 0.0:+.0%}",  # no "-0%"
    ]


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _error(value: float | None) -> str:
    finite = value is None or abs(value) < float("inf")
    return _shown(value, "{:.1e}") if finite else "not finite"
