"""The keys of dataset=file: what they mean, what is asked for, what is refused, in any format."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from files_support import numbers, opened
from hydra.core.override_parser.overrides_parser import OverridesParser

from nolab.data.importers import overlap
from nolab.data.importers.contents import UNSPLIT
from nolab.data.importers.counts import divide
from nolab.data.importers.options import FileOptions, overrides
from nolab.data.importers.proposal import proposed
from nolab.data.importers.recognise import recognise
from nolab.errors import InputError
from nolab.grid import Axis


@pytest.fixture
def path(tmp_path: Path) -> Path:
    arrays = {
        "a": numbers(9, 8, 8),
        "b": numbers(9, 8, 8, seed=1),
        "u": numbers(9, 8, 8, 6, seed=2),
        "line": numbers(9, 8, seed=3),
        "fewer": numbers(8, 8, 8, seed=4),
        "wide": numbers(9, 8, 7, seed=5),
        "deep": numbers(9, 2, 2, 2, 2, 2, 2),
        "times": np.arange(6.0),
    }
    np.savez(tmp_path / "d.npz", **arrays)
    return tmp_path / "d.npz"


def keys(**more) -> dict:
    return {"input": "a", "output": "u", "axes": "nxyt", "placement": "periodic", "n_test": 2, **more}


def test_several_arrays_are_channels(path: Path) -> None:
    source = opened(path, **keys(input=["a", "b"], frames_out=1))
    assert source.input_names == ("a", "b")
    both = np.stack([numbers(9, 8, 8), numbers(9, 8, 8, seed=1)], axis=1)
    assert (source.read("train", (8, 8))[0] == both[:7]).all()


def test_axes_in_any_order(path: Path) -> None:
    u = numbers(9, 8, 8, 6, seed=2)
    turned = opened(path, **keys(input="u", axes="xnyt", frames_in=1, frames_out=2, n_test=1))
    assert (turned.read("test", (9, 8))[1] == u[:, -1:].transpose(1, 3, 0, 2)[:, 1:3]).all()


def test_time_is_an_axis_or_frames(path: Path) -> None:
    as_axis = opened(path, **keys(placement=["cell", "periodic", "nodal"]))
    assert as_axis.domain.axes == (Axis("cell"), Axis("periodic"), Axis("nodal"))
    assert as_axis.input_axes == (1, 2)
    assert opened(path, **keys()).domain.axes[0] == Axis("nodal")
    as_frames = opened(path, **keys(frames_out=4))
    assert as_frames.input_axes is None
    assert as_frames.output_names == ("u_t0", "u_t1", "u_t2", "u_t3")


BAD = [
    ({"input": "A"}, r"dataset\.input: 'A' is not known"),
    ({"input": "fields"}, r"dataset\.input: 'fields' .* Valid: a, b, u, line"),
    ({"axes": "nxy"}, r"dataset\.axes: 'nxy' has 3 letters, array u has shape \(9, 8, 8, 6\)"),
    ({"axes": ["nx", "nxyt"]}, r"dataset\.axes: 'nx' has 2 letters, array a"),
    ({"output": "line", "axes": None}, r"dataset\.axes: a has axes 'nxy', the output has only 'x'"),
    ({"input": "fewer"}, r"fewer \(8, 8, 8\) has 8, expected 9"),
    ({"input": "wide"}, r"wide \(9, 8, 7\) does not lie on the grid of u .* along y"),
    ({"output": "a", "axes": "nxy"}, r"dataset\.output: a is the input too"),
    ({"frames_in": 2}, r"dataset\.frames_in: no input array has an axis t: a \(9, 8, 8\)"),
    ({"input": "u", "frames_in": 6}, r"dataset\.frames_out: u holds 6 frames"),
    ({"input": "u", "frames_in": 7}, r"dataset\.frames_in: u holds 6 frames"),
    ({"input": "u", "frames_in": 3, "frames_out": 4}, r"dataset\.frames_out: u holds 6 frames"),
    ({"frames_out": 7}, r"dataset\.frames_out: u holds 6 frames"),
    ({"output": "b", "axes": None, "frames_out": 1}, r"dataset\.frames_out: no output array has an axis t"),
    ({"placement": ["nodal"]}, r"dataset\.placement: 1 placements for the 3 axes t, x, y"),
    ({"n_test": 9}, r"holds 9 samples; 0 to train \(the first\) and 9 to test"),
    ({"n_train": 8, "n_test": 2}, "8 to train .* and 2 to test .* are not two sets without a common sample"),
    ({"n_train": 9, "n_test": None}, "9 to train .* and 0 to test"),
    ({"test_path": "nowhere.npz"}, r"dataset\.test_path: nowhere\.npz does not exist"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_keys_that_do_not_fit(path: Path, given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(path, **keys(**given))


RANGES = [
    ({"frames_in": 0}, "frames_in: must be >= 1"),
    ({"n_train": -1}, "n_train: must be >= 1"),
    ({"input": []}, "input: must be at least one array's name"),
    ({"axes": "xy"}, "axes: must be letters of nctxyz"),
    ({"axes": "nct"}, "axes: must be letters"),
    ({"axes": "nxx"}, "axes: must be letters"),
    ({"axes": "nxw"}, "axes: must be letters"),
    ({"axes": ["nx", "nx", "nx"]}, "axes: must be one word"),
]


@pytest.mark.parametrize(("given", "message"), RANGES)
def test_ranges(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FileOptions("d.npz", **given)


@pytest.mark.parametrize("drop", ["input", "output", "axes", "placement", "n_test"])
def test_what_the_file_does_not_say_is_asked_for_with_a_proposal(path: Path, drop: str) -> None:
    given = keys(**{drop: None})
    with pytest.raises(
        InputError, match=rf"dataset\.{drop}: missing; .*d\.npz .*It holds: a \(9, 8, 8\)"
    ) as error:
        opened(path, **given)
    pasted = str(error.value).split("If it is meant so: ")[1].replace("'", "")
    parsed = OverridesParser.create().parse_overrides(pasted.split())
    values = {o.key_or_group.removeprefix("dataset."): o.value() for o in parsed}
    assert opened(path, **{**given, **values}).count("train") >= 1


def test_a_series_asks_for_its_frames(path: Path) -> None:
    with pytest.raises(
        InputError, match=r"dataset\.frames_in: missing; .*dataset\.frames_in=3 dataset\.frames_out=3"
    ):
        opened(path, **keys(input="u"))


def test_nothing_to_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", times=np.arange(3.0), text=np.array("x"))
    with pytest.raises(InputError, match=r"holds no array \(samples, grid …\) to read; text its type <U1"):
        opened(tmp_path / "d.npz")


def test_a_complete_proposal_proposes_nothing_more(path: Path) -> None:
    contents = recognise(path)
    once = proposed(contents, FileOptions(str(path)))
    assert proposed(contents, once) == once


@pytest.mark.parametrize("value", ["0000/data", "a b", "it's", "a[0]", "x,y", "10", "null", "a\\b"])
def test_overrides_survive_shell_and_hydra(value: str) -> None:
    (word,) = shlex.split(overrides({"input": value}))
    got = OverridesParser.create().parse_override(word).value()
    assert getattr(got, "text", got) == value


@pytest.mark.parametrize(("n_train", "n_test"), [(3, 4), (None, 4), (6, None), (1, 9)])
def test_one_file_is_cut_without_overlap(n_train: int | None, n_test: int | None) -> None:
    parts = divide({UNSPLIT: 10}, FileOptions("p", n_train=n_train, n_test=n_test))
    train, test = parts["train"], parts["test"]
    assert train.start == 0
    assert test.stop == 10
    assert len(train) == (n_train or 10 - n_test)
    assert len(test) == (n_test or 10 - n_train)
    assert not set(train) & set(test)


def test_files_of_each_split_are_cut_from_the_front() -> None:
    parts = divide({"test": 5, "train": 8}, FileOptions("p", n_train=3, n_test=4))
    assert parts == {"train": range(3), "test": range(4)}
    with pytest.raises(InputError, match=r"dataset\.n_test: 6 is more than the 5 samples"):
        divide({"test": 5, "train": 8}, FileOptions("p", n_test=6))


def save(path: Path, a: np.ndarray, u: np.ndarray) -> Path:
    np.savez(path, a=a, u=u)
    return path


SOUND = {"input": "a", "output": "u", "placement": "nodal", "n_test": 4}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite(tmp_path: Path, bad: float) -> None:
    a, u = numbers(9, 5).astype(np.float64), numbers(9, 5, seed=1)
    a[6, 2] = bad
    source = opened(save(tmp_path / "d.npz", a, u), **SOUND)
    source.read("train", (5,))
    source.read("test", (5,), np.array([0, 2]))
    with pytest.raises(InputError, match=r"test/5/input holds values that are not finite, in samples \[1\]"):
        source.read("test", (5,), np.array([1, 3]))


@pytest.mark.parametrize("blocks", [[[0, 1, 2, 3, 4]], [[0, 1], [1, 2], [3, 4]]])
def test_a_sample_in_two_splits(tmp_path: Path, blocks: list[list[int]]) -> None:
    a, u = numbers(9, 5), numbers(9, 5, seed=1)
    a[7] = a[3]
    source = opened(save(tmp_path / "d.npz", a, u), **SOUND)
    for _ in range(2):
        for rows in blocks:
            source.read("train", (5,), np.array(rows))
    source.read("test", (5,), np.array([0, 1, 3]))
    with pytest.raises(
        InputError, match=r"splits overlap: the input of test sample 2 at 5 is that of train sample 3"
    ):
        source.read("test", (5,))
    fine = opened(tmp_path / "d.npz", **{**SOUND, "n_train": 3})
    fine.read("train", (5,))
    fine.read("test", (5,))


def test_an_input_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[bytes] = []
    monkeypatch.setattr(
        overlap, "sample_digest", lambda sample: hashed.append(sample.tobytes()) or hashed[-1]
    )
    source = opened(save(tmp_path / "d.npz", numbers(9, 5), numbers(9, 5, seed=1)), **SOUND)
    for rows in ([0, 2], [0, 1, 2], None):
        source.read("train", (5,), None if rows is None else np.array(rows))
    assert len(hashed) == len(set(hashed)) == 5


def test_a_sample_twice_in_one_split_is_no_overlap(tmp_path: Path) -> None:
    a, u = numbers(9, 5), numbers(9, 5, seed=1)
    a[2] = a[3]
    source = opened(save(tmp_path / "d.npz", a, u), **SOUND)
    source.read("train", (5,))
    source.read("test", (5,))
