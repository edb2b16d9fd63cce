"""`nolab bench`: its tables and files, and what it refuses before anything is measured."""

import csv
import json
from dataclasses import fields
from pathlib import Path

import pytest

import nolab.benchmark.run as run
from nolab.benchmark import COLUMNS, Row
from nolab.benchmark.counterparts import FULL, Variant
from nolab.cli import main

FAST = ("bench.grids=[17]", "bench.batch=[2]", "bench.repeats=1")


@pytest.fixture
def bench(tiny, capsys):
    """Run the command in this process; its output and its folder."""

    def call(*overrides):
        assert main(["bench", *tiny(*FAST, *overrides)]) == 0
        captured = capsys.readouterr()
        return captured, Path(captured.out.splitlines()[-1])

    return call


@pytest.fixture
def refused(tiny, capsys, monkeypatch):
    """The message of a command line that must be refused before anything is measured."""

    def unwanted(*given):
        raise AssertionError("measured")

    def call(*overrides):
        monkeypatch.setattr(run, "_measure", unwanted)
        assert main(["bench", *tiny(*overrides)]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return call


def of_no_fno(overrides: list[str]) -> list[str]:
    """Without the keys of the tiny model."""
    return [override for override in overrides if not override.startswith("model.")]


def rows_of(folder: Path) -> dict[str, Row]:
    rows = [Row(**row) for row in json.loads((folder / "bench.json").read_text())["rows"]]
    return {row.name: row for row in rows}


def test_a_bench_in_a_process_of_its_own(nolab, tiny):
    done = nolab("bench", *tiny(*FAST, "bench.precision=[fp32,half]"))
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert folder.parent.name == "bench"
    assert {path.name for path in folder.iterdir()} == {"bench.json", "bench.csv", "bench.png"}
    assert "measuring 17x17 with batches of 2" in done.stderr
    assert "Warning" not in done.stderr
    rows = rows_of(folder)
    assert list(rows) == ["fp32", "half", "neuraloperator fp32"]
    for row in rows.values():
        assert (row.grid, row.points, row.batch, row.failure) == ("17x17", 289, 2, None)
        missing = [f.name for f in fields(Row) if getattr(row, f.name) is None]
        assert set(missing) <= {"note", "failure"}
        assert 0 < row.ms_min <= row.ms_per_step <= row.ms_max
        assert row.samples_per_s == pytest.approx(2e3 / row.ms_per_step)
    fp32, half = rows["fp32"], rows["half"]
    assert fp32.output_error < 1e-5
    assert fp32.output_error < half.output_error < 0.1
    assert fp32.gradient_error < half.gradient_error < 0.1
    assert (fp32.speedup_fp32, fp32.memory_change) == (1, 0)
    assert rows["neuraloperator fp32"].speedup_reference == 1
    for name in ("17x17, batches of 2", *COLUMNS, *rows):
        assert name in done.stdout


def test_files_say_how_they_were_obtained(bench):
    _, folder = bench("bench.precision=[fp32]", "bench.reference=false")
    result = json.loads((folder / "bench.json").read_text())
    assert result["config"]["bench"]["precision"] == ["fp32"]
    assert result["config"]["model"]["n_modes"] == 4
    assert result["environment"]["device"].startswith("cpu")
    with (folder / "bench.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert list(row) == [field.name for field in fields(Row)]
    assert row["precision"] == "fp32"
    assert row["speedup_reference"] == ""


def test_modes_that_are_left_out_and_models_without_reference_are_said_once(tiny, capsys):
    small = ["model.branch=mlp", "model.branch_hidden=[8]", "model.basis=4", "model.trunk_width=8"]
    given = [*of_no_fno(tiny(*FAST)), "model=deeponet", *small, "bench.batch=[1,2]", "bench.grids=[9]"]
    assert main(["bench", *given]) == 0
    captured = capsys.readouterr()
    assert list(rows_of(Path(captured.out.splitlines()[-1]))) == ["fp32", "amp_bf16"]
    assert captured.err.count("no reference") == 1
    for mode in ("tf32", "half", "mixed"):
        assert captured.err.count(f"left out: bench.precision: {mode} ") == 1


def test_grids_are_the_levels_of_the_hierarchy_by_default(bench):
    captured, _ = bench("bench.grids=null", "bench.precision=fp32", "bench.reference=false", "neval=9")
    assert "9x9, batches of 2" in captured.out
    assert "17x17, batches of 2" in captured.out


def test_a_reference_that_fails_is_a_row(bench, monkeypatch):
    """Half transforms do not exist on a CPU: neuraloperator's own half can't run there."""
    monkeypatch.setattr(run, "variants", lambda modes, device: (FULL, Variant("half", "half", "half")))
    captured, folder = bench("bench.precision=[half]")
    row = rows_of(folder)["neuraloperator half"]
    assert row.failure
    assert row.ms_per_step is None
    assert "17x17, batches of 2, neuraloperator half: " in captured.out
    assert rows_of(folder)["half"].speedup_fp32 is None  # fp32 was not asked for


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["bench.precision=[halff]"], ["bench.precision: 'halff'", "Did you mean 'half'?", "amp_bf16"]),
        (["bench.precison=[half]"], ["bench.precison", "Did you mean 'bench.precision'?"]),
        (["bench.precision=[fp32,tf32]"], ["bench.precision", "tf32", "CUDA", "precision=fp32"]),
        (["bench.precision=[half]", "+model.transform=fft"], ["bench.precision", "half", "transform"]),
        (["bench.grids=[2]"], ["bench.grids[0]", "at least 3 points", "2x2"]),
        (["bench.grids=[[9,9,9]]"], ["bench.grids[0]", "3 sizes", "2 axes"]),
        (["bench.batch=[4,0]"], ["bench.batch", ">= 1", "[4, 0]"]),
        (["bench.repeats=0"], ["bench.repeats", ">= 1"]),
        (["+bench.repeat=3"], ["bench.repeat", "Did you mean 'repeats'?"]),
        (["bench=3"], ["bench", "group of keys"]),
        (["neval=auto"], ["neval", "auto", "null"]),
        (["detla=3"], ["detla", "Did you mean 'delta'?", "bench"]),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(refused, overrides, said):
    message = refused(*overrides)
    assert message.startswith("nolab: ")
    for text in said:
        assert text in message


def test_half_is_refused_for_a_model_without_spectral_layers(tiny, capsys):
    assert main(["bench", *of_no_fno(tiny(*FAST)), "model=deeponet", "bench.precision=[half]"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "bench.precision: half" in message
    assert "spectral layers" in message


def test_a_sweep_makes_a_folder_each(tiny, tmp_path, capsys):
    sweep = ["bench.batch=1,2", "bench.precision=fp32", "bench.reference=false"]
    assert main(["bench", "-m", *tiny("bench.grids=17", "bench.repeats=1", *sweep)]) == 0
    out, err = capsys.readouterr()
    assert "job 1: bench.batch=2\n17x17, batches of 2\n" in out
    assert "2 jobs: 2 finished" in err
    assert len(list((tmp_path / "outputs" / "bench").iterdir())) == 2


def test_train_does_not_know_the_keys_of_a_bench(tiny, capsys):
    assert main(["train", *tiny("bench.repeats=3")]) == 2
    assert "bench.repeats: no such key" in capsys.readouterr().err
