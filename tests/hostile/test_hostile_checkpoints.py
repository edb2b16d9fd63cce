"""A checkpoint's description of its data is believed only as far as it makes sense."""

import copy
import warnings
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_support import BAD
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nolab.errors import InputError
from nolab.runs import load_run
from nolab.training.spec import TrainedOn

PLACES = (
    ("domain",),
    ("domain", 0),
    *(("domain", 1, key) for key in ("placement", "start", "stop")),
    ("input_names",),
    ("input_names", 0),
    ("output_names",),
    ("input_axes",),
    ("normalizers",),
    *(("normalizers", "input", *rest) for rest in ((), ("mean",), ("std",), ("mean", 0), ("std", 0))),
    ("normalizers", "output", "std", 0),
    ("levels",),
    ("levels", 0),
    ("levels", 1, 0),
)
MISSING = "missing"


def damaged(spec: dict, changes: list[tuple[tuple, object]]) -> dict:
    """A copy of a checkpoint's spec with values in other values' places, or taken away."""
    changed = copy.deepcopy(spec)
    for place, value in changes:
        node = changed
        try:
            for key in place[:-1]:
                node = node[key]
            if value is MISSING:
                del node[place[-1]]
            else:
                node[place[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):  # gone with an earlier change
            continue
    return changed


CHANGES = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from((*BAD, MISSING))), min_size=1, max_size=3
)


@pytest.fixture(scope="package")
def trained(finished):
    """The run's spec, the run, and inputs that it predicts from."""
    run = load_run(finished)
    return run.state["spec"], run, np.ones((1, 1, 9, 9))


def _outcome(action):
    """What an InputError of the action says, or None and what it gives."""
    try:
        return None, action()
    except InputError as error:
        return str(error), None


def _law(trained, changes) -> None:
    """The damaged checkpoint is refused, or its model works."""
    spec, run, inputs = trained
    changed = load_run(run.path)
    changed.__dict__["state"] = {**run.state, "spec": damaged(spec, changes)}
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        refused, values = _outcome(lambda: changed.predict(inputs))
    if refused is None:
        assert values.shape == (1, 1, 9, 9)
    else:
        assert refused.startswith((str(run.path), "model", "inputs", "coords"))
        assert len(refused) < 600


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHANGES)
def test_any_description_is_refused_or_used(trained, changes):
    _law(trained, changes)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHANGES)
def test_any_of_thousands_of_descriptions_is_refused_or_used(trained, changes):
    _law(trained, changes)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_every_part_is_looked_at(trained, place):
    """One bad value of every kind in every place: whatever is believed is a value that fits there."""
    spec, _, _ = trained
    believed = []
    for value in (*BAD, MISSING):
        refused, _ = _outcome(partial(TrainedOn.from_dict, damaged(spec, [(place, value)])))
        if refused is None:
            believed.append(value)
        else:
            assert refused.startswith("spec")
            assert len(refused) < 300
    allowed = {
        ("domain", 1, "start"): [0, -1, 0.5, 1e-320],
        ("domain", 1, "stop"): [2**62, 0.5, 1e-320],
        ("input_names",): [["nodal"]],
        ("output_names",): [["nodal"]],
        ("input_names", 0): ["x"],
        ("input_axes",): [None, [0]],
        ("normalizers", "input", "mean"): [[0], [-1], [3.5], [2**40], [0.0], [1e-320]],
        ("normalizers", "input", "std"): [[3.5], [2**40]],
        ("normalizers", "input", "mean", 0): [0, -1, 2**62, 0.5, 1e-320],
        ("normalizers", "input", "std", 0): [2**62, 0.5],
        ("normalizers", "output", "std", 0): [2**62, 0.5],
        ("levels", 0): [[3, 3], (3, 3), MISSING],
    }
    assert believed == allowed.get(place, [])


def test_what_nolab_writes_is_read_back(trained):
    spec, run, _ = trained
    assert TrainedOn.from_dict(spec).to_dict() == spec
    assert run.trained_on.finest == (17, 17)
    assert run.trained_on.fields.input_shape == (17, 17)


def test_the_message_names_file_and_part(refused, run_dir, tmp_path):
    file = run_dir / "checkpoints" / "last.pt"
    state = torch.load(file, weights_only=True)
    state["spec"]["normalizers"]["output"]["std"] = [0.0]
    torch.save(state, file)
    np.save(tmp_path / "x.npy", np.ones((1, 1, 9, 9)))
    for arguments in (("evaluate", str(run_dir)), ("predict", str(run_dir), str(tmp_path / "x.npy"))):
        message = refused(*arguments)
        assert f"{file}: damaged: spec.normalizers.output.std" in message


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("step", "x", "checkpoint's step does not fit"),
        ("clock", {"train": float("nan")}, "checkpoint's clock does not fit"),
        ("target_seconds", [], "checkpoint's target_seconds does not fit"),
        ("rng", {"cpu": 3}, "does not fit"),
    ],
)
def test_a_state_that_can_not_be_gone_on_from(refused, run_dir, part, value, said):
    file = run_dir / "checkpoints" / "last.pt"
    state = torch.load(file, weights_only=True)
    state[part] = value
    torch.save(state, file)
    (run_dir / "summary.json").unlink()
    assert said in refused("train", f"resume={run_dir}", "budget.steps=8")


@pytest.mark.parametrize("average", [3, [], [torch.zeros(1)], [None] * 99])
def test_an_average_that_is_not_the_models(trained, average):
    _, run, inputs = trained
    changed = load_run(run.path)
    changed.__dict__["state"] = {**run.state, "ema": {"average": average}}
    with pytest.raises(InputError, match="does not fit the run's model"):
        changed.predict(inputs)


def test_an_average_is_not_spread_over_a_weight(trained):
    """A tensor of one number would fit every weight."""
    _, run, inputs = trained
    changed = load_run(run.path)
    few = [torch.zeros((1,) * p.ndim) for p in run.model.parameters()]
    changed.__dict__["state"] = {**run.state, "ema": {"average": few}}
    with pytest.raises(InputError, match="an average of shape"):
        changed.predict(inputs)


def test_an_archive_that_unpacks_to_more_than_it_is(refused, run_dir):
    """Gibibytes of zeros in a file of some kilobytes."""
    file = run_dir / "checkpoints" / "last.pt"
    members = {}
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(2**22 if name.endswith(".pkl") else 0))
    assert "compressed entries" in refused("evaluate", str(run_dir))


def test_a_pickle_that_asks_for_terabytes(refused, run_dir, tmp_path):
    """`bytearray` is one of the few calls that PyTorch's reader allows."""
    file: Path = run_dir / "checkpoints" / "last.pt"
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    members[name] = b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x40\x85R."
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    assert "last.pt: damaged" in refused("evaluate", str(run_dir))
