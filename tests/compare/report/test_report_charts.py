"""The charts in a real browser: their points, fronts, medians and curves against Python's own."""

import math
from itertools import pairwise

import numpy as np
import pytest
from compare_support import make_run
from report_support import (
    brute_force_front,
    by_label,
    click_point,
    make_report,
    reset,
    set_filter,
    shown_rows,
    shown_runs,
    traces,
)

ERROR = "final/rel_l2"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """27 runs: coarse values, so that points tie, and one run that diverged."""
    folder = tmp_path_factory.mktemp("charts")
    generator = np.random.default_rng(0)
    for i, (sampling, delta, seed) in enumerate(
        (sampling, delta, seed)
        for sampling in ("fine", "coarse", "mlmc")
        for delta in (1, 2, 4)
        for seed in range(3)
    ):
        make_run(
            folder / f"run{i:02}",
            [
                f"sampling={sampling}",
                f"delta={delta}",
                f"seed={seed}",
                f"optimizer.lr={0.001 * (1 + i % 9):g}",
            ],
            error=None
            if i == 4
            else round(float(generator.choice([0.01, 0.02, 0.03, 0.05]) * (1 + delta)), 3),
            seconds=float(generator.choice([10, 20, 30, 40, 60, 120])),
            times=5,
            **{"cost/peak_mem_gib": float(generator.integers(0, 5))},
        )
    return make_report(folder, folder / "report.html")


@pytest.fixture(scope="module")
def opened(report, open_report):
    return open_report(report[0])


@pytest.fixture
def page(opened):
    return reset(opened)


def points_of(runs, x, y, chosen=None):
    """Places of the runs that have both figures, and the points with larger-is-better turned round."""
    sign = {name: -1 if "r2" in name else 1 for name in (x, y)}
    places = [i for i, run in enumerate(runs) if (chosen is None or chosen(run))]
    places = [i for i in places if not math.isnan(runs[i].figure(x) + runs[i].figure(y))]
    return places, [(sign[x] * runs[i].figure(x), sign[y] * runs[i].figure(y)) for i in places]


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("cost/train_s", ERROR),
        ("cost/flops", "final/h1"),
        ("cost/train_s", "final/r2"),
        ("final/r2", "cost/peak_mem_gib"),
    ],
)
def test_points_and_front_are_those_of_the_figures(report, page, x, y):
    _, runs = report
    page.select_option("#x", x)
    page.select_option("#y", y)
    for text, chosen in [("", None), ("delta=2,4", lambda run: run.config["delta"] in (2, 4))]:
        places, points = points_of(runs, x, y, chosen)
        front = sorted(places[k] for k in brute_force_front(points))
        set_filter(page, text)
        assert shown_runs(page, "scatter", "points") == places
        assert page.locator("#scatter .scatterlayer .trace .point").count() == len(places) + len(front)
        assert shown_runs(page, "scatter", "front") == front
        marked = page.locator("#table tr.front").evaluate_all("rows => rows.map((row) => +row.dataset.run)")
        assert sorted(marked) == front
        (line,) = traces(page, "scatter", "front")
        assert line["x"] == sorted(line["x"])
        assert line["line"]["shape"] == ("vh" if "r2" in x else "hv")


def test_log_axes_are_chosen_by_the_span_and_can_be_changed(report, page):

    def types():
        return page.evaluate(
            "['xaxis', 'yaxis'].map((a) => document.getElementById('scatter').layout[a].type)"
        )

    assert types() == ["log", "log"]  # 10 to 120 s, 0.02 to 0.25
    page.uncheck("#x-log")
    assert types() == ["linear", "log"]
    page.check("#x-log")
    page.select_option("#y", "final/r2")
    assert types() == ["log", "linear"]
    page.select_option("#x", "cost/peak_mem_gib")  # some are 0
    assert types() == ["linear", "linear"]
    assert page.is_disabled("#x-log")


def test_colours_are_the_keys_classes_whatever_the_filter(report, page):
    _, runs = report

    def colours():
        return {
            point["run"]: trace["marker"]["color"]
            for trace in traces(page, "scatter", "points")
            for point in trace["customdata"]
        }

    page.select_option("#colour", "")
    assert len(set(colours().values())) == 1
    page.select_option("#colour", "sampling")
    before = colours()
    names = [runs[i].config["sampling.estimator"] for i in before]
    assert {len(set(some)) for some in by_label(before.values(), names).values()} == {1}
    assert len(set(before.values())) == 3
    assert page.locator("#legend").inner_text().split() == ["sampling", "coarse", "fine", "mlmc"]
    assert {trace["line"]["color"] for trace in traces(page, "curves", "curves")} == set(before.values())
    set_filter(page, "sampling=mlmc")
    assert colours() == {i: colour for i, colour in before.items() if i in colours()}
    page.select_option("#colour", "optimizer.lr")  # 9 numbers: a scale
    assert page.locator("#legend .ramp").count() == 1
    assert page.locator("#legend").inner_text().split()[-2:] == ["0.001", "0.009"]
    assert len(set(colours().values())) > 6


def test_medians_are_over_seeds_and_a_diverged_run_is_a_miss(tmp_path, open_report):
    for sampling, errors in {
        "fine": (0.1, 0.3, None),
        "coarse": (0.2, None, None),
        "mlmc": (0.4, 0.1, 0.2),
    }.items():
        for seed, error in enumerate(errors):
            make_run(
                tmp_path / f"{sampling}{seed}",
                [f"sampling={sampling}", f"seed={seed}"],
                error=error,
                seconds=10.0 * (1 + seed) ** 2,
            )
    file, _ = make_report(tmp_path, tmp_path / "report.html")
    page = open_report(file)
    page.select_option("#points", "medians")
    shown = {tuple(p["words"]): p for t in traces(page, "scatter", "points") for p in t["customdata"]}
    # Two of three coarse runs missed: the median is beyond any axis.
    assert set(shown) == {("sampling=fine",), ("sampling=mlmc",)}
    fine, mlmc = shown["sampling=fine",], shown["sampling=mlmc",]
    assert (fine["x"], fine["y"]) == (40, 0.3)
    assert (mlmc["x"], mlmc["y"]) == (40, 0.2)
    assert mlmc["bars"]["y"] == pytest.approx({"low": 0.15, "median": 0.2, "high": 0.3})
    assert fine["bars"]["x"] == pytest.approx({"low": 25, "median": 40, "high": 65})
    assert fine["bars"]["y"]["low"] == pytest.approx(0.2)
    assert [p["words"] for t in traces(page, "scatter", "front") for p in t["customdata"]] == [
        ["sampling=mlmc"]
    ]
    page.select_option("#colour", "")
    (trace,) = traces(page, "scatter", "points")
    by_place = dict(
        zip(
            trace["y"],
            zip(trace["error_y"]["arrayminus"], trace["error_y"]["array"], strict=True),
            strict=True,
        )
    )
    assert by_place[0.2] == pytest.approx((0.05, 0.1))
    assert by_place[0.3] == pytest.approx((0.1, 0))  # the upper quartile is a miss
    assert "3 runs without" in page.inner_text("#scatter-note")
    click_point(page, trace["y"].index(0.2))
    page.wait_for_function("() => document.getElementById('filter').value === 'sampling=mlmc'")
    assert len(shown_rows(page)) == 3


@pytest.mark.parametrize("x", ["cost/train_s", "step", "cost/flops"])
def test_curves_are_one_trace_a_colour_with_gaps_between_runs(report, page, x):
    _, runs = report
    page.select_option("#colour", "sampling")
    for name in ("eval/rel_l2", "train/loss"):
        page.select_option("#curve-x", x)
        page.select_option("#curve-y", name)
        drawn = traces(page, "curves", "curves")
        assert len(drawn) == 3
        curves = {}
        for trace in drawn:
            owners = [point and point["run"] for point in trace["customdata"]]
            assert not [pair for pair in pairwise(owners) if None not in pair and pair[0] != pair[1]]
            for *point, run in zip(trace["x"], trace["y"], trace["customdata"], strict=True):
                if run is None:
                    assert point == [None, None]
                else:
                    curves.setdefault(run["run"], []).append(point)
        assert sorted(curves) == list(range(27))
        for i, run in enumerate(runs):
            expected = np.array(run.curve(x, name))
            assert np.array(curves[i], dtype=float) == pytest.approx(expected, rel=1e-5, nan_ok=True)


def test_importance_is_the_share_of_variance_between_groups(report, page):
    _, runs = report
    places, points = points_of(runs, "cost/train_s", ERROR)
    logs = np.log([y for _, y in points])
    expected = {}
    for key, name in {
        "sampling": "sampling.estimator",
        "delta": "delta",
        "seed": "seed",
        "optimizer.lr": "optimizer.lr",
    }.items():
        groups = by_label(logs, [runs[i].config[name] for i in places])
        within = sum(((np.array(some) - np.mean(some)) ** 2).sum() for some in groups.values())
        share = 1 - within / ((logs - logs.mean()) ** 2).sum()
        chance = (len(groups) - 1) / (len(logs) - 1)
        expected[key] = (
            f"{100 * share:.0f} %",
            f"{len(groups)} values, by chance {100 * chance:.0f} %",
            share,
        )
    rows = page.locator("#matters li")
    shown = {
        row.locator(".name").inner_text(): (row.locator(".figure").inner_text(), row.get_attribute("title"))
        for row in rows.all()
    }
    assert shown == {key: (share, chance) for key, (share, chance, _) in expected.items()}
    assert list(shown) == sorted(expected, key=lambda key: -expected[key][2])
    set_filter(page, "sampling=fine delta=1 seed=0")
    assert "No key varies" in page.inner_text("#matters")
