"""What the page is given: short numbers, thinned curves, every run's texts."""

import json
import math
from itertools import pairwise

import pytest
from compare_support import make_run
from hypothesis import given
from hypothesis import strategies as st
from report_support import make_data

from nolab.compare.records import read_runs
from nolab.compare.report.curves import thinned
from nolab.compare.report.numbers import column, rounded


@given(st.floats() | st.integers())
def test_numbers_keep_six_digits_or_are_null(value):
    short = rounded(value)
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        assert short is None
        return
    assert abs(short - value) <= 5.0001e-6 * abs(value)
    assert len(json.dumps(short)) <= 17


@pytest.mark.parametrize("value", [None, True, "1", [1], math.nan, -math.inf, 10**400])
def test_what_is_no_finite_number_is_null(value):
    assert rounded(value) is None


@given(st.integers(0, 500), st.integers(2, 100))
def test_thinning_keeps_order_first_and_last(n, limit):
    kept = thinned(range(n), limit)
    assert len(kept) == min(n, limit)
    assert kept == sorted(set(kept))
    if n:
        assert (kept[0], kept[-1]) == (0, n - 1)
        gaps = [b - a for a, b in pairwise(kept)]
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_column_that_all_share_is_kept_once():
    assert column(["a", "a"]) == {"all": "a"}
    assert column(["a", None]) == {"each": ["a", None]}


@pytest.fixture
def data(tmp_path):
    make_run(tmp_path / "a", ["delta=2", "seed=0"], error=0.0123456789, times=250)
    make_run(tmp_path / "b", ["delta=4", "seed=1"], error=None, times=3, **{"cost/flops": 10**400})
    make_run(tmp_path / "c", finished=False)
    return make_data(read_runs([tmp_path]))


def test_the_page_gets_plain_json(data, tmp_path):
    assert json.loads(json.dumps(data, allow_nan=False)) == json.loads(json.dumps(data))
    assert data["runs"]["id"] == ["a", "b"]
    assert data["keys"] == {"delta": ["2", "4"], "seed": ["0", "1"]}
    assert data["figures"]["final/rel_l2"] == [0.0123457, None]
    assert data["figures"]["cost/flops"] == [6_000_000_000_000, None]
    assert "cost/energy_j" not in data["figures"]  # no run has any
    assert data["titles"]["cost/train_s"] == "training time [s]"
    assert data["config"]["model.name"] == {"all": "fno"}
    assert data["config"]["delta"] == {"each": ["2", "4"]}
    assert data["environment"]["torch"] == {"all": "2.13.0"}
    assert data["environment"]["git"] == {"all": "0" * 40}
    assert data["skipped"] == [{"name": str(tmp_path / "c"), "reason": "unfinished"}]


def test_curves_are_thinned_and_end_where_the_run_ended(data):
    long, short = data["curves"]
    assert {len(values) for values in long["train"].values()} == {60}
    assert {len(values) for values in long["eval"].values()} == {200}
    assert {len(values) for values in short["eval"].values()} == {3}
    assert set(long["eval"]) == {
        *("cost/train_s", "step", "cost/fine_equivalents", "cost/flops", "eval/rel_l2"),
        *(f"eval/rel_l2/{level}" for level in ("17x17", "33x33", "65x65")),
    }
    assert set(long["train"]) == {
        *("cost/train_s", "step", "cost/fine_equivalents", "cost/flops", "train/loss")
    }
    assert long["eval"]["cost/train_s"][-1] == long["train"]["cost/train_s"][-1] == 60
    assert long["eval"]["eval/rel_l2"][-1] == 0.0123457
    assert short["eval"]["eval/rel_l2"] == [None] * 3


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path):
    for folder in ("x/run", "y/run", "y/other"):
        make_run(tmp_path / folder)
    ids = make_data(read_runs([tmp_path]))["runs"]["id"]
    assert ids == [str(tmp_path / "x/run"), "other", str(tmp_path / "y/run")]


def test_a_single_run_without_environment_is_enough(tmp_path):
    (make_run(tmp_path / "a") / "environment.json").unlink()
    data = make_data(read_runs([tmp_path]))
    assert data["keys"] == {}
    assert data["environment"] == {}
    assert data["runs"]["overrides"] == [None]
