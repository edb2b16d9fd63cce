"""The hierarchy: levels in the order of their size, on grids that the data can give."""

import pytest

from nolab.data.hierarchy import HierarchyOptions, build_hierarchy
from nolab.errors import InputError
from nolab.grid import Axis, Domain
from nolab.points import NEval

NODAL = Domain.unit(2)


def build(levels=None, *, domain=NODAL, finest=(65, 65), stored=None, **options):
    return build_hierarchy(HierarchyOptions(levels, **options), domain, finest, stored or [finest])


def names(hierarchy) -> list[str]:
    return [level.name for level in hierarchy.levels]


@pytest.mark.parametrize("order", [[65, 17, 33], [17, 33, 65], [65, 33, 17], [33, {"size": 65}, [17, 17]]])
def test_levels_are_ordered_by_size(order: list) -> None:
    hierarchy = build(order)
    assert names(hierarchy) == ["17x17", "33x33", "65x65"]
    assert hierarchy.finest.shape == (65, 65)
    assert len(hierarchy) == 3
    assert hierarchy.domain is NODAL


def test_size_is_the_number_of_points() -> None:
    assert names(build([[9, 65], [33, 33], [65, 5]])) == ["65x5", "9x65", "33x33"]


@pytest.mark.parametrize(
    ("domain", "finest", "count", "method", "expected"),
    [
        (NODAL, (65, 65), 3, "subsample", ["17x17", "33x33", "65x65"]),
        (NODAL, (65, 65), 1, "subsample", ["65x65"]),
        (NODAL, (65, 65), 6, "subsample", ["3x3", "5x5", "9x9", "17x17", "33x33", "65x65"]),
        (NODAL, (13, 9), 3, "subsample", ["4x3", "7x5", "13x9"]),
        (Domain.unit(1, "periodic"), (16,), 3, "subsample", ["4", "8", "16"]),
        (Domain.unit(2, "cell"), (16, 16), 2, "average", ["8x8", "16x16"]),
        (Domain((Axis("nodal"), Axis("periodic"))), (17, 16), 3, "subsample", ["5x4", "9x8", "17x16"]),
    ],
)
def test_count_halves_the_intervals(domain, finest, count, method, expected) -> None:
    hierarchy = build(None, count=count, domain=domain, finest=finest, restriction=method)
    assert names(hierarchy) == expected
    assert hierarchy.restriction == method


@pytest.mark.parametrize(
    ("domain", "finest", "stride", "method", "expected"),
    [
        (NODAL, (65, 65), 4, "subsample", (17, 17)),
        (NODAL, (65, 33), 1, "subsample", (65, 33)),
        (Domain.unit(1, "periodic"), (12,), 3, "subsample", (4,)),
        (Domain.unit(1, "cell"), (27,), 9, "subsample", (3,)),
        (Domain((Axis("nodal"), Axis("periodic"))), (13, 12), 2, "average", (7, 6)),
    ],
)
def test_strides_divide_the_intervals(domain, finest, stride, method, expected) -> None:
    hierarchy = build([{"stride": stride}], domain=domain, finest=finest, restriction=method)
    assert hierarchy.levels[0].shape == expected


def test_entries_carry_precision_and_neval() -> None:
    entries = [{"size": 33, "precision": "amp_bf16", "neval": 64}, 65, {"stride": 4, "neval": 9}]
    levels = build(entries).levels
    assert [(v.name, v.precision, v.neval, v.points) for v in levels] == [
        ("17x17", None, NEval(9), 289),
        ("33x33", "amp_bf16", NEval(64), 1089),
        ("65x65", None, None, 4225),
    ]


def test_stored_grids_need_no_restriction() -> None:
    assert names(build([30, 65], stored=[(30, 30), (65, 65)])) == ["30x30", "65x65"]


def test_spectral_restriction_takes_any_size() -> None:
    assert names(build([20, 65], restriction="spectral")) == ["20x20", "65x65"]


def test_finest_may_lie_below_the_data() -> None:
    assert names(build(None, count=2, finest=(33, 33), stored=[(65, 65)])) == ["17x17", "33x33"]


LEVELS = r"^hierarchy\.levels"
BAD = [
    ([129], {}, r"level 129x129 is finer than the data, which go up to 65x65"),
    ([[65, 129]], {}, r"65x129 is finer"),
    ([33, 33], {}, LEVELS + ": 33x33 and 33x33 have the same number of points"),
    ([33, {"stride": 2}], {}, "same number of points"),
    ([[17, 33], [33, 17]], {}, "17x33 and 33x17 have the same number of points"),
    ([65, {"sise": 33}], {}, LEVELS + r"\[1\]\.sise: 'sise' is not known\. Did you mean 'size'"),
    ([{"size": 33, "percision": "fp32"}], {}, r"\[0\]\.percision: .*'precision'"),
    ([{}], {}, LEVELS + r"\[0\]\.size: must be given, or stride, not both"),
    ([{"size": 33, "stride": 2}], {}, r"\[0\]\.size: must be given, or stride, not both"),
    ([{"stride": 0}], {}, LEVELS + r"\[0\]\.stride: must be >= 1, got 0"),
    ([{"size": 33, "neval": 0}], {}, LEVELS + r"\[0\]\.neval: must be a whole number >= 1, .* got 0"),
    ([{"size": 33, "neval": 1.5}], {}, r"\[0\]\.neval: must be a whole number >= 1, .* got 1.5"),
    (["33"], {}, LEVELS + r"\[0\]\.size: expected"),
    ([True], {}, LEVELS + r"\[0\]\.size: expected"),
    ([None], {}, LEVELS + r"\[0\]\.size: must be given"),
    ([[33]], {}, LEVELS + r"\[0\]: 1 sizes for a domain of 2 axes: \[33\]"),
    ([[33, 33, 33]], {}, "3 sizes for a domain of 2 axes"),
    ([2], {}, LEVELS + r"\[0\]: a level needs at least 3 points per axis, got 2x2"),
    ([-5], {}, "at least 3 points"),
    ([{"stride": 64}], {}, "at least 3 points per axis, got 2x2"),
    ([{"stride": 3}], {}, r"\[0\]\.stride: 3 does not divide the 64x64 intervals of the finest grid 65x65"),
    # Rounded down, this stride would give a grid of another one: 10 // 4 = 2 = 10 / 5.
    ([{"stride": 4}], {"finest": (11, 11)}, "4 does not divide the 10x10 intervals"),
    ([32], {}, r"32 points are no subsample restriction of 65 .*\(n-1\)"),
    (None, {"count": 7}, r"^hierarchy\.count: 7 levels below 65x65 .* halved 6 times, 3x3 can't"),
    (None, {"count": 2, "finest": (64, 64)}, r"^hierarchy\.count: .* 64x64 can't"),
    (
        None,
        {"count": 4, "domain": Domain.unit(1, "periodic"), "finest": (16,)},
        r"^hierarchy\.count: .* 4 can't",
    ),
    (
        None,
        {"count": 2, "domain": Domain.unit(1, "cell"), "finest": (16,)},
        r"even\); use hierarchy\.restriction=average",
    ),
]


@pytest.mark.parametrize(("levels", "more", "message"), BAD)
def test_refused(levels, more: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(levels, **more)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": []}, "levels: must be a list of at least one level"),
        ({"levels": None, "count": None}, "levels: must be given where count is null"),
        ({"count": 0}, "count: must be between 1 and 12, got 0"),
        ({"count": 13}, "count: must be between 1 and 12, got 13"),
    ],
)
def test_bad_options(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=f"^{message}"):
        HierarchyOptions(**options)
