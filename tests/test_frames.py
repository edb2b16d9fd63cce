"""Names of frames."""

import pytest

from nolab.frames import follow_on, frame_name


def names(*times, field="vorticity"):
    return tuple(frame_name(field, time) for time in times)


@pytest.mark.parametrize(
    ("time", "name"),
    [(1, "w_t1"), (1.0, "w_t1"), (0.5, "w_t0.5"), (10, "w_t10"), (1 / 3, "w_t0.333333"), (0, "w_t0")],
)
def test_names(time, name):
    assert frame_name("w", time) == name


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        (names(1, 2), names(3, 4, 5), True),
        (names(0), names(1), True),
        (names(0, 1 / 3), names(2 / 3, 1), True),
        (names(1, 2), names(4, 5), False),  # a gap
        (names(1, 2), names(2, 3), False),  # no step
        (names(3, 4), names(1, 2), False),  # backwards
        (names(1), names(2, field="u"), False),  # another field
        (("x",), ("y",), False),
        (("u_time",), ("u_t1",), False),
        (names(1), ("vorticity",), False),
    ],
)
def test_whether_outputs_follow_on(inputs, outputs, expected):
    assert follow_on(inputs, outputs) is expected
