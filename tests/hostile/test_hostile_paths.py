"""Paths that would lead elsewhere: each is refused, or stays where it was said."""

import os
from pathlib import Path

import numpy as np
import pytest

from nolab.cli import main

HEADER = (
    b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1, 1000, 1000), }"
)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.ones((1, 1, 9, 9)))
    return tmp_path / "x.npy"


@pytest.mark.parametrize("output", ["missing/y.npy", ".", "x.npy/y.npy", "y" * 300 + ".npy"])
def test_a_prediction_that_can_not_be_written(refused, run_dir, inputs, output):
    message = refused("predict", str(run_dir), str(inputs), "--output", str(inputs.parent / output))
    assert "--output: can't write" in message


def test_a_prediction_has_the_name_that_was_given(run_dir, inputs, capsys):
    output = inputs.parent / "y.dat"
    assert main(["predict", str(run_dir), str(inputs), "--output", str(output)]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    assert np.load(output).shape == (1, 1, 9, 9)


@pytest.mark.parametrize(
    "content",
    [
        HEADER.ljust(127) + b"\n",
        b"\x93NUMPY\x01\x00\x40\x00" + b"(" * 64,
        b"\x93NUMPY\x09\x00",
        b"PK\x03\x04",
        b"",
    ],
)
def test_inputs_that_declare_what_they_do_not_hold(refused, run_dir, inputs, content):
    inputs.write_bytes(content)
    assert "not a complete .npy file" in refused("predict", str(run_dir), str(inputs))


@pytest.mark.parametrize(
    ("command", "option"), [("report", "--output"), ("pareto", "--csv"), ("pareto", "--figure")]
)
@pytest.mark.parametrize("output", ["missing/y.png", "."])
def test_a_comparison_that_can_not_be_written(refused, run_dir, tmp_path, command, option, output):
    refused(command, str(run_dir), option, str(tmp_path / output))


def test_a_report_shows_no_picture_of_another_folder(run_dir, tmp_path, monkeypatch):
    from PIL import Image

    from nolab.compare.report.pictures import embedded

    picture = run_dir / "plots" / "prediction.png"
    picture.parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(picture)
    assert embedded(picture) is not None
    os.replace(picture, tmp_path / "private.png")
    picture.symlink_to(tmp_path / "private.png")
    assert embedded(picture) is None
    picture.unlink()
    (tmp_path / "other").mkdir()
    os.replace(tmp_path / "private.png", tmp_path / "other" / "prediction.png")
    picture.parent.rmdir()
    picture.parent.symlink_to(tmp_path / "other")
    assert embedded(picture) is None


def test_a_message_never_steers_the_terminal(refused, run_dir):
    (run_dir / "config.yaml").write_text("name: train\n'\\x1b]0;owned\\x07': 1\n")
    message = refused("evaluate", f"{run_dir}\x1b[2J")
    assert "\x1b" not in message
    assert "\\x1b" in message


def test_a_message_fits_a_screen(refused, run_dir):
    message = refused("evaluate", str(run_dir), "x" * 100_000)
    assert len(message) < 4200
