"""`nolab pareto` as people call it."""

import csv
import json
import os
import subprocess
import sys

import pytest
from compare_support import make_run

from nolab.cli import main

GROUPS = {"coarse": (10.0, 0.3), "fine": (100.0, 0.1), "mlmc": (50.0, 0.08), "mixed": (60.0, 0.2)}


@pytest.fixture(scope="module")
def races(tmp_path_factory):
    """Four groups of three seeds, twelve unfinished runs and a damaged one."""
    folder = tmp_path_factory.mktemp("races")
    for name, (seconds, error) in GROUPS.items():
        for seed in range(3):
            make_run(
                folder / f"{name}{seed}", [f"sampling={name}", f"seed={seed}"], error=error, seconds=seconds
            )
    for i in range(12):
        make_run(folder / f"begun{i:02}", finished=False)
    (make_run(folder / "damaged") / "summary.json").write_text("{")
    return folder


def test_everything_that_a_user_sees(nolab, races):
    done = nolab("pareto", str(races))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "relative L2 error"
    assert any(line.split() == ["A", "●", "coarse", "3", "10.0", "0.300"] for line in lines)
    assert any(line.split() == ["B", "●", "mlmc", "3", "50.0", "0.0800"] for line in lines)
    assert any(line.split() == ["C", "mixed", "3", "60.0", "0.200"] for line in lines)
    assert any("training time [s]" in line and "runs" in line for line in lines)
    assert any(line.startswith("● on the Pareto front. Hypervolume 0.") for line in lines)
    # mlmc's error, falling from 0.4 at 5 s to 0.08 at 50 s in ten evaluations, is <= 0.1 at the tenth.
    assert any(line.split() == ["D", "fine", "(baseline)", "100", "90.0", "80.0"] for line in lines)
    assert any(line.split() == ["B", "mlmc", "50.0", "40.0", "35.0"] for line in lines)
    assert any(line.split() == ["C", "mixed", "missed", "missed", "60.0"] for line in lines)
    assert any(line.split() == ["B", "mlmc", "2.00×", "0.0800", "0.80×"] for line in lines)
    assert max(map(len, lines)) <= 100


def test_skipped_runs_are_named_ten_at_most(nolab, races):
    done = nolab("pareto", str(races), "--no-plot")
    skipped = [line for line in done.stderr.splitlines() if line.startswith("skipped: ")]
    assert len(skipped) == 10
    assert skipped[0].endswith("begun00: unfinished")
    assert "… and 3 more" in done.stderr
    done = nolab("pareto", *map(str, (races / "damaged", races / "fine0")), "--no-plot")
    assert "damaged: summary.json: damaged: " in done.stderr


def test_json_and_nothing_else(nolab, races):
    done = nolab("pareto", str(races), "--json", "--x", "cost/samples", "--target", "0.25", "0.01")
    assert done.stderr == ""
    data = json.loads(done.stdout)
    assert [group["label"] for group in data["groups"] if group["front"]] == ["mlmc"]  # samples: equal
    assert data["targets"]["errors"] == [0.25, 0.01]
    assert [cell["runs"] for cell in data["targets"]["groups"][0]["reached"]] == [3, 0]
    assert len(data["skipped"]) == 13


def test_files(nolab, races, tmp_path):
    done = nolab(
        "pareto",
        str(races),
        "--no-plot",
        "--csv",
        "table.csv",
        "--figure",
        "front.png",
        "front.svg",
        "front.pdf",
    )
    assert done.returncode == 0, done.stderr
    assert "┤" not in done.stdout
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["group"], row["front"]) for row in rows] == [
        ("coarse", "1"), ("mlmc", "1"), ("mixed", "0"), ("fine", "0"),
    ]  # fmt: skip
    assert float(rows[0]["cost/train_s median"]) == 10.0
    assert (tmp_path / "front.png").stat().st_size > 10_000
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "fine (baseline)</text>" in (tmp_path / "front.svg").read_text()
    assert (tmp_path / "front.pdf").read_bytes().startswith(b"%PDF")


def test_an_output_that_knows_ascii_only(nolab, races):
    done = nolab("pareto", str(races), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "A *  coarse" in done.stdout


def test_a_label_that_the_output_can_not_show(nolab, tmp_path):
    for i, value in enumerate(("größer", "kleiner")):
        make_run(tmp_path / "runs" / str(i), [f"sampling={value}"], seconds=10.0 + i)
    done = nolab("pareto", "runs", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "gr??er" in done.stdout


def test_brackets_in_labels_are_no_markup(nolab, tmp_path):
    for i, value in enumerate(("[bold]", "[/red]")):
        make_run(tmp_path / "runs" / str(i), [f"sampling='{value}'"], error=0.1 / (i + 1), seconds=10.0 + i)
    done = nolab("pareto", "runs")
    assert done.returncode == 0, done.stderr
    assert "[bold]" in done.stdout
    assert "[/red]" in done.stdout


def test_options_that_choose(nolab, races):
    done = nolab(
        "pareto", str(races), "--no-plot", "--where", "sampling=mlmc,mixed", "--baseline", "sampling=mixed",
        "--by", "sampling", "--reference", "100", "0.4",
    )  # fmt: skip
    assert "Hypervolume 0.400 of [0, 100] x [0, 0.400]; the baseline alone 0.200" in done.stdout
    assert "coarse" not in done.stdout


def test_pytorch_is_not_imported(races, tmp_path):
    arguments = ["pareto", str(races), "--figure", str(tmp_path / "a.png")]
    code = f"import sys; from nolab.cli import main; main({arguments}); assert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr


BAD = [
    # (arguments after the folder, what the message has to say)
    (["--x", "cost/train"], ["figure: 'cost/train'", "Did you mean 'cost/train_s'?"]),
    (["--y", "final/rel_l3"], ["Did you mean 'final/rel_l2'?"]),
    (["--y", "final/r2"], ["larger is better"]),
    (["--by", "sampeling"], ["Did you mean 'sampling'?"]),
    (["--where", "dleta=2"], ["Did you mean 'delta'?"]),
    (["--where", "sampling=adaptive"], ["no run has sampling=adaptive"]),
    (["--where", "sampling"], ["write KEY=VALUE"]),
    (["--baseline", "sampling=fine,mlmc"], ["selects 2 of the groups", "mlmc; fine"]),
    (["--target", "0"], ["target: 0", "> 0"]),
    (["--target", "many"], ["--target", "many"]),
    (["--reference", "1"], ["--reference"]),
    (["--figure", "front.jpg"], ["jpg", "png, svg, pdf"]),
    (["--figure", "front"], ["png, svg, pdf"]),
    (["--figure", "missing/front.png"], ["no such folder: missing"]),
    (["--csv", "missing/table.csv"], ["no such folder: missing"]),
    (["--csv", "."], ["not a plain file"]),
    (["--jsn"], ["--jsn", "nolab pareto --help"]),
]


@pytest.mark.parametrize(
    ("arguments", "parts"), BAD, ids=lambda value: " ".join(value) if value[0][:2] == "--" else ""
)
def test_bad_input(races, tmp_path, monkeypatch, capsys, arguments, parts):
    monkeypatch.chdir(tmp_path)
    assert main(["pareto", str(races), *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("nolab: ")
    assert message.count("\n") == 1
    for part in parts:
        assert part in message
    assert list(tmp_path.iterdir()) == []


def test_folders_without_finished_runs(nolab, tmp_path):
    assert "missing: no such folder" in nolab("pareto", "missing").stderr
    (tmp_path / "empty").mkdir()
    assert "no runs in empty" in nolab("pareto", "empty").stderr
    make_run(tmp_path / "begun", finished=False)
    done = nolab("pareto", "begun")
    assert done.returncode == 2
    assert "no finished run, 1 skipped (begun: unfinished)" in done.stderr
