"""Levels that are solved each: paired by the seed, and every one the solver's own."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.data.opening import GeneratedSource
from nolab.data.solved import SolvedLevels
from nolab.errors import InputError
from nolab.evaluate import evaluate_run
from nolab.problems import darcy, navier_stokes, poisson
from nolab.training.setup import prepare

COUNTS = {"train": 3, "test": 2}


@pytest.fixture
def source(tmp_path):
    def make(problem, options):
        return GeneratedSource(problem, options, COUNTS, 0, tmp_path, torch.device("cpu"), 1)

    return make


def test_every_level_is_its_own_solution(source):
    own = source("darcy", darcy.Options(resolution=17))
    levels = SolvedLevels(own, [(5, 5), (9, 9), (17, 17)])
    assert levels.shapes("train") == [(5, 5), (9, 9), (17, 17)]
    assert (levels.splits(), levels.count("test")) == (["train", "test"], 2)
    for size in (5, 9, 17):
        expected = source("darcy", darcy.Options(resolution=size)).read("train", (size, size))
        for found, field in zip(levels.read("train", (size, size)), expected, strict=True):
            np.testing.assert_array_equal(found, field)


def test_levels_show_the_same_samples_and_differ_by_the_solver(source):
    levels = SolvedLevels(source("darcy", darcy.Options(resolution=33)), [(17, 17), (33, 33)])
    (coarse_a, coarse_u), (fine_a, fine_u) = (levels.read("test", (n, n)) for n in (17, 33))
    np.testing.assert_array_equal(coarse_a, fine_a[..., ::2, ::2])
    gap = np.abs(coarse_u - fine_u[..., ::2, ::2]).max() / np.abs(fine_u).max()
    assert 1e-4 < gap < 0.3


def test_levels_that_are_exact_agree_where_they_meet(source):
    levels = SolvedLevels(source("poisson", poisson.Options(resolution=17)), [(9, 9)])
    np.testing.assert_allclose(
        levels.read("train", (9, 9))[1], levels.read("train", (17, 17))[1][..., ::2, ::2], atol=1e-6
    )


@pytest.mark.parametrize(
    ("problem", "options", "shape"),
    [
        ("darcy", darcy.Options(resolution=17), (9, 5)),
        ("darcy", darcy.Options(resolution=17), (2, 2)),
        ("navier_stokes", navier_stokes.Options(resolution=16, layout="space_time"), (3, 8, 8)),
    ],
)
def test_grids_that_no_resolution_gives_are_refused(source, problem, options, shape):
    with pytest.raises(InputError, match=r"needs a dataset\.resolution that gives the level"):
        SolvedLevels(source(problem, options), [shape])


def test_files_are_refused():
    class Other:
        pass

    with pytest.raises(InputError, match="solver of data that nolab makes itself"):
        SolvedLevels(Other(), [(5, 5)])


def test_a_run_on_solved_levels(tiny):
    """Trains, evaluates as in training, and takes the coarse outputs that the solver gives."""
    config = nolab.compose(tiny("hierarchy.restriction=solve", "sampling=mlmc"))
    run = nolab.train(config)
    errors = evaluate_run(run)
    for level in ("9x9", "17x17"):
        assert errors[level]["rel_l2"] == pytest.approx(run.summary[f"final/rel_l2/{level}"], rel=1e-5)
    setup = prepare(validate(OmegaConf.to_container(config, resolve=True)))
    assert isinstance(setup.source, SolvedLevels)
    restricted = nolab.train(nolab.compose(tiny("sampling=mlmc")))
    assert restricted.summary["final/rel_l2/9x9"] != run.summary["final/rel_l2/9x9"]


def test_generate_makes_all_of_them(tiny, tmp_path, capsys):
    from nolab.cli import main

    overrides = tiny("hierarchy.restriction=solve", f"data_dir={tmp_path}")
    assert main(["generate", *overrides]) == 0
    stores = sorted(path.name.split("_")[0] for path in tmp_path.glob("darcy/*.h5"))
    assert stores == ["17x17", "9x9"]
    assert "17x17" in capsys.readouterr().out.splitlines()[-1]
