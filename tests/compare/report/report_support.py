"""Reports made for tests, and what a page shows of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nolab.compare.records import Reading, RunRecord, read_runs
from nolab.compare.report.data import report_data
from nolab.compare.report.page import page
from nolab.compare.report.pictures import pictures


def make_record(**environment: Any) -> RunRecord:
    """A run that no file holds."""
    return RunRecord(Path("outputs/train/one"), {}, {}, environment)


def make_data(reading: Reading, limit: int = 24) -> dict[str, Any]:
    shown = pictures(reading.runs, limit)
    return report_data(reading.runs, reading.skipped, shown, title="A title", source=["outputs"])


def make_report(folder: Path, file: Path, limit: int = 24) -> tuple[Path, list[RunRecord]]:
    """The page of a folder's runs, and the runs by their places in it."""
    reading = read_runs([folder])
    file.write_text(page(make_data(reading, limit)), encoding="utf-8")
    return file, reading.runs


def brute_force_front(points: Sequence[tuple[float, float]]) -> set[int]:
    """Places of the points that none is as good as and somewhere better; smaller is better."""

    def dominates(p, q):
        return p[0] <= q[0] and p[1] <= q[1] and p != q

    return {i for i, q in enumerate(points) if not any(dominates(p, q) for p in points)}


def traces(page, chart: str, name: str) -> list[dict[str, Any]]:
    """The chart's traces of a name, with plain lists."""
    script = """([chart, name]) => JSON.stringify(document.getElementById(chart).data
        .filter((trace) => trace.name === name)
        .map(({x, y, customdata, marker, line, error_x, error_y}) =>
            ({x, y, customdata, marker, line, error_x, error_y})))"""
    return json.loads(page.evaluate(script, [chart, name]))


def shown_runs(page, chart: str, name: str) -> list[int]:
    """The runs whose points are in the chart's traces of a name."""
    return sorted(p["run"] for trace in traces(page, chart, name) for p in trace["customdata"] if p)


def shown_rows(page) -> list[int]:
    """The runs of the table's visible rows, from above."""
    rows = page.locator("#table tbody tr:not([hidden])")
    return [int(run) for run in rows.evaluate_all("rows => rows.map((row) => row.dataset.run)")]


def set_filter(page, text: str) -> None:
    """Type a filter; Enter applies it at once."""
    page.fill("#filter", text)
    page.press("#filter", "Enter")


def click_point(page, place: int) -> None:
    """Click a point of the scatter's last trace, once the chart has noticed the pointer."""
    box = page.locator("#scatter .scatterlayer .trace:last-child .point").nth(place).bounding_box()
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*centre)
    page.wait_for_selector("#scatter .hovertext")
    page.mouse.click(*centre)


def reset(page):
    """The page as it was opened: a page that tests share is quicker than one for each."""
    page.evaluate("""() => {
        const choose = (id, value) => {
            const control = document.getElementById(id);
            control.value = value;
            control.dispatchEvent(new Event("change"));
        };
        document.getElementById("details").close();
        scrollTo(0, 0);
        delete document.documentElement.dataset.theme;
        choose("filter", ""); choose("points", "runs");
        choose("x", "cost/train_s"); choose("y", "final/rel_l2");
    }""")
    return page


def by_label(items: Iterable[Any], labels: Iterable[Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item, label in zip(items, labels, strict=True):
        groups.setdefault(label, []).append(item)
    return groups
