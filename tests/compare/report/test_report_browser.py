"""The page as a reader uses it: filter, table, details, themes, hundreds of runs, hostile texts."""

import json
import re
import time

import pytest
from compare_support import make_run
from PIL import Image
from report_support import click_point, make_report, reset, set_filter, shown_rows, shown_runs

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script><a href='javascript:alert(3)'>x</a>"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Eight runs, one of them diverged, one with a picture, and an unfinished one."""
    folder = tmp_path_factory.mktemp("browser")
    for i, (delta, lr) in enumerate(
        [(16, 1e-3), (2, 1e-2), (1, 5e-3), (2, 2e-3), (8, 1e-3), (1, 3e-3), (4, 1e-2), (2, 1e-3)]
    ):
        make_run(
            folder / f"run{i}",
            [f"delta={delta}", f"optimizer.lr={lr:g}", "neval=" + ("null", "16", "9")[i % 3]],
            error=None if i == 3 else 0.01 * (1 + (5 * i) % 8),
            seconds=10.0 + (3 * i) % 8,
            **{f"mlmc/V/{level}": 10.0**-k for k, level in enumerate(("17x17", "33x33", "65x65"))},
        )
    (folder / "run1" / "plots").mkdir()
    Image.new("RGB", (40, 20), (9, 99, 199)).save(folder / "run1" / "plots" / "prediction.png")
    make_run(folder / "stopped", finished=False)
    return make_report(folder, folder / "report.html")


@pytest.fixture(scope="module")
def opened(report, open_report):
    return open_report(report[0])


@pytest.fixture
def page(opened):
    return reset(opened)


def test_the_head_says_what_is_compared(page):
    assert page.title() == page.inner_text("h1") == "A title"
    assert page.inner_text("#facts").startswith("8 finished runs, 1 skipped · outputs · ")
    assert page.inner_text("#sweep").split("\n") == [
        *("delta", "1, 2, 4, 8, 16"),
        *("optimizer.lr", "0.001, 0.002, 0.003, 0.005, 0.01"),
        *("neval", "9, 16, null"),
    ]
    page.click("#skipped summary")
    assert page.inner_text("#skipped li").endswith("stopped: unfinished")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", range(8)),
        ("run5", [5]),
        ("RUN5", [5]),
        ("delta=2", [1, 3, 7]),
        ("delta=1", [2, 5]),  # not 16
        ("delta=1,16", [0, 2, 5]),
        ("delta>=4", [0, 4, 6]),
        ("delta=2 optimizer.lr=1e-3", [7]),
        ("neval=null", [0, 3, 6]),
        ("neval<16", [2, 5]),  # null is less than nothing
        ("final/rel_l2<0.03", [0, 5]),
        ("final/rel_l2<=0.03 delta=1", [2, 5]),
        ("final/rel_l2>0", [0, 1, 2, 4, 5, 6, 7]),
        ("model.name=fno", range(8)),
        ("model.name=tfno", []),
        ("lr=0.01", [1, 6]),  # no key: text of the overrides
        ("delta=", range(8)),  # not yet typed to its end
        ("delta<x", []),
        ('"delta=2"', [1, 3, 7]),
    ],
)
def test_filter(page, text, expected):
    expected = list(expected)
    set_filter(page, text)
    assert sorted(shown_rows(page)) == expected
    assert shown_runs(page, "scatter", "points") == [i for i in expected if i != 3]  # 3 has no error
    assert set(shown_runs(page, "curves", "curves")) == set(expected)
    assert page.locator("#pictures figure:visible").count() == (1 in expected)


def test_headers_sort_numbers_as_numbers_and_what_is_missing_last(page):

    def click(name):
        page.get_by_role("columnheader", name=name, exact=True).get_by_role("button").press("Enter")
        return shown_rows(page)

    assert shown_rows(page) == [0, 5, 2, 7, 4, 1, 6, 3]  # by error; 3 has none
    assert click("final/rel_l2") == [6, 1, 4, 7, 2, 5, 0, 3]
    assert click("delta") == [2, 5, 1, 3, 7, 6, 4, 0]
    assert click("delta") == [0, 4, 6, 1, 3, 7, 2, 5]
    assert page.locator("th[aria-sort=descending]").inner_text() == "delta"
    assert click("neval") == [2, 5, 1, 4, 7, 0, 3, 6]
    assert click("neval") == [1, 4, 7, 2, 5, 0, 3, 6]
    assert click("optimizer.lr")[:3] == [0, 4, 7]
    assert click("run") == list(range(8))


def test_a_point_opens_its_run_and_esc_closes_it(report, page):
    _, runs = report
    page.select_option("#colour", "")
    places = shown_runs(page, "scatter", "points")
    for k in (0, len(places) - 1):
        page.wait_for_timeout(400)  # two clicks in less are a double click, which resets the axes
        click_point(page, k)
        page.wait_for_selector("#details[open]")
        assert page.inner_text("#run-id") == runs[places[k]].name
        assert page.url.endswith(f"#run={runs[places[k]].name}")
        page.keyboard.press("Escape")
        page.wait_for_selector("#details", state="hidden")
        assert "#" not in page.url


def test_details_show_the_run_and_its_command_can_be_copied(page):
    page.locator("#table tbody tr[data-run='1'] td").nth(3).click()
    page.wait_for_selector("#details[open] #run-chart .plot-container")
    assert page.locator("#run-overrides code").all_inner_texts() == [
        "delta=2",
        "optimizer.lr=0.01",
        "neval=16",
    ]
    page.click("#copy")
    page.wait_for_function("() => document.getElementById('copy').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "nolab train delta=2 optimizer.lr=0.01 neval=16" == page.inner_text("#command")
    figures = page.locator("#run-figures").inner_text().split("\n")
    assert figures[figures.index("final/rel_l2") + 1] == "0.06000"
    table = [row.split("\t") for row in page.inner_text("#run-levels table").split("\n")]
    assert table == [
        ["level", "error", "samples", "ms per sample", "samples per step", "variance", "share of cost"],
        ["17x17", "0.06000", "16000", "2", "16", "1", "33 %"],
        ["33x33", "0.06000", "4000", "8", "4", "0.1000", "33 %"],
        ["65x65", "0.06000", "1000", "32", "1", "0.01000", "33 %"],
    ]
    assert page.locator("#levels-chart .barlayer .point").count() == 3
    assert page.locator("#levels-chart .scatterlayer .point").count() == 5 * 3
    assert page.locator("#run-chart .scatterlayer .trace").count() == 5
    assert page.evaluate("document.getElementById('run-picture').naturalWidth") == 40
    assert "device\ncpu (2 cores)" in page.inner_text("#run-environment")
    page.click("#details summary")
    assert "optimizer.betas\n[0.9,0.999]" in page.inner_text("#run-config")
    page.click("#close")
    page.locator("#table a", has_text="run0").press("Enter")
    assert page.is_hidden("#run-picture")
    assert "1 run of 8 have" in page.inner_text("#no-picture")


def test_the_address_opens_a_run_and_back_closes_it(report, open_report):
    page = open_report(report[0], "#run=run2")
    assert page.inner_text("#run-id") == "run2"
    page.reload()
    page.wait_for_selector("#details[open]")
    for unknown in ("#run=none", "#run=%E0%A4%A"):
        page.evaluate("(hash) => { location.hash = hash; }", unknown)
        page.wait_for_selector("#details", state="hidden")
    page.click("#table tbody tr[data-run='4'] td:last-child")
    page.wait_for_selector("#details[open]")
    page.go_back()
    page.wait_for_selector("#details", state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_button_wins_over_the_systems_theme(page, scheme):
    def lightness():
        colours = page.evaluate("""[getComputedStyle(document.documentElement).backgroundColor,
            document.getElementById("scatter").layout.font.color]""")
        return [sum(map(int, re.findall(r"\d+", colour)[:3])) // 3 > 127 for colour in colours]

    page.emulate_media(color_scheme=scheme)
    other = "Dark" if scheme == "light" else "Light"
    page.wait_for_function("(text) => document.getElementById('theme').textContent === text", arg=other)
    assert lightness() == [scheme == "light", scheme == "dark"]  # paper, ink
    page.click("#theme")
    assert lightness() == [scheme == "dark", scheme == "light"]
    assert page.inner_text("#theme").lower() == scheme  # what a click gives next
    page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
    assert lightness() == [scheme == "dark", scheme == "light"]
    page.click("#theme")
    assert lightness() == [scheme == "light", scheme == "dark"]
    page.emulate_media(color_scheme="light")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, open_report):
    folder = tmp_path_factory.mktemp("hostile")
    make_run(folder / "<img src=x onerror=alert(1)>", ["delta=2"], error=0.02, seconds=5)
    make_run(folder / ("long" * 40), ["delta=4"], error=0.01, seconds=9)
    third = make_run(folder / "&lt;b>&quot;'\"", ["delta=8"], error=0.005, seconds=20, **{HOSTILE: 3.0})
    environment = json.loads((third / "environment.json").read_text())
    environment |= {
        "overrides": ["delta=8", f"+note={HOSTILE}"],
        "device": HOSTILE,
        "packages": {HOSTILE: HOSTILE},
    }
    (third / "environment.json").write_text(json.dumps(environment))
    with (third / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 1, "cost/train_s": 1.0, f"eval/{HOSTILE}": 0.5}) + "\n")
    file, runs = make_report(folder, folder / "report.html")
    return open_report(file), runs


def test_hostile_texts_stay_texts(hostile):
    page, runs = hostile
    images = page.locator("img").count()
    page.select_option("#colour", "note")
    page.select_option("#y", HOSTILE)
    page.select_option("#curve-y", f"eval/{HOSTILE}")
    assert HOSTILE in page.text_content("#scatter .ytitle")
    page.hover("#scatter .scatterlayer .trace:last-child .point", force=True)
    page.wait_for_selector("#scatter .hovertext")
    for place, run in enumerate(runs):
        page.locator(f"#table tr[data-run='{place}'] a").click()
        page.wait_for_selector("#details[open] #run-chart .plot-container")
        assert page.inner_text("#run-id") == run.name
        page.keyboard.press("Escape")
    assert page.locator("img").count() == images
    assert page.locator("a[href^=javascript], a[*|href^=javascript]").count() == 0
    assert page.locator("script").count() == 3


@pytest.mark.parametrize("width", [400, 1000, 1600])
def test_the_page_never_scrolls_sideways(hostile, report, page, width):
    for shown, runs in (hostile, (page, report[1])):
        shown.set_viewport_size({"width": width, "height": 800})
        shown.wait_for_function(
            "() => document.documentElement.scrollWidth <= innerWidth"
        )  # charts follow in steps
        for run in runs[:3]:
            shown.evaluate("(id) => { location.hash = `run=${encodeURIComponent(id)}`; }", run.name)
            shown.wait_for_function(
                "(id) => document.getElementById('run-id').textContent === id", arg=run.name
            )
            shown.wait_for_function(
                "() => (d => d.scrollWidth <= d.clientWidth)(document.getElementById('details'))"
            )
        reset(shown).set_viewport_size({"width": 1600, "height": 1000})


def test_five_hundred_runs_are_drawn_in_seconds(tmp_path, open_report):
    for i in range(500):
        make_run(
            tmp_path / f"run{i:03}",
            [
                f"delta={2 ** (i % 4)}",
                f"neval={16 * (1 + i // 4 % 5)}",
                f"sampling={('fine', 'mlmc')[i // 20 % 2]}",
                f"seed={i // 40}",
            ],
            error=0.01 * (1 + i * 7919 % 500 / 50),
            seconds=1.0 + i * 104729 % 500,
            times=8,
        )
    file, _ = make_report(tmp_path, tmp_path / "report.html")
    assert file.stat().st_size < 10e6
    start = time.perf_counter()
    page = open_report(file)
    assert time.perf_counter() - start < 15  # generous: about 2 s on two cores
    assert len(shown_runs(page, "scatter", "points")) == 500
    assert len(shown_rows(page)) == 500
    start = time.perf_counter()
    set_filter(page, "delta=2,4 final/rel_l2<0.05")
    assert len(shown_rows(page)) == sum(i % 4 in (1, 2) and i * 7919 % 500 < 200 for i in range(500))
    assert time.perf_counter() - start < 5


def test_a_single_run_is_a_report(tmp_path, open_report):
    make_run(tmp_path / "one", error=None)
    page = open_report(make_report(tmp_path, tmp_path / "report.html")[0])
    assert shown_rows(page) == [0]
    assert "No key varies" in page.inner_text("#matters")
