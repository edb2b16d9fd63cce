"""Comparing as a whole: front, baseline, hypervolume, remarks and refusals."""

import csv
import io
import json
import shutil
from math import isnan

import pytest
from compare_support import make_run

from nolab.compare.axes import title
from nolab.compare.comparison import Options, compare
from nolab.compare.export import as_csv, as_dict
from nolab.compare.records import read_runs
from nolab.errors import InputError

GROUPS = {"coarse": (10.0, 0.3), "fine": (100.0, 0.1), "mlmc": (50.0, 0.08), "mixed": (60.0, 0.2)}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Four groups of three seeds; coarse and mlmc are the front. One more run is unfinished."""
    tmp_path = tmp_path_factory.mktemp("runs")
    for name, (seconds, error) in GROUPS.items():
        for seed in range(3):
            make_run(
                tmp_path / f"{name}{seed}",
                [f"sampling={name}", f"seed={seed}"],
                error=error * (1 + 0.01 * (seed - 1)),
                seconds=seconds,
            )
    make_run(tmp_path / "begun", finished=False)
    return tmp_path


@pytest.fixture
def folder(shared, tmp_path):
    """A copy of those runs, to be changed."""
    return shutil.copytree(shared, tmp_path / "runs")


def test_groups_front_and_area(shared):
    found = compare([shared], Options(reference=(200.0, 0.5)))
    assert found.keys == ("sampling",)
    assert [group.label for group in found.groups] == ["coarse", "mlmc", "mixed", "fine"]
    assert found.front == [True, True, False, False]
    assert found.baseline.label == "fine"
    assert found.hypervolume == pytest.approx((40 * 0.2 + 150 * 0.42) / (200 * 0.5))
    assert found.baseline_hypervolume == pytest.approx(100 * 0.4 / (200 * 0.5))
    assert [run.path.name for run in found.skipped] == ["begun"]
    assert found.remarks == []
    assert len(found.runs) == 12
    assert found.targets.against[1].speed_up > 1


def test_the_default_reference_leaves_the_worst_some_area(shared):
    found = compare([shared], Options())
    assert found.reference == pytest.approx((110.0, 0.33))
    assert found.baseline_hypervolume > 0


def test_records_do_as_well_as_folders(shared):
    records = read_runs([shared]).runs
    assert as_dict(compare(records, Options())) == {**as_dict(compare([shared], Options())), "skipped": []}


def test_other_groups_runs_and_baseline(shared):
    found = compare(
        [shared], Options(where=("seed=0,1", "sampling=fine,mlmc"), by=("seed",), baseline=("seed=1",))
    )
    assert [group.label for group in found.groups] == ["seed=0", "seed=1"]
    assert found.baseline.label == "seed=1"
    assert [len(group.runs) for group in found.groups] == [2, 2]


@pytest.mark.parametrize("x", ["cost/samples", "cost/samples/33x33", "cost/flops", "cost/steps"])
def test_other_costs(shared, x):
    found = compare([shared], Options(x=x))
    assert found.targets is not None
    assert all(group.x.median > 0 for group in found.groups)


def test_memory_has_no_cost_to_targets(shared):
    found = compare([shared], Options(x="cost/peak_mem_gib", targets=(0.1,)))
    assert found.targets is None
    assert found.remarks == ["no costs to targets: peak memory [GiB] is no cost that adds up while training"]


def test_runs_without_curves(folder):
    (folder / "fine0" / "metrics.jsonl").unlink()
    found = compare([folder], Options())
    assert found.remarks == [
        "runs that recorded no errors while training: 1; for targets their end alone counts"
    ]
    assert compare([folder], Options(y="final/h1")).remarks == [
        "no costs to targets: no run recorded final/h1 while training"
    ]


def test_a_baseline_that_diverged(folder):
    for seed in range(2):
        summary = folder / f"fine{seed}" / "summary.json"
        summary.write_text(json.dumps({**json.loads(summary.read_text()), "final/rel_l2": None}))
    found = compare([folder], Options())
    assert found.targets is None
    assert any("baseline fine: its median is not finite" in remark for remark in found.remarks)
    assert found.baseline_hypervolume == 0


def test_nothing_finite_in_any_group(tmp_path):
    for name in ("fine", "mlmc"):
        make_run(tmp_path / f"{name}0", [f"sampling={name}", "seed=0"], error=None)
        make_run(tmp_path / f"{name}1", [f"sampling={name}", "seed=1"], error=0.1)
    found = compare([tmp_path], Options())
    assert found.front == [False, False]
    assert isnan(found.hypervolume)
    assert as_dict(found)["hypervolume"] is None


def test_no_default_baseline_is_remarked(shared):
    found = compare([shared], Options(by=("sampling", "seed")))
    assert found.baseline is None
    assert isnan(found.baseline_hypervolume)
    assert any("--baseline KEY=VALUE" in remark for remark in found.remarks)
    assert compare([shared], Options(where=("sampling=fine",))).baseline is None  # nothing to compare


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": "cost/train"}, "figure: 'cost/train'.*Did you mean 'cost/train_s'"),
        ({"y": "final/r2"}, "larger is better.*final/rel_l2"),
        ({"x": "cost/energy_j"}, "no run has a finite value"),
        ({"by": ("sampeling",)}, "Did you mean 'sampling'"),
        ({"where": ("sampling=adaptive",)}, r"no run has sampling=adaptive \(of 12 finished, 1 skipped\)"),
        ({"baseline": ("sampling=fine,mlmc",)}, "selects 2 of the groups, and one is needed: mlmc; fine"),
        ({"baseline": ("sampling=auto",)}, "selects none of the groups.*coarse; mlmc; mixed; fine"),
        ({"targets": (0.1, -1.0)}, "target: -1 given"),
        ({"reference": (0.0, 1.0)}, "reference: 0 given"),
        ({"reference": (float("nan"), 1.0)}, "reference: nan given"),
    ],
)
def test_refusals(shared, options, message):
    with pytest.raises(InputError, match=message):
        compare([shared], Options(**options))


def test_only_unfinished_runs(tmp_path):
    make_run(tmp_path / "begun", finished=False)
    with pytest.raises(InputError, match=r"no finished run, 1 skipped \(begun: unfinished\)"):
        compare([tmp_path], Options(where=("sampling=fine",)))


def test_json_holds_no_nan_and_csv_reads_back(folder):
    for seed in range(3):
        summary = folder / f"mixed{seed}" / "summary.json"
        summary.write_text(json.dumps({**json.loads(summary.read_text()), "final/rel_l2": None}))
    found = compare([folder], Options())
    data = json.loads(json.dumps(as_dict(found), allow_nan=False))
    assert [(g["label"], g["front"], g["baseline"]) for g in data["groups"]] == [
        ("coarse", True, False), ("mlmc", True, False), ("mixed", False, False), ("fine", False, True),
    ]  # fmt: skip
    assert data["groups"][2]["y"] == {"median": None, "q1": None, "q3": None}
    assert data["targets"]["groups"][1]["against_baseline"]["speed_up"] > 1
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [row["sampling"] for row in rows] == ["coarse", "mlmc", "mixed", "fine"]
    assert float(rows[1]["final/rel_l2 median"]) == 0.08
    assert float(rows[2]["final/rel_l2 median"]) == float("inf")
    assert [row["failed"] for row in rows] == ["0", "0", "3", "0"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cost/train_s", "training time [s]"),
        ("final/rel_l2", "relative L2 error"),
        ("final/rel_l2/65x65", "relative L2 error at 65x65"),
        ("best/rel_l2", "best relative L2 error"),
        ("cost/samples", "samples"),
        ("cost/samples/65x65", "samples at 65x65"),
        ("mlmc/C/17x17", "mlmc/C/17x17"),
    ],
)
def test_axes_in_words(name, words):
    assert title(name) == words
