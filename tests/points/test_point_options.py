"""Options of the schemes: what is refused, and that the files of conf/points fit them."""

from dataclasses import fields
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from points_support import options_of, sampler

import nolab
from nolab.errors import InputError
from nolab.grid import Domain
from nolab.points import build_points, parse_neval
from nolab.registry import load, names
from nolab.schema import from_mapping

CONF = Path(nolab.__file__).parents[1] / "conf" / "points"


def checked(scheme: str, **options):
    return from_mapping(load("nolab.points", scheme, "points.scheme").Options, options, "points")


@pytest.mark.parametrize(
    ("scheme", "options", "message"),
    [
        ("random", {"neval": 0}, r"^points\.neval: must be a whole number >= 1, .* got 0"),
        ("random", {"neval": 2.5}, r"^points\.neval: must be a whole number"),
        ("random", {"neval": 1.0}, r"^points\.neval: 1\.0 could mean"),
        ("all", {"neval": 16}, r"^points: scheme 'all' takes every point, but neval=16 .*points=random"),
        ("all", {"scope": "shared"}, r"points\.scope: 'scope' is not known.* Valid: neval"),
        ("all", {"axes": [1]}, r"points\.axes: 'axes' is not known"),
        ("random", {"scope": "per_smaple"}, r"points\.scope: .*mean 'per_sample'"),
        ("random", {"mix": 0.2}, r"points\.mix: 'mix' is not known"),
        ("sobol", {"axes": [3, 0]}, r"^points\.axes: every entry must be .* got \[3, 0\]"),
        ("sobol", {"axes": [3, 2.5]}, r"^points\.axes: every entry must be"),
        ("sobol", {"axes": [3, "auto"]}, r"^points\.axes: every entry must be"),
        ("sobol", {"axes": [3, {"start": 1, "stop": 2}]}, r"^points\.axes: every entry must be"),
        ("sobol", {"axes": 3}, r"^points\.axes: expected a list"),
        ("sobol", {"axes": [3, 3], "neval": 9}, r"^points\.axes: \[3, 3\] .* neval=9; give one of the two"),
        ("importance", {"mix": 0}, r"^points\.mix: must be in \(0, 1\], got 0"),
        ("importance", {"mix": 1.1}, r"^points\.mix: must be"),
        ("importance", {"decay": 1}, r"^points\.decay: must be in \[0, 1\), got 1"),
        ("importance", {"axes": [3, None]}, r"^points\.axes: .*one residual per point.*another scheme"),
        ("randon", {}, r"points\.scheme: 'randon' .*mean 'random'"),
    ],
)
def test_bad_options(scheme, options, message) -> None:
    with pytest.raises(InputError, match=message):
        checked(scheme, **options)


@pytest.mark.parametrize(
    ("scheme", "options", "neval", "message"),
    [
        (
            "epoch",
            {},
            {"start": 2, "stop": 4},
            r"points\.neval: scheme 'epoch' can't grow .*\{start: 2, stop: 4\}",
        ),
        ("random", {"axes": [3]}, None, r"points\.axes: \[3\] does not fit a domain of 2 axes"),
        ("random", {"axes": [3, 3]}, 4, r"points\.axes: .*leave neval of the levels null"),
        ("random", {"axes": [3, 8]}, None, r"points\.axes: 8 is more than the 7 points of axis 1"),
    ],
)
def test_options_that_do_not_fit_the_run(scheme, options, neval, message) -> None:
    nevals = (parse_neval(None, "neval"), parse_neval(neval, "neval"))
    with pytest.raises(InputError, match=message):
        build_points(scheme, checked(scheme, **options), Domain.unit(2), 0, ((3, 4), (5, 7)), nevals)


@pytest.mark.parametrize(
    ("scheme", "options", "some"),
    [
        ("all", {}, False),
        ("random", {}, False),
        ("random", {"neval": 5}, True),
        ("random", {"axes": [None, None]}, False),
        ("random", {"axes": [None, 3]}, True),
    ],
)
def test_takes_some(scheme, options, some) -> None:
    assert options_of(scheme, **options).takes_some is some


def test_every_scheme_has_its_file() -> None:
    assert sorted(path.stem for path in CONF.glob("*.yaml")) == names("nolab.points")


@pytest.mark.parametrize("name", names("nolab.points"))
def test_the_file_has_the_schemes_keys_and_defaults(name) -> None:
    group = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))
    assert group.pop("scheme") == name
    assert group.pop("neval") == "${neval}"
    options = options_of(name)
    assert group == {key: getattr(options, key) for key in group}
    left_out = {"importance": {"axes"}}.get(name, set())
    assert set(group) == {field.name for field in fields(options)} - {"neval"} - left_out


def test_a_growing_neval_fits_the_other_schemes() -> None:
    for name in set(names("nolab.points")) - {"all", "epoch"}:
        sampler(name, (9, 9), neval={"start": 2, "stop": 8})
