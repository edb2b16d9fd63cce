"""`.pt` dictionaries: what neuraloperator ships, in folders and alone, and what is refused."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from files_support import opened

from nolab.errors import InputError
from nolab.grid import Axis, Domain

REAL = Path(__file__).parents[4] / "shared" / "data" / "neuralop_darcy"


def pair(n: int, *shape: int, channels: tuple[int, ...] = ()) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    x = torch.rand(n, *channels, *shape, generator=generator) > 0.5
    return {"x": x, "y": torch.rand(n, *channels, *shape, generator=generator)}


def save(folder: Path, **files: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        torch.save(content, folder / f"{name}.pt")
    return folder


@pytest.mark.parametrize("prefix", ["darcy_", "", "train_darcy_v2_"])
@pytest.mark.parametrize("shape", [(8,), (8, 8), (8, 8, 8)])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_reads_the_layout(
    tmp_path: Path, prefix: str, shape: tuple[int, ...], channels: tuple[int, ...]
) -> None:
    files = {
        f"{prefix}train_8": pair(5, *shape, channels=channels),
        f"{prefix}test_8": pair(3, *shape, channels=channels),
        f"{prefix}test_16": pair(3, *(2 * n for n in shape), channels=channels),
    }
    (tmp_path / "README.md").write_text("not data")
    source = opened(save(tmp_path, **files), placement="nodal")
    assert source.domain == Domain.unit(len(shape), "nodal")
    assert sorted(source.splits()) == ["test", "train"]
    assert (source.count("train"), source.count("test")) == (5, 3)
    assert source.shapes("test") == [shape, tuple(2 * n for n in shape)]
    names = {(): ("x",), (1,): ("x",), (3,): ("x0", "x1", "x2")}[channels]
    assert source.input_names == names
    assert source.output_names == tuple(name.replace("x", "y") for name in names)
    for values, key in zip(source.read("train", shape), "xy", strict=True):
        want = files[f"{prefix}train_8"][key].float().reshape(5, *(channels or (1,)), *shape)
        assert values.dtype == np.float32
        assert (values == want.numpy()).all()


@pytest.mark.parametrize("dtype", [torch.bool, torch.float64, torch.float16, torch.int64, torch.bfloat16])
def test_any_real_type_becomes_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    x = (torch.arange(3 * 16) % 2).reshape(3, 4, 4).to(dtype)
    torch.save({"x": x, "y": torch.rand(3, 4, 4, requires_grad=True)}, tmp_path / "train_4.pt")
    torch.save(pair(2, 4, 4), tmp_path / "test_4.pt")
    got = opened(tmp_path).read("train", (4, 4))
    assert got[0].dtype == got[1].dtype == np.float32
    assert (got[0] == x.float().numpy()[:, None]).all()


class Exploit:
    """Unpickling it creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_data_file_is_never_run(tmp_path: Path, form: str) -> None:
    trace, file = tmp_path / "trace", tmp_path / "darcy_train_4.pt"
    content = {**pair(2, 4, 4), "extra": Exploit(trace)}
    if form == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(InputError, match="never runs code from a data file"):
        opened(tmp_path)
    assert not trace.exists()
    torch.load(file, weights_only=False) if form != "pickle" else pickle.loads(file.read_bytes())
    assert trace.exists()  # the trap works


@pytest.mark.parametrize("legacy", [False, True])
def test_truncated_files(tmp_path: Path, legacy: bool) -> None:
    file = tmp_path / "train_4.pt"
    torch.save(pair(2, 4, 4), file, _use_new_zipfile_serialization=not legacy)
    content = file.read_bytes()
    for share in range(19):
        file.write_bytes(content[: len(content) * share // 20])
        with pytest.raises(InputError, match=r"train_4\.pt: not a file of plain tensors"):
            opened(file)


@pytest.mark.parametrize("content", [b"", b"text", b"0000", b"\x80\x02]q\x00.", b"}.", b"PK\x03\x04"])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train_4.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"train_4\.pt: "):
        opened(tmp_path / "train_4.pt")


XY = pair(3, 4, 4)
BAD = [
    ({"x": XY["x"]}, r"expected a dictionary with tensors 'x' and 'y', found \['x'\]"),
    ({"x": XY["x"], "y": [1.0]}, "expected a dictionary with tensors"),
    (XY["x"], "expected a dictionary with tensors 'x' and 'y', found Tensor"),
    ([XY["x"], XY["y"]], "expected a dictionary .* found list"),
    ({**XY, "y": torch.rand(2, 4, 4)}, r"x \(3, 4, 4\) and y \(2, 4, 4\) differ in samples or grid"),
    ({**XY, "y": torch.rand(3, 4)}, r"x \(3, 4, 4\) and y \(3, 4\) differ in samples or grid"),
    ({**XY, "y": torch.rand(3, 5, 5)}, r"y has shape \(3, 5, 5\), expected \(n, 4, …\) or \(n, C, 4, …\)"),
    ({**XY, "x": torch.rand(3, 4, 5)}, r"x has shape \(3, 4, 5\)"),
    ({**XY, "x": torch.rand(3, 2, 2, 4, 4)}, r"x has shape"),
    ({**XY, "x": torch.rand(3)}, r"x has shape \(3,\)"),
    ({**XY, "x": torch.rand(3, 4, 4, 1)}, r"x has shape \(3, 4, 4, 1\)"),
    (
        {**XY, "y": torch.rand(3, 4, 4, dtype=torch.complex64)},
        r"expected .* tensors .x. and .y., found \[.x.\]; y is complex",
    ),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_bad_contents(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "train_4.pt")
    with pytest.raises(InputError, match=rf"train_4\.pt: {message}"):
        opened(tmp_path / "train_4.pt")


NAMES = [
    ([], r"holds no data set that nolab knows: .* it holds: nothing"),
    (["darcy_16"], r"holds no file named like .* but: darcy_16\.pt"),
    (["darcy_training_4", "darcytrain_4", "train_4_b"], "but: darcy_training_4.pt, darcytrain_4.pt"),
    (["darcy_train_4"], "has no test split, but: train"),
    (["darcy_test_4"], "has no train split"),
    (["darcy_valid_4"], "has no test and no train split, but: valid"),
    (["a_train_4", "b_train_4", "a_test_4"], r"several train files of size 4, b_train_4\.pt among them"),
]


@pytest.mark.parametrize(("names", "message"), NAMES)
def test_bad_folders(tmp_path: Path, names: list[str], message: str) -> None:
    save(tmp_path, **dict.fromkeys(names, XY))
    with pytest.raises(InputError, match=rf"^dataset\.path: .*{message}"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            {"test_4": pair(2, 4, 4), "test_8": pair(3, 8, 8)},
            r"'test' holds different numbers of samples: x \(3, 8, 8\) has 3, expected 2",
        ),
        ({"test_4": pair(2, 4)}, "the arrays of test_4.pt and train_4.pt have different axes"),
        (
            {"test_4": pair(2, 4, 4, channels=(2,))},
            "the arrays of test_4.pt and train_4.pt have different axes",
        ),
        (
            {"test_4": {**XY, "y": torch.full((3, 4, 4), torch.nan)}},
            "test/4x4/output holds values that are not",
        ),
    ],
)
def test_files_that_do_not_fit_each_other(tmp_path: Path, test: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        opened(save(tmp_path, train_4=XY, **test)).read("test", (4, 4))


def test_navier_stokes_in_two_files(tmp_path: Path) -> None:
    train, test = pair(4, 8, 8), pair(3, 8, 8)
    save(tmp_path, nsforcing_train_8=train, nsforcing_test_8=test)
    source = opened(
        tmp_path / "nsforcing_train_8.pt", test_path=str(tmp_path / "nsforcing_test_8.pt"), n_test=2
    )
    assert (source.count("train"), source.count("test")) == (4, 2)
    assert (source.read("test", (8, 8))[1][:, 0] == test["y"][:2].numpy()).all()
    with pytest.raises(InputError, match=r"dataset\.test_path: .* has splits of its own"):
        opened(tmp_path, test_path=str(tmp_path / "nsforcing_test_8.pt"))
    with pytest.raises(InputError, match=r"dataset\.test_path: .* has splits of its own"):
        opened(tmp_path / "nsforcing_train_8.pt", test_path=str(tmp_path))


def test_burgers_in_time(tmp_path: Path) -> None:
    files = {s: {"x": torch.rand(3, 8), "y": torch.rand(3, 5, 8), "visc": 0.1} for s in ("train", "test")}
    source = opened(save(tmp_path, **{f"burgers_{s}_8": content for s, content in files.items()}))
    assert source.domain.axes == (Axis("nodal"), Axis("periodic"))
    assert source.input_axes == (1,)
    x, y = source.read("train", (5, 8))
    assert (x[:, 0, 0] == files["train"]["x"].numpy()).all()
    assert (y[:, 0] == files["train"]["y"].numpy()).all()


def test_strides_that_repeat_few_values(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1).expand(10**9, 4, 4), "y": torch.zeros(3, 4, 4)}, tmp_path / "train_4.pt")
    with pytest.raises(InputError, match=r"x declares shape \(1000000000, 4, 4\) and holds 4 bytes"):
        opened(tmp_path / "train_4.pt")


@pytest.mark.skipif(not REAL.is_dir(), reason="neuraloperator's small Darcy files are not here")
def test_neuraloperators_own_files() -> None:
    source = opened(REAL)
    assert (source.count("train"), source.count("test")) == (1000, 50)
    assert source.shapes("train") == [(16, 16)]
    assert source.shapes("test") == [(16, 16), (32, 32)]
    x, y = source.read("train", (16, 16))
    assert x.shape == y.shape == (1000, 1, 16, 16)
    assert set(np.unique(x)) == {0.0, 1.0}
    assert y.std() > 0
