"""A state that does not fit its run is refused by the name of its part, before a step is made."""

from copy import deepcopy
from functools import cache
from math import inf, nan
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from tests_support import tiny_overrides
from training_support import same_bits

import nolab
from nolab.config import validate
from nolab.errors import InputError
from nolab.training.setup import prepare
from nolab.training.state import state_of
from nolab.training.trainer import Trainer

PHASES = "sampling.phases=[{estimator: coarse, level: 0, batch_size: 2, share: 0.5}, {estimator: fine, batch_size: 2}]"
KINDS = {
    "adaptive": ("sampling=adaptive", "points=importance", "neval=20", "optimizer.ema=0.9"),
    "auto": ("sampling=auto",),
    "delayed": ("sampling=delayed", "precision=half"),
    "curriculum": ("sampling=curriculum", PHASES, "points=random", "neval=auto"),
}


class Kind:
    """A finished run of some estimator: its state, and trainers to give it to."""

    def __init__(self, folder: Path, *overrides: str) -> None:
        tiny = tiny_overrides(folder / "data", folder / "outputs", *overrides)
        if PHASES in tiny:
            tiny.remove("sampling.batch_size=2")
        config = nolab.compose(tiny)
        self.state = nolab.train(config).state
        self.setup = prepare(validate(OmegaConf.to_container(config, resolve=True)))
        self.data = self.setup.load()

    def restored(self, state):
        return Trainer(self.setup, self.data, [], Path("checkpoints"), state)


def named(kind, *more):
    """A row of a table; runs of the kinds that measure take longer and are left to the slow tests."""
    return pytest.param(kind, *more, marks=pytest.mark.slow if kind != "delayed" else ())


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The :class:`Kind` of a name, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("kinds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nolab.training.execution.draw_pictures", lambda *_: None)
        yield cache(lambda name: Kind(folder, *KINDS[name]))


@pytest.mark.parametrize("kind", [named(kind) for kind in KINDS])
def test_what_was_saved_is_taken_back(kinds, kind):
    state = deepcopy(kinds(kind).state)
    again = state_of(kinds(kind).restored(deepcopy(state)))
    for residuals in (s["points"].get("scheme", {}) for s in (state, again)):  # NaN where never drawn
        residuals.update({name: r.nan_to_num(nan=-1.0) for name, r in residuals.items()})
    for part in set(state) - {"format", "clock", "energy", "optimizer"}:
        assert same_bits(again[part], state[part]), part
    assert same_bits(again["optimizer"]["state"], state["optimizer"]["state"])
    assert again["clock"] == pytest.approx(state["clock"], abs=1e-3)


def put(*path):
    """A change of a state: the value at a path of keys becomes the last argument, or what that makes of it."""
    *keys, last, value = path

    def change(state):
        for key in keys:
            state = state[key]
        state[last] = value(state[last]) if callable(value) else value

    return change


def drop(*path):
    *keys, last = path

    def change(state):
        for key in keys:
            state = state[key]
        del state[last]

    return change


def expanded(tensor):
    """The right shape over one value's memory."""
    return torch.zeros(()).expand(tensor.shape)


MOMENT = ("optimizer", "state", 0)
ANY = [
    ("step", put("step", -1)),
    ("step", put("step", 1.5)),
    ("step", put("step", True)),
    ("step", put("step", 2**60)),
    ("step", put("step", torch.tensor([1, 2]))),
    ("samples", put("samples", [1])),
    ("samples", put("samples", [1, -1])),
    ("samples", put("samples", [1, 2.0])),
    ("samples", put("samples", 3)),
    ("best", put("best", nan)),
    ("best", put("best", "0.5")),
    ("target_seconds", put("target_seconds", inf)),
    ("target_seconds", put("target_seconds", -1.0)),
    ("energy", put("energy", nan)),
    ("errors", put("errors", {"5x5": 1.0})),
    ("errors", put("errors", {"9x9": "1"})),
    ("errors", put("errors", [1])),
    ("clock", put("clock", "train", nan)),
    ("clock", put("clock", "eval", -1.0)),
    ("clock", put("clock", "log", inf)),
    ("clock", drop("clock", "warmup")),
    ("model", put("model", {})),
    ("model", put("model", lambda model: dict.fromkeys(model, torch.zeros(2)))),
    ("model", put("model", lambda model: {k: v.to_sparse() for k, v in model.items()})),
    ("model", put("model", lambda model: {k: v.to(torch.complex128) for k, v in model.items()})),
    ("model", put("model", lambda model: {**model, "more": torch.zeros(1)})),
    ("optimizer", put("optimizer", [])),
    ("optimizer", put("optimizer", "param_groups", [])),
    ("optimizer", put("optimizer", "param_groups", 0, "params", [0])),
    ("optimizer", put("optimizer", "state", {99: {}})),
    ("optimizer", put("optimizer", "state", {0: {}})),
    ("optimizer", put(*MOMENT, "exp_avg", torch.zeros(1))),
    ("optimizer", put(*MOMENT, "exp_avg_sq", lambda t: t[..., None])),
    ("optimizer", put(*MOMENT, "exp_avg", lambda t: t.double())),
    ("optimizer", put(*MOMENT, "exp_avg", lambda t: t.to("meta"))),
    ("optimizer", put(*MOMENT, "exp_avg", 0.0)),
    ("optimizer", put(*MOMENT, "step", torch.tensor(nan))),
    ("optimizer", put(*MOMENT, "step", torch.tensor(-1.0))),
    ("optimizer", put(*MOMENT, "step", 3)),
    ("optimizer", put(*MOMENT, "max_exp_avg_sq", torch.zeros(1))),
    ("points", put("points", {"scheme": {"9x9": torch.zeros(3)}})),
    ("points", put("points", {"neval": {7: 3}})),
    ("points", put("points", 3)),
    ("ema", put("ema", {"steps": 1, "average": []})),
    ("rng", put("rng", "cpu", torch.zeros(3))),
    ("rng", put("rng", "cpu", lambda t: torch.zeros_like(t))),
    ("rng", put("rng", {})),
]
PROBES = [
    ("estimator", put("estimator", "probes", "next", -1)),
    ("estimator", put("estimator", "probes", "known", "n", 0)),
    ("estimator", put("estimator", "probes", "known", "mean", [[1.0]])),
    ("estimator", put("estimator", "probes", "known", "covariance", [[1.0, nan], [0.0, 1.0]])),
    ("batch_costs", put("batch_costs", "sample", [1.0])),
    ("batch_costs", put("batch_costs", "fixed", [1.0, -1.0])),
    ("batch_costs", put("batch_costs", {})),
]
OWN = {
    "adaptive": [
        *PROBES,
        ("estimator", put("estimator", "levels", [0])),
        ("estimator", put("estimator", "levels", [5])),
        ("estimator", put("estimator", "sizes", [1.0, 2.0, 3.0])),
        ("estimator", put("estimator", "sizes", [1e9, 1.0])),
        ("points", put("points", "scheme", "17x17", lambda t: -t)),
        ("points", put("points", "scheme", "17x17", lambda t: t.float())),
        ("points", put("points", "scheme", "17x17", lambda t: t + inf)),
        ("points", put("points", "scheme", {"99999999x99999999": torch.zeros(1)})),
        ("ema", put("ema", None)),
        ("ema", put("ema", "steps", -1)),
        ("ema", put("ema", "average", [])),
        ("ema", put("ema", "average", 0, lambda t: t[:1])),
        ("ema", put("ema", "average", 0, lambda t: t.sum())),
    ],
    "auto": [
        *PROBES,
        ("estimator", put("estimator", "candidate", "estimator", "os.system")),
        ("estimator", put("estimator", "candidate", "sizes", [0.0, 0.0])),
        ("estimator", put("estimator", "candidate", "sizes", [0.0, 1e9])),
        ("estimator", put("estimator", "candidate", "sizes", [1.0])),
        ("slots", put("slots", {"kept": {}})),
    ],
    "delayed": [
        ("slots", put("slots", None)),
        ("slots", put("slots", {"kept": {"a": []}})),
        ("slots", put("slots", "kept", lambda kept: {0: next(iter(kept.values()))[1:]})),
        ("slots", put("slots", "kept", lambda kept: {-1: next(iter(kept.values()))})),
        ("slots", put("slots", "kept", lambda kept: {0: [g[:0] for g in next(iter(kept.values()))]})),
        ("scaler", put("scaler", "scale", nan)),
        ("scaler", put("scaler", "scale", 0.0)),
        ("scaler", put("scaler", "scale", "65536")),
        ("scaler", put("scaler", "_growth_tracker", -1)),
        ("scaler", put("scaler", {})),
    ],
    "curriculum": [
        ("estimator", put("estimator", "now", 9)),
        ("estimator", put("estimator", "watched", -1)),
        ("estimator", put("estimator", "began", nan)),
        ("estimator", put("estimator", "stale", 0.5)),
        ("estimator", put("estimator", "phases", [])),
        ("estimator", put("estimator", {})),
        ("points", put("points", "neval", 0, 0)),
        ("points", put("points", "neval", 0, 10**6)),
        ("points", put("points", "neval", lambda neval: {-1: 3})),
    ],
}
TABLE = [named("delayed", *row) for row in ANY] + [
    named(kind, *row) for kind, rows in OWN.items() for row in rows
]


@pytest.mark.parametrize(("kind", "part", "change"), TABLE)
def test_what_does_not_fit_is_refused_by_name(kinds, kind, part, change):
    state = deepcopy(kinds(kind).state)
    change(state)
    with pytest.raises(
        InputError, match=rf"^checkpoints: the checkpoint's {part} does not fit .*train anew$"
    ) as error:
        kinds(kind).restored(state)
    assert len(str(error.value)) < 600


def test_moments_that_share_their_memory_are_parted(kinds):
    """In place, over one value's memory, the optimizer's step would fail."""
    state = deepcopy(kinds("delayed").state)
    put(*MOMENT, "exp_avg", expanded)(state)
    taken = kinds("delayed").restored(state).optimizer.state_dict()["state"][0]["exp_avg"]
    assert all(taken.stride())
    assert not taken.any()
