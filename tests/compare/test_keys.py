"""Keys by the names that people type, and those that a sweep varied."""

import json

import pytest
from compare_support import make_run

from nolab.compare.keys import check_key, matching, text, value, varying
from nolab.compare.records import read_runs
from nolab.errors import InputError


@pytest.fixture
def runs(tmp_path):
    """fine once, mlmc with two δ, two seeds each."""
    for seed in (0, 1):
        make_run(tmp_path / f"fine{seed}", ["sampling=fine", "delta=2", f"seed={seed}"], sweep="s1")
        for delta in (2, 4):
            overrides = ["sampling=mlmc", f"delta={delta}", f"seed={seed}", "output_dir=elsewhere"]
            make_run(tmp_path / f"mlmc{delta}{seed}", overrides)
    return read_runs([tmp_path]).runs


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("sampling", "fine"),
        ("sampling.estimator", "fine"),
        ("estimator", "fine"),
        ("delta", 2),
        ("neval", None),
        ("sweep", "s1"),
        ("lr", 0.005),
        ("name", "train"),
        ("nothing", None),
    ],
)
def test_a_value_by_any_of_its_names(runs, key, expected):
    assert value(runs[0], key) == expected


def test_a_group_without_a_choice_gives_what_was_typed(tmp_path):
    make_run(tmp_path / "run")
    (record,) = read_runs([tmp_path]).runs
    record.environment["overrides"] = ["budget=time"]
    assert value(record, "budget") == "time"


def test_values_read_as_they_are_typed():
    assert [text(v) for v in (None, True, 2, 0.5, 1e-5, [17, 33], "fine", {"start": 16})] == [
        "null", "true", "2", "0.5", "1e-05", "[17,33]", "fine", '{"start":16}',
    ]  # fmt: skip


def test_what_varies_is_what_was_swept(runs):
    assert varying(runs) == ["sampling", "delta"]
    assert varying(runs[:1]) == []
    assert varying([]) == []


def test_without_recorded_overrides_the_configs_tell(runs):
    for run in runs:
        del run.environment["overrides"]
    assert varying(runs) == ["delta", "sampling.estimator"]  # sampling.delta splits as delta does


def test_a_key_that_splits_in_the_same_way_is_left_out(tmp_path):
    for i in (1, 2):
        make_run(tmp_path / f"{i}", [f"delta={i}", f"optimizer.lr={i}e-3"])
    assert varying(read_runs([tmp_path]).runs) == ["delta"]


def test_conditions(runs):
    assert len(matching(runs, [])) == 6
    assert {run.name for run in matching(runs, ["sampling=mlmc", "delta=4"])} == {"mlmc40", "mlmc41"}
    assert len(matching(runs, ["delta=2,4"])) == 6
    assert len(matching(runs, ["neval=null", "sweep=s1"])) == 2
    assert len(matching(runs, ["betas=[0.9,0.999]"])) == 6
    assert len(matching(runs, ["lr=5e-3", "delta=2.0"])) == 4
    assert matching(runs, ["delta=two"]) == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [("sampling", "write KEY=VALUE"), ("=3", "write KEY=VALUE"), ("delt=2", "Did you mean 'delta'"),
     ("n_modez=3", "not known")],
)  # fmt: skip
def test_bad_conditions(runs, condition, message):
    with pytest.raises(InputError, match=message):
        matching(runs, [condition])


def test_an_ambiguous_end_lists_the_keys(tmp_path):
    run = make_run(tmp_path / "run")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("scheme: nested", "scheme: nested\n  width: 1").replace(
        "scope:", "width: 2\n  scope:"))  # fmt: skip
    with pytest.raises(InputError, match=r"points\.width, sampling\.width"):
        check_key(read_runs([run]).runs, "width")
    assert json.loads((run / "summary.json").read_text())
