"""Fields in memory: what fits together is served, the rest is refused."""

import numpy as np
import pytest

from nolab.data.arrays import ArraySource
from nolab.errors import InputError
from nolab.grid import Domain


def pair(n: int, *shape: int, channels: tuple[int, int] = (1, 1)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal((n, c, *shape)) for c in channels)


def source(data: dict, ndim: int = 2, **names: tuple[str, ...]) -> ArraySource:
    return ArraySource(Domain.unit(ndim), data, **names)


def test_serves_what_it_was_given() -> None:
    fine, coarse, test = pair(4, 9, 5), pair(4, 5, 3), pair(2, 9, 5)
    s = source({"train": {(9, 5): fine, (5, 3): coarse}, "test": {(9, 5): test}})
    assert s.splits() == ["train", "test"]
    assert s.shapes("train") == [(5, 3), (9, 5)]
    assert s.shapes("test") == [(9, 5)]
    assert (s.count("train"), s.count("test")) == (4, 2)
    assert (s.input_names, s.output_names) == (("input",), ("output",))
    for rows in (None, np.array([0, 3])):
        for values, want in zip(s.read("train", (9, 5), rows), fine, strict=True):
            assert values.dtype == np.float32
            assert (values == want.astype(np.float32)[slice(None) if rows is None else rows]).all()


def test_what_is_read_is_the_callers_own() -> None:
    x, y = (a.astype(np.float32) for a in pair(2, 3))
    s = source({"train": {(3,): (x, y)}}, ndim=1)
    s.read("train", (3,))[0][:] = 0
    assert s.read("train", (3,))[0].any()


NAN = (pair(4, 3, 3)[0], np.where(np.arange(36).reshape(4, 1, 3, 3) == 12, np.nan, 1.0))
INF = (np.where(np.arange(36).reshape(4, 1, 3, 3) > 20, np.inf, 1.0), pair(4, 3, 3)[1])

BAD = [
    ({"train": {}}, "split 'train' holds no grid"),
    ({"train": {(3, 3): pair(0, 3, 3)}}, r"split 'train' hold different numbers of samples: \[0\]"),
    ({"train": {(3, 3): pair(2, 3, 3), (5, 5): pair(3, 5, 5)}}, r"'train' hold different .*: \[2, 3\]"),
    ({"test": {(3, 3): (pair(2, 3, 3)[0], pair(3, 3, 3)[1])}}, r"'test' hold different .*: \[2, 3\]"),
    ({"train": {(3, 4): pair(2, 3, 3)}}, r"train/3x4/input has shape \(2, 1, 3, 3\), expected \(samples, 1, 3, 4\)"),
    ({"train": {(3, 3): pair(2, 3, 3, channels=(1, 2))}}, r"train/3x3/output has shape \(2, 2, 3, 3\)"),
    ({"train": {(3, 3): pair(2, 3, 3, channels=(2, 1))}}, r"train/3x3/input has shape"),
    ({"train": {(9,): pair(2, 9)}}, "grid 9 of split 'train' has 1 axes, the domain has 2"),
    ({"train": {(3, 3): NAN}}, r"train/3x3/output holds values that are not finite, in samples \[1\]"),
    ({"train": {(3, 3): INF}}, r"train/3x3/input holds values that are not finite, in samples \[2, 3\]"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), BAD)
def test_refused(data: dict, message: str) -> None:
    with pytest.raises(InputError, match=f"^data: .*{message}"):
        source(data)


def test_names_count_the_channels() -> None:
    data = {"train": {(3, 3): pair(2, 3, 3, channels=(2, 3))}}
    s = source(data, input_names=("a", "b"), output_names=("u", "v", "w"))
    assert s.read("train", (3, 3))[1].shape == (2, 3, 3, 3)
