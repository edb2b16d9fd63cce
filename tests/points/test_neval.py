"""N_eval as the user gives it: what is read, what is refused, how it grows."""

import pytest

from nolab.errors import InputError
from nolab.points import NEval, parse_neval

GROWING = {"start": 10, "stop": 50}


@pytest.mark.parametrize(
    ("value", "n_points", "expected"),
    [
        (None, 100, None),
        (1, 100, 1),
        (16, 100, 16),
        (16.0, 100, 16),
        (100, 100, None),
        (101, 100, None),
        (0.25, 100, 25),
        (0.25, 289, 72),
        (0.001, 100, 1),
        (0.999, 100, None),  # rounds to all of them
        (0.5, 1, None),
    ],
)
def test_constant(value, n_points, expected) -> None:
    neval = parse_neval(value, "neval")
    assert neval.is_constant
    assert not neval.is_auto
    assert {neval.count(n_points, share) for share in (0.0, 0.3, 1.0)} == {expected}


@pytest.mark.parametrize(
    ("value", "n_points", "counts"),
    [
        # as many phases as 1 + doublings, equally long
        ({"start": 8, "stop": 32}, 100, [8] * 4 + [16] * 4 + [32] * 5),
        (GROWING, 100, [10] * 3 + [20] * 3 + [40] * 3 + [50] * 4),
        (GROWING, 40, [10] * 3 + [20] * 3 + [None] * 7),
        ({"start": 0.1, "stop": 0.2}, 100, [10] * 6 + [20] * 7),
        ({"start": 50, "stop": None}, 100, [50] * 6 + [None] * 7),
        ({"start": 16, "stop": 0.25}, 40, [10] * 13),  # start is above stop on this grid
    ],
)
def test_schedule(value, n_points, counts) -> None:
    neval = parse_neval(value, "neval")
    assert not neval.is_constant
    assert [neval.count(n_points, share / 12) for share in range(13)] == counts


def test_a_schedule_follows_the_geometric_growth() -> None:
    neval = parse_neval({"start": 3, "stop": 3000}, "neval")
    for share in range(101):
        assert 0.5 <= neval.count(10_000, share / 100) / (3 * 1000 ** (share / 100)) <= 2


def test_auto_has_to_be_measured() -> None:
    neval = parse_neval("auto", "neval")
    assert neval.is_auto
    with pytest.raises(RuntimeError, match="not been measured"):
        neval.count(10, 0.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, r"^k: must be a whole number >= 1, a fraction in \(0, 1\) of the points, auto, .* got 0$"),
        (-3, r"^k: must be .* got -3"),
        (2.5, r"^k: must be .* got 2.5"),
        (-0.5, r"^k: must be .* got -0.5"),
        (float("nan"), r"^k: must be .* got nan"),
        (float("inf"), r"^k: must be .* got inf"),
        (True, r"^k: must be .* got True"),
        ("many", r"^k: must be .* got 'many'"),
        ("16", r"^k: must be .* got '16'"),
        ([4], r"^k: must be .* got \[4\]"),
        (1.0, r"^k: 1.0 could mean one point or all of them; write 1 for one point, null for all"),
        ({"start": 9, "stop": 3}, r"^k: start must lie below stop, got .*9.*3"),
        ({"start": 9, "stop": 9}, r"^k: start must lie below stop"),
        ({"start": 0.5, "stop": 0.2}, r"^k: start must lie below stop"),
        ({"start": 9}, r"^k: a growing N_eval is \{start: …, stop: …\}, got \{'start': 9\}"),
        ({"start": None, "stop": 9}, r"^k: a growing N_eval is"),
        ({"start": 1, "end": 9}, r"^k: a growing N_eval is"),
        ({"start": 1.5, "stop": 9}, r"^k: must be .* got 1.5"),
        ({"start": "auto", "stop": 9}, r"^k: must be .* got 'auto'"),
    ],
)
def test_refused(value, message) -> None:
    with pytest.raises(InputError, match=message):
        parse_neval(value, "k")


@pytest.mark.parametrize(
    ("value", "exceeds"),
    [
        (10, False),
        (11, True),
        (0.9, False),
        (None, False),
        ("auto", False),
        ({"start": 11, "stop": 99}, True),
    ],
)
def test_exceeds(value, exceeds) -> None:
    assert parse_neval(value, "neval").exceeds(10) is exceeds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (16, "16"),
        (0.25, "0.25"),
        ("auto", "auto"),
        ({"start": 4, "stop": 0.5}, "{start: 4, stop: 0.5}"),
        ({"start": 4, "stop": None}, "{start: 4, stop: null}"),
    ],
)
def test_shown_as_it_was_given(value, text) -> None:
    assert str(parse_neval(value, "neval")) == text


def test_the_default_is_all() -> None:
    assert NEval() == parse_neval(None, "neval")
