"""Points in whole runs: every scheme trains, what it learns survives a resume, N_eval in all its forms."""

import json

import pytest
import torch
from omegaconf import OmegaConf

import nolab
from nolab.config import validate
from nolab.errors import InputError
from nolab.training import neval as module
from nolab.training.neval import _largest_free
from nolab.training.setup import prepare


def train(tiny, *overrides):
    return nolab.train(nolab.compose(tiny(*overrides)))


def setup_of(overrides):
    return prepare(validate(OmegaConf.to_container(nolab.compose(overrides), resolve=True)))


SCHEMES = ("uniform", "random", "stratified", "sobol", "epoch", "importance")


@pytest.mark.parametrize(
    ("scheme", "sampling"),
    [
        *((scheme, "mlmc") for scheme in SCHEMES),
        *(pytest.param(scheme, "fine", marks=pytest.mark.slow) for scheme in SCHEMES),
    ],
)
def test_every_scheme_trains(tiny, scheme, sampling):
    run = train(tiny, f"points={scheme}", "neval=16", f"sampling={sampling}", "loss=mse")
    assert run.summary["points/neval/17x17"] == 16
    assert 0 < run.summary["final/rel_l2"] < 1.5


def test_a_fraction_is_taken_of_every_level(tiny):
    summary = train(tiny, "neval=0.25").summary
    assert (summary["points/neval/9x9"], summary["points/neval/17x17"]) == (20, 72)


def test_a_schedule_grows_with_the_run(tiny):
    run = train(tiny, "neval={start: 8, stop: 32}", "budget.steps=6", "evaluation.times=3")
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    seen = {r["step"]: r["points/neval/17x17"] for r in map(json.loads, lines) if "train/loss" in r}
    assert seen == {1: 8, 2: 16, 3: 16, 4: 32, 5: 32, 6: 32}
    assert run.summary["points/neval/17x17"] == 32


def test_axes_give_the_product(tiny):
    run = train(tiny, "points.axes=[null,5]", "hierarchy=one", "sampling=fine")
    assert run.summary["points/neval/17x17"] == 17 * 5


class TestAuto:
    def test_it_is_measured_once_and_kept(self, tiny, monkeypatch):
        monkeypatch.setattr(module, "_largest_free", lambda seconds: 7)
        run = train(tiny, "neval=auto")
        assert (run.summary["points/neval/9x9"], run.summary["points/neval/17x17"]) == (7, 7)
        monkeypatch.setattr(module, "_measure", lambda *_: pytest.fail("measured again"))
        more = nolab.resume(run.path, ["budget.steps=6"])
        assert more.summary["points/neval/17x17"] == 7

    def test_candidates_are_timed_on_the_term(self, tiny, monkeypatch):
        seen = []
        monkeypatch.setattr(module, "_largest_free", lambda seconds: seen.append(seconds) or 1)
        train(tiny, "neval=auto", "hierarchy=one", "sampling=fine")
        (seconds,) = seen
        assert list(seconds) == [1, 2, 4, 9, 18, 36, 72, 144, 289]
        assert all(value > 0 for value in seconds.values())

    @pytest.mark.parametrize(
        ("seconds", "chosen"),
        [
            ([1.0, 1.05, 1.09, 1.2, 2.0], 4),
            ([1.0, 1.3, 1.0, 1.0, 1.0], 1),
            ([1.0, 1.0, 0.9, 0.98, 1.1], 8),  # the fastest so far is what counts
            ([1.0, 1.0, 1.0, 1.0, 1.0], 16),
        ],
    )
    def test_the_largest_before_the_time_rises(self, seconds, chosen):
        assert _largest_free(dict(zip([1, 2, 4, 8, 16], seconds, strict=True))) == chosen


def same(a, b):
    return torch.equal(
        *(
            torch.cat([torch.view_as_real(p + 0j).flatten() for p in r.state["model"].values()])
            for r in (a, b)
        )
    )


@pytest.mark.parametrize(
    "overrides",
    [("points=importance", "neval=16", "loss=mse"), ("points=epoch", "neval=20")],
    ids=lambda o: o[0],
)
def test_resumed_points_go_on_bit_for_bit(tiny, overrides):
    """Importance learns, and epochs span steps: both have to be where they were."""
    whole = train(tiny, *overrides, "budget.steps=6")
    part = train(tiny, *overrides, "budget.steps=3")
    assert not same(part, whole)
    assert same(nolab.resume(part.path, ["budget.steps=6"]), whole)


def test_the_state_of_importance_is_what_training_left(tiny):
    """Measuring costs before the clock starts must teach the points nothing."""
    run = train(tiny, "points=importance", "neval=16", "hierarchy=one", "sampling=fine", "budget.steps=1")
    (residual,) = run.state["points"]["scheme"].values()
    drawn = residual.isfinite().sum()
    assert 16 <= drawn <= 2 * 16  # two samples, drawn once each


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["neval=1.0"], r"neval: 1.0 could mean one point or all"),
        (["neval=many"], r"neval: must be a whole number >= 1, a fraction.*'many'"),
        (["neval={start: 64, stop: 16}"], "start must lie below stop"),
        (["points=epoch", "neval={start: 4, stop: 16}"], "'epoch' can't grow N_eval"),
        (["points=importance", "points.axes=[null,4]"], "one residual per point|axes"),
        (["points.axes=[4]"], r"points.axes: \[4\] does not fit a domain of 2 axes"),
        (["points.axes=[4,4]", "neval=3"], "axes.*neval=3.*one of"),
        (["points=all", "neval=auto"], "scheme 'all' takes every point"),
        (["+points._target_=os.getcwd"], "points._target_: '_target_' is not known"),
        (["points=sobl"], "sobl.*Did you mean 'sobol'"),
        (["loss=h1", "points.axes=[null,4]"], r"h1 .* can't use points.axes=\[None, 4\]"),
        (["hierarchy.levels=[{size: 9, neval: 1.0},17]"], r"levels\[0\].neval: 1.0"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_points_are_refused_before_training(tiny, overrides, said):
    with pytest.raises(InputError, match=said):
        setup_of(tiny(*overrides))
