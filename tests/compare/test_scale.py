"""Axes: what they hold, where values lie, ticks that can be read."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nolab.compare.scale import Scale, tick_texts

amount = st.floats(1e-6, 1e18)


@given(st.lists(st.one_of(amount, st.just(0.0)), min_size=1, max_size=5), st.integers(5, 8))
def test_ticks_are_few_within_and_told_apart(values, most):
    scale = Scale.of(values)
    ticks = scale.ticks(most)
    texts = tick_texts(ticks)
    assert 2 <= len(ticks) <= most
    assert scale.low <= ticks[0] < ticks[-1] <= scale.high
    assert ticks == sorted(ticks)
    assert len(set(texts)) == len(ticks)
    assert [float(text) for text in texts] == pytest.approx(ticks, rel=1e-9, abs=1e-30)


@given(amount, amount)
def test_values_lie_in_their_order_inside(one, other):
    assume(one < other)
    scale = Scale.of([one, other])
    assert scale.log == (other / one > 5)
    assert scale.place(scale.low) == pytest.approx(0, abs=1e-9)
    assert scale.place(scale.high) == pytest.approx(1)
    assert 0 < scale.place(one) <= scale.place(other) < 1


def test_a_decade_is_a_decade():
    scale = Scale(1.0, 100.0, log=True)
    assert scale.place(10.0) == pytest.approx(0.5)
    assert Scale(0.0, 100.0, log=False).place(10.0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("values", "log"),
    [([1, 5], False), ([1, 5.1], True), ([0, 100], False), ([-1, 100], False), ([7], False)],
)
def test_log_beyond_a_factor_of_five(values, log):
    assert Scale.of([*values, float("nan"), float("inf")]).log is log


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (Scale(1, 1e12, log=True), ["1e0", "1e3", "1e6", "1e9", "1e12"]),
        (Scale(9, 130, log=True), ["10", "20", "30", "50", "100"]),
        (Scale(0.0009, 0.2, log=True), ["0.001", "0.003", "0.01", "0.03", "0.1"]),
        (Scale(59.89, 60.31, log=False), ["59.9", "60", "60.1", "60.2", "60.3"]),
        (Scale(0, 2.1e6, log=False), ["0", "5e5", "1e6", "1.5e6", "2e6"]),
    ],
)
def test_ticks_by_hand(scale, expected):
    assert tick_texts(scale.ticks(5)) == expected


def test_one_tick_more_is_too_many():
    assert Scale(9, 130, log=True).ticks(4) == [10, 20, 50, 100]
    assert Scale(-0.1, 4.1, log=False).ticks(4) == [0, 2, 4]


def test_equal_values_still_make_an_axis():
    for value in (0.0, 60.0, 60.0 * (1 + 1e-15)):
        scale = Scale.of([60.0, value] if value else [value])
        assert scale.low < value < scale.high
        assert len(scale.ticks(6)) >= 2
