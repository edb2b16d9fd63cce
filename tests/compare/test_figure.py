"""Pictures: nothing covers or leaves anything, text stays text, labels are no formulas."""

from itertools import combinations

import pytest
from compare_support import make_run
from matplotlib.image import imread

from nolab.compare.comparison import Options, compare
from nolab.compare.figure import draw, save_figure
from nolab.compare.look import looks
from nolab.errors import InputError


@pytest.fixture
def compared(tmp_path):
    """Compare n groups of two seeds; most of them on the front, every third far off it."""

    def compare_groups(n, **options):
        for i in range(n):
            for seed in range(2):
                make_run(
                    tmp_path / f"runs{n}" / f"{i}-{seed}",
                    [f"sampling=scheme{i}", f"seed={seed}"],
                    error=(0.5 if i % 3 == 2 else 0.3) * 0.8**i * (1 + 0.1 * seed),
                    seconds=20.0 * 1.2**i,
                    times=1,
                )
        return compare([tmp_path / f"runs{n}"], Options(**options))

    return compare_groups


@pytest.mark.parametrize(
    ("n", "x"), [(1, "cost/train_s"), (4, "cost/flops"), (12, "cost/train_s"), (30, "cost/flops")]
)
def test_nothing_overlaps_or_is_cut_off(compared, n, x):
    figure = draw(compared(n, x=x))
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (legend,) = figure.legends
    box, plot = legend.get_window_extent(), axes.get_tightbbox()
    assert box.y1 <= plot.y0
    assert figure.bbox.width == pytest.approx(3.5 * figure.dpi)
    for part in (box, plot):
        assert part.x0 >= 0
        assert part.y0 >= 0
        assert part.x1 <= figure.bbox.x1
        assert part.y1 <= figure.bbox.y1
    for axis in (axes.xaxis, axes.yaxis):
        labels = [
            label.get_window_extent() for label in axis.get_ticklabels(which="both") if label.get_text()
        ]
        assert len(labels) >= 2
        assert not any(one.overlaps(other) for one, other in combinations(labels, 2))
    assert axes.get_window_extent().height > 1.2 * figure.dpi  # the legend did not eat the plot


def test_axes_are_logarithmic_where_the_data_span_more_than_five(compared):
    (axes,) = draw(compared(4)).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
    (axes,) = draw(compared(13)).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_few_groups_are_all_named_and_of_many_the_front_and_the_baseline(compared):
    few = compared(12, baseline=("sampling=scheme2",))
    assert [look.label for look in looks(few)] == [few.name(group) for group in few.groups]
    assert len({(look.colour, look.marker) for look in looks(few)}) == 12
    assert [look.filled for look in looks(few)] == few.front
    many = compared(30, baseline=("sampling=scheme2",))
    named = [look.label != "other groups" for look in looks(many)]
    assert named == [on or group is many.baseline for on, group in zip(many.front, many.groups, strict=True)]
    assert sum(named) > sum(many.front)


def test_all_formats_hold_what_they_should(compared, tmp_path):
    comparison = compared(4, baseline=("sampling=scheme2",))
    files = {suffix: tmp_path / f"pareto.{suffix}" for suffix in ("png", "svg", "pdf")}
    for file in files.values():
        save_figure(comparison, file)
    pixels = imread(files["png"])
    assert pixels.shape[1] == 1050  # 3.5 inches at 300 dpi
    assert pixels.shape[0] > 780
    assert (pixels[..., :3].min(axis=-1) < 0.5).mean() > 0.005
    svg = files["svg"].read_text()
    for words in ("scheme0", "scheme2 (baseline)", "training time [s]", "relative L2 error", "Pareto front"):
        assert f"{words}</text>" in svg
    assert b"/FontFile2" in files["pdf"].read_bytes()  # TrueType, as journals ask


def test_the_front_is_drawn_through_its_medians(compared):
    comparison = compared(4)
    (axes,) = draw(comparison).axes
    (line,) = (line for line in axes.lines if line.get_label() == "Pareto front")
    front = [g for g, on in zip(comparison.groups, comparison.front, strict=True) if on]
    assert line.get_drawstyle() == "steps-post"
    assert list(line.get_xdata())[1:-1] == [group.x.median for group in front]
    assert list(line.get_ydata())[1:-1] == [group.y.median for group in front]


def test_groups_along_a_key_make_curves(tmp_path):
    """Two samplings with three budgets each: two curves, through the medians in order of cost."""
    for sampling, error in (("fine", 0.2), ("mlmc", 0.1)):
        for seconds in (40, 10, 20):
            overrides = [f"sampling={sampling}", f"budget.seconds={seconds}"]
            folder = tmp_path / "runs" / f"{sampling}{seconds}"
            make_run(folder, overrides, error=error / seconds, seconds=float(seconds))
    options = Options(by=("sampling", "seconds"), along="seconds")
    comparison = compare([tmp_path / "runs"], options)
    assert sorted(set(comparison.curves)) == ["fine", "mlmc"]
    styles = {
        curve: (look.colour, look.marker)
        for curve, look in zip(comparison.curves, looks(comparison), strict=True)
    }
    assert len(set(styles.values())) == 2
    (axes,) = draw(comparison).axes
    curves = {
        tuple(line.get_xdata()): tuple(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3
    }
    assert set(curves) == {(10.0, 20.0, 40.0)}
    assert sum(len(line.get_xdata()) == 3 and line.get_linestyle() == "-" for line in axes.lines) == 2
    with pytest.raises(InputError, match=r"along: 'second' is not known\. Did you mean 'seconds'"):
        compare([tmp_path / "runs"], Options(by=("sampling", "seconds"), along="second"))


def test_labels_are_no_formulas_and_never_hidden_or_too_long(tmp_path):
    for i, value in enumerate((r"$\frac{$", "_hidden", "x" * 200)):
        make_run(tmp_path / "runs" / str(i), [f"sampling={value}"], error=0.1 / (i + 1), seconds=10.0 + i)
    save_figure(compare([tmp_path / "runs"], Options()), tmp_path / "a.svg")
    svg = (tmp_path / "a.svg").read_text()
    assert r"$\frac{$</text>" in svg
    assert "_hidden</text>" in svg
    assert "xxx…xxx" in svg


def test_groups_that_diverged_are_left_out(tmp_path):
    for name, errors in (("fine", (0.1, 0.2, None)), ("mlmc", (None, None, None))):
        for seed, error in enumerate(errors):
            make_run(tmp_path / f"{name}{seed}", [f"sampling={name}", f"seed={seed}"], error=error)
    (legend,) = draw(compare([tmp_path], Options())).legends
    assert [text.get_text().strip() for text in legend.get_texts()] == ["Pareto front", "fine (baseline)"]


def test_refusals(compared, tmp_path):
    comparison = compared(2)
    with pytest.raises(InputError, match=r"'jpg' is not known.*png, svg, pdf"):
        save_figure(comparison, tmp_path / "a.jpg")
    with pytest.raises(InputError, match="can't be written"):
        save_figure(comparison, tmp_path / "missing" / "a.png")
    for i, error in enumerate((None, 0.1)):
        make_run(tmp_path / "half" / str(i), error=error)
    with pytest.raises(InputError, match="nothing to draw"):
        save_figure(compare([tmp_path / "half"], Options()), tmp_path / "a.png")
