"""Typed options: what is taken, what is refused, and the key that the refusal names."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nolab.errors import InputError
from nolab.schema import check, convert, from_mapping

FIXED = settings(derandomize=True, deadline=None)


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    mode: Literal["fast", "slow"] = "fast"

    def __post_init__(self) -> None:
        check(0 < self.rate < 1, "rate", self.rate, "in (0, 1)")


@dataclass(frozen=True)
class Options:
    count: int
    inner: Inner = Inner()
    name: str = "x"
    on: bool = False
    betas: tuple[float, float] = (0.9, 0.99)
    sizes: list[int] = field(default_factory=list)
    limit: int | None = None


@dataclass(frozen=True)
class Outer:
    options: Options | None = None


ACCEPTED = [
    (3, int, 3),
    (3.0, int, 3),
    (-2, int, -2),
    (3, float, 3.0),
    (1e-3, float, 1e-3),
    (True, bool, True),
    ("text", str, "text"),
    ("fast", Literal["fast", "slow"], "fast"),
    (None, int | None, None),
    (4, int | None, 4),
    (4, int | list[int], 4),
    ([4, 5], int | list[int], [4, 5]),
    ([1, 2], tuple[float, float], (1.0, 2.0)),
    ((1, 2, 3), tuple[int, ...], (1, 2, 3)),
    ((1, 2), list[int], [1, 2]),
    ([], list[int], []),
    ({"a": 1}, dict, {"a": 1}),
    ({"a": 1}, dict[str, int], {"a": 1}),
    (object, Any, object),
]


@pytest.mark.parametrize(("value", "hint", "expected"), ACCEPTED)
def test_accepted(value: object, hint: Any, expected: object) -> None:
    got = convert(value, hint, "key")
    assert got == expected
    assert type(got) is type(expected)


REFUSED = [
    (True, int, r"key: expected a whole number, got True"),
    (False, float, r"key: expected a number, got False"),
    (1, bool, r"key: expected true or false, got 1"),
    ("yes", bool, r"key: expected true or false, got 'yes'"),
    ("3", int, r"key: expected a whole number, got '3'"),
    ("3", float, r"key: expected a number, got '3'"),
    (3.5, int, r"key: expected a whole number, got 3\.5"),
    (math.nan, int, r"key: expected a whole number, got nan"),
    (math.inf, int, r"key: expected a whole number, got inf"),
    (-math.inf, int | None, r"key: expected a whole number, got -inf"),
    (3, str, r"key: expected a text, got 3"),
    (None, int, r"key: expected a whole number, got None"),
    ("fats", Literal["fast", "slow"], r"key: 'fats' is not known\. Did you mean 'fast'\? Valid: fast, slow"),
    ([1], Literal["fast"], r"key: '\[1\]' is not known"),
    ([1], tuple[float, float], r"key: expected 2 values, got 1"),
    ([1, "a"], tuple[float, float], r"key\[1\]: expected a number, got 'a'"),
    ([1, True], list[int], r"key\[1\]: expected a whole number, got True"),
    ("12", list[int], r"key: expected a list, got '12'"),
    ({"a": 1}, list[str], r"key: expected a list"),
    (5, list[int], r"key: expected a list, got 5"),
    ([1], dict, r"key: expected a group of keys, got \[1\]"),
    ("a", int | list[int], r"key: expected a list, got 'a'"),
]


@pytest.mark.parametrize(("value", "hint", "message"), REFUSED)
def test_refused(value: object, hint: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        convert(value, hint, "key")


@FIXED
@given(st.integers(-(2**53), 2**53))
def test_whole_floats_are_whole_numbers(n: int) -> None:
    assert convert(float(n), int, "key") == n


def test_nested_mapping() -> None:
    outer = from_mapping(
        Outer, {"options": {"count": 2, "inner": {"rate": 0.25}, "betas": [0, 0.5], "sizes": [3], "on": True}}
    )
    assert outer == Outer(Options(2, Inner(0.25), betas=(0.0, 0.5), sizes=[3], on=True))
    assert from_mapping(Outer, {}) == Outer(None)
    assert from_mapping(Outer, {"options": None}) == Outer(None)


def test_a_finished_dataclass_is_taken_as_it_is() -> None:
    inner = Inner(0.1)
    assert from_mapping(Options, {"count": 1, "inner": inner}).inner is inner


BAD = [
    ({"options": {"count": 1, "inner": {"raet": 1}}}, r"run\.options\.inner\.raet: .*mean 'rate'"),
    (
        {"options": {"count": 1, "inner": {"rate": 2}}},
        r"run\.options\.inner\.rate: must be in \(0, 1\), got 2",
    ),
    ({"options": {"count": 1, "inner": {"mode": "quick"}}}, r"run\.options\.inner\.mode: 'quick'"),
    ({"options": {"count": 1, "inner": 3}}, r"run\.options\.inner: expected a group of keys, got 3"),
    ({"options": {"count": 1, "betas": [0.5, "b"]}}, r"run\.options\.betas\[1\]: expected a number"),
    ({"options": {}}, r"run\.options\.count: missing"),
    ({"options": {"cuont": 1}}, r"run\.options\.cuont: 'cuont' is not known\. Did you mean 'count'\?"),
    ({"option": None}, r"run\.option: .*Did you mean 'options'\?"),
    ({1: None}, r"run\.1: '1' is not known\. Valid: options"),
    ([], r"run: expected a group of keys"),
]


@pytest.mark.parametrize(("mapping", "message"), BAD)
def test_errors_name_the_full_key(mapping: object, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        from_mapping(Outer, mapping, "run")


def test_errors_at_the_top_name_the_bare_key() -> None:
    with pytest.raises(InputError, match=r"^rate: must be in"):
        from_mapping(Inner, {"rate": 0})


def test_a_message_about_several_keys_stays_as_it_is() -> None:
    @dataclass(frozen=True)
    class Pair:
        a: int = 0

        def __post_init__(self) -> None:
            raise InputError("pairs: a and b exclude each other")

    with pytest.raises(InputError, match=r"^pairs: a and b"):
        from_mapping(Pair, {}, "run")
