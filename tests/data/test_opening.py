"""From the config group `dataset` to a source."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nolab.data.importers.options import FileOptions
from nolab.data.opening import GeneratedSource, open_file
from nolab.data.store import Store, StoreChunk, StoreMeta, write_store
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.problems import darcy

CPU = torch.device("cpu")


def darcy_source(data_dir: Path, **options: object) -> GeneratedSource:
    return GeneratedSource(
        "darcy",
        darcy.Options(**{"resolution": 9, "modes": 8, **options}),
        {"train": 3, "test": 2},
        seed=1,
        data_dir=data_dir,
        device=CPU,
        workers=1,
    )


def test_a_generated_source_knows_itself_before_anything_is_made(tmp_path: Path) -> None:
    source = darcy_source(tmp_path)
    assert source.domain == Domain.unit(2)
    assert (source.input_names, source.output_names) == (("permeability",), ("pressure",))
    assert source.splits() == ["train", "test"]
    assert source.shapes("train") == [(9, 9)]
    assert (source.count("train"), source.count("test")) == (3, 2)
    assert list(tmp_path.iterdir()) == []


def test_data_are_made_on_the_first_read(tmp_path: Path) -> None:
    source = darcy_source(tmp_path)
    x, y = source.read("train", (9, 9))
    (path,) = tmp_path.rglob("*.h5")
    assert source.ensure() == path
    assert x.shape == y.shape == (3, 1, 9, 9)
    assert set(np.unique(x)) <= {3.0, 12.0}
    assert (y[:, :, 1:-1, 1:-1] > 0).all()
    rows = source.read("train", (9, 9), np.array([2]))
    assert (rows[0] == x[2:]).all()
    made = path.stat().st_mtime_ns
    again = darcy_source(tmp_path)
    assert (again.read("train", (9, 9))[1] == y).all()
    assert path.stat().st_mtime_ns == made
    with Store(path) as store:
        assert (store.splits(), store.shapes("test")) == (source.splits(), source.shapes("test"))


def test_other_options_are_other_data(tmp_path: Path) -> None:
    assert darcy_source(tmp_path).ensure() != darcy_source(tmp_path, a_high=6.0).ensure()


def test_unknown_problem(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^dataset\.problem: 'darci' is not known\. Did you mean 'darcy'"):
        GeneratedSource("darci", None, {"train": 1}, 0, tmp_path, CPU, 1)


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5"])
def test_opens_a_store(tmp_path: Path, name: str) -> None:
    field = np.ones((2, 1, 3), np.float32)
    meta = StoreMeta(
        problem="demo",
        parameters={},
        version="1",
        seed=0,
        domain=Domain.unit(1),
        input_names=("x",),
        output_names=("y",),
        units={"x": "1", "y": "1"},
        counts={"train": 2},
        shapes=((3,),),
    )
    write_store(tmp_path / name, meta, [StoreChunk("train", (3,), field, field)])
    assert open_file(FileOptions(str(tmp_path / name))).domain == Domain.unit(1)
    for key, value in (("placement", "nodal"), ("n_test", 1), ("test_path", "b.h5")):
        with pytest.raises(
            InputError, match=rf"^dataset\.{key}: .*is a store of nolab, which says it itself"
        ):
            open_file(FileOptions(str(tmp_path / name), **{key: value}))


@pytest.mark.parametrize("placement", ["nodal", "cell", "periodic"])
def test_opens_a_folder(tmp_path: Path, placement: str) -> None:
    for split in ("train", "test"):
        torch.save({"x": torch.ones(2, 4), "y": torch.ones(2, 4)}, tmp_path / f"{split}_4.pt")
    assert open_file(FileOptions(str(tmp_path), placement=placement)).domain == Domain.unit(1, placement)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.h5", None, r"nowhere\.h5 does not exist"),
        ("nowhere", None, "nowhere does not exist"),
        ("a.txt", b"x", r"a\.txt has no ending that nolab knows: \.mat, \.pt, \.h5"),
        ("a.npz", b"x", r"a\.npz: not a complete \.npz file"),
        ("train_4.pt", b"x", r"train_4\.pt: not a file of plain tensors"),
        ("a.h5", b"x", r"a\.h5"),
    ],
)
def test_bad_paths(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_file(FileOptions(str(tmp_path / name)))
