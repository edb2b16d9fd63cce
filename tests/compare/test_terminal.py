"""The plot in the terminal: letters where they belong, within 80 columns, in any encoding."""

import re

import pytest
from compare_support import make_run

from nolab.compare.comparison import Options, compare
from nolab.compare.terminal import ASCII, UNICODE, draw, glyphs_for, letter


@pytest.fixture
def compared(tmp_path):
    """Compare runs of (seconds, error), one group each."""

    def compare_points(points, **options):
        for i, (seconds, error) in enumerate(points):
            make_run(tmp_path / f"{i:03}", [f"delta={i}"], error=error, seconds=seconds, times=1)
        return compare([tmp_path], Options(**options))

    return compare_points


def canvas(plot):
    """Rows between the axes, without what stands left of them."""
    return [
        re.split("[│┤]", line, maxsplit=1)[1]
        for line in plot.splitlines()
        if re.match(r" *[\d.e]* *[│┤]", line)
    ]


def places(plot):
    found = {}
    for row, line in enumerate(canvas(plot)):
        for column, cell in enumerate(line):
            if cell not in " ·.─":
                found[cell] = (row, column)
    return found


def test_letters_lie_as_the_medians_do(compared):
    plot = draw(compared([(10, 0.3), (50, 0.08), (60, 0.2), (100, 0.1)]))
    where = places(plot)
    assert set(where) == set("ABCD")
    columns = [where[name][1] for name in "ABCD"]
    assert columns == sorted(columns)
    rows = [where[name][0] for name in "ACDB"]  # the largest error at the top
    assert rows == sorted(rows)
    assert plot.splitlines()[0] == "relative L2 error"
    assert plot.splitlines()[-1].strip() == "training time [s]"


def test_the_front_is_a_staircase_through_its_letters(compared):
    plot = draw(compared([(10, 0.3), (50, 0.08), (60, 0.2), (100, 0.1)]))
    rows, where = canvas(plot), places(plot)
    (row_a, column_a), (row_b, column_b) = where["A"], where["B"]
    assert set(rows[row_a][column_a + 1 : column_b + 1]) == {"·"}
    assert {rows[row][column_b] for row in range(row_a, row_b)} == {"·"}
    assert {rows[row][column_a] for row in range(row_a)} == {"·"}
    assert set(rows[row_b][column_b + 1 :]) == {"·"}
    below = rows[row_b + 1 :]
    assert "·" not in "".join(below)


@pytest.mark.parametrize("n", [1, 2, 12, 70])
@pytest.mark.parametrize("budget", [60.0, None])
def test_it_fits_80_columns_and_20_lines(compared, n, budget):
    plot = draw(compared([(budget or 1.4**i, 0.1 / (i + 1) ** 2) for i in range(n)]))
    lines = plot.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 20
    assert set(places(plot)) <= {letter(i) for i in range(n)}
    assert len(places(plot)) >= min(n, 11)


def test_letters_at_one_place_move_aside(compared):
    plot = draw(compared([(60, 0.1)] * 5 + [(90, 0.2)]))
    assert set(places(plot)) == set("ABCDEF")


def test_the_front_keeps_its_places(compared):
    # B is dominated, and would come before C.
    where = places(draw(compared([(59.9, 0.10005), (60.0, 0.1001), (60.1, 0.09999), (300, 0.5)])))
    row, column = where["A"]
    assert (where["C"], where["B"]) == ((row, column + 1), (row, column - 1))


def test_long_tick_labels_are_left_out_before_they_touch(compared):
    axis, labels, _ = draw(compared([(3583.302291, 0.1), (3583.302349, 0.2)])).splitlines()[-3:]
    values = [float(text) for text in labels.split()]
    assert values == sorted(values)
    assert all(3583.302 < value < 3583.303 for value in values)
    assert len(values) == axis.count("┴") >= 2


def test_groups_without_a_median_are_not_drawn(compared):
    assert set(places(draw(compared([(10, None), (20, 0.1), (30, 0.2)])))) == {"B", "C"}


def test_nothing_to_draw(tmp_path):
    for name, error in (("a", 0.1), ("b", None)):
        make_run(tmp_path / name, error=error)
    assert "nothing to draw" in draw(compare([tmp_path], Options()))


def test_ascii_where_the_output_knows_no_more(compared):
    assert glyphs_for("utf-8") is UNICODE
    assert [glyphs_for(name) for name in ("ascii", "latin-1", None, "no-such-codec")] == [ASCII] * 4
    plot = draw(compared([(10, 0.3), (50, 0.08)]), ASCII)
    assert plot.isascii()
    assert {"A", "B"} <= set(plot)


def test_letters():
    assert [letter(i) for i in (0, 25, 26, 51, 52, 99)] == ["A", "Z", "a", "z", "+", "+"]
