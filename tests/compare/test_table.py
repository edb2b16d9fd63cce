"""Tables for the eye: three digits, misses in words, which runs reached a target."""

import pytest
from compare_support import make_run

from nolab.compare.comparison import Options, compare
from nolab.compare.table import baseline_line, baseline_table, groups_table, short, targets_table
from nolab.compare.terminal import UNICODE


@pytest.fixture
def comparison(tmp_path):
    """fine: three runs, the last a little worse; mlmc: two of three diverged."""
    for name, errors in (("fine", (0.1, 0.1, 0.12)), ("mlmc", (0.08, None, None))):
        for seed, error in enumerate(errors):
            make_run(
                tmp_path / f"{name}{seed}",
                [f"sampling={name}", f"seed={seed}"],
                error=error,
                seconds=60.0 + seed,
            )
    return compare([tmp_path], Options(targets=(0.1, 0.5)))


def test_groups(comparison):
    assert groups_table(comparison, UNICODE) == (
        ["", "group", "runs", "training time [s]", "relative L2 error"],
        [
            ["A ●", "fine (baseline)", "3", "61.0 (60.5–61.5)", "0.100 (0.100–0.110)"],
            ["B", "mlmc", "3 (2 failed)", "61.0 (60.5–61.5)", "inf"],
        ],
    )


def test_targets(comparison):
    columns, (fine, mlmc) = targets_table(comparison, comparison.targets, UNICODE)
    assert columns == ["", "group", "0.100", "0.500"]
    assert fine == ["A", "fine (baseline)", "61.0 (60.5–inf) 2/3", "6.10 (6.05–12.3)"]
    assert mlmc == ["B", "mlmc", "only 1/3", "only 1/3"]


def test_against_the_baseline(comparison):
    _, rows = baseline_table(comparison, comparison.targets, UNICODE)
    assert rows == [["A", "fine (baseline)", "1.00×", "0.100", "1.00×"], ["B", "mlmc", "-", "-", "-"]]
    assert baseline_line(comparison, comparison.targets).endswith(
        "its error, 0.100, and error at its cost, 61.0"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02011, "0.0201"), (0.1, "0.100"), (60.12, "60.1"), (123.4, "123"), (2291.4, "2291"), (1.234e12, "1.23e12"),
     (0.000123, "1.23e-4"), (0.0, "0.00"), (float("inf"), "inf"), (float("nan"), "-")],
)  # fmt: skip
def test_three_digits(value, text):
    assert short(value) == text
