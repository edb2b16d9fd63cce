"""Bad input: one short message that names the key or file, what is allowed and the way out; exit code 2."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

import nolab
from nolab.cli import main


@pytest.fixture
def refused(capsys):
    """Run the command line and return its message; it must be exit code 2 and no traceback."""

    def run(*arguments):
        code = main(list(arguments))
        captured = capsys.readouterr()
        assert code == 2, captured.err
        assert "Traceback" not in captured.err
        message = captured.err.strip().splitlines()[-1]
        assert message.startswith("nolab: ")
        assert len(message) < 700
        return message

    return run


CONFIG = [
    # (overrides, what the message has to say)
    (["detla=3"], ["detla", "Did you mean 'delta'?", "neval"]),
    (["model=fnoo"], ["model: 'fnoo'", "Did you mean 'fno'?", "tfno"]),
    (["modle=fno"], ["modle", "Did you mean 'model'?"]),
    (["experiment=darcy_race"], ["'darcy_race'", "Did you mean 'darcy_races'?"]),
    (["model.hiden_channels=3"], ["model.hiden_channels", "Did you mean 'model.hidden_channels'?"]),
    (["+model.width=3"], ["model.width", "'width' is not known", "hidden_channels"]),
    (["+budget.hours=3"], ["budget.hours", "steps, epochs, seconds, target_error"]),
    (["+dataset.resolutoin=33"], ["dataset.resolutoin", "Did you mean 'resolution'?"]),
    (["delta=0.5"], ["delta", ">= 1", "0.5"]),
    (["delta=many"], ["delta", "number", "'many'"]),
    (["delta="], ["delta", "number"]),
    (["neval=0"], ["neval", ">= 1", "0"]),
    (["neval=2.5"], ["neval", "whole number", "2.5"]),
    (["neval=100000"], ["neval", "100000", "289", "17x17", "neval=null"]),
    (["seed=-1"], ["seed", ">= 0", "-1"]),
    (["deterministic=perhaps"], ["deterministic", "true or false"]),
    (["name=../escape"], ["name", "plain folder name"]),
    (["device=tpu"], ["device: 'tpu'", "auto, cpu, cuda"]),
    (["device=cuda:99"], ["device: 'cuda:99'", "CUDA device(s)", "device=auto"]),
    (["precision=tf32"], ["tf32", "CUDA", "precision=fp32"]),
    (["precision.mode=fp8"], ["precision.mode: 'fp8'", "fp32, tf32, amp_bf16"]),
    (["loss=h1", "neval=16"], ["h1", "neval=16", "loss=mse"]),
    (["points=all", "neval=16"], ["points", "neval=16", "points=random"]),
    (["points.scope=shred"], ["points.scope: 'shred'", "Did you mean 'shared'?"]),
    (["budget.steps=null", "budget.default_steps=null"], ["budget.steps, budget.epochs and budget.seconds"]),
    (["budget.steps=-3"], ["budget.steps", "> 0", "-3"]),
    (["budget.seconds=nan"], ["budget.seconds", "> 0"]),
    (["evaluation.times=0"], ["evaluation.times", ">= 1"]),
    (["optimizer.lr=0"], ["optimizer.lr", "> 0"]),
    (["optimizer.name=sgd"], ["optimizer.name: 'sgd'", "adamw, adam"]),
    (["optimizer.betas=[0.9]"], ["optimizer.betas", "2 values"]),
    (["scheduler.warmup=1"], ["scheduler.warmup", "[0, 1)"]),
    (["sampling.scheme=nestd"], ["sampling.scheme: 'nestd'", "Did you mean 'nested'?"]),
    (["sampling.batch_size=0"], ["sampling.batch_size", "> 0"]),
    (["sampling.batch_size=8", "delta=4"], ["level 0", "32 samples", "16", "batch_size"]),
    (["sampling=coarse", "sampling.level=5"], ["sampling.level", "5", "2 level(s)"]),
    (["hierarchy.levels=[9,14]"], ["14", "17", "(n-1)", "spectral"]),
    (["hierarchy.levels=[17,33]"], ["33x33", "finer than the data", "17x17"]),
    (["hierarchy.levels=[9,9]"], ["9x9", "same number of points"]),
    (["hierarchy.levels=[]"], ["hierarchy.levels", "at least one level"]),
    (["hierarchy.levels=[{sise: 9}]"], ["hierarchy.levels[0].sise", "Did you mean 'size'?"]),
    (["hierarchy.levels=[[9,9,9]]"], ["hierarchy.levels[0]", "3 sizes", "2 axes"]),
    (["hierarchy.levels=[2,17]"], ["hierarchy.levels[0]", "at least 3 points"]),
    (["hierarchy.levels=[{size: 9, precision: fp4}]"], ["9x9", "'fp4'", "amp_bf16"]),
    (["hierarchy.count=9"], ["hierarchy.count", "9 levels", "hierarchy.levels="]),
    (["hierarchy.restriction=pool"], ["hierarchy.restriction: 'pool'", "subsample, average, spectral"]),
    (["model.n_modes=[4,4,4]"], ["n_modes", "axis of the domain (2)"]),
    (["model.discretization=exact"], ["model.discretization: 'exact'", "consistent, index"]),
    (["+model._target_=nowhere.Model"], ["model._target_", "'nowhere.Model'", "PYTHONPATH"]),
    (["dataset.problem=darci"], ["dataset.problem: 'darci'", "Did you mean 'darcy'?"]),
    (["dataset.resolution=2"], ["dataset.resolution", "3 to"]),
    (["dataset.n_train=0"], ["dataset.n_train", ">= 1"]),
    (["dataset.finest=[9,9,9]"], ["dataset.finest", "2 axes"]),
    (["dataset=file"], ["dataset.path", "missing"]),
    (["dataset=file", "dataset.path=/nowhere"], ["/nowhere", "does not exist"]),
    (["delta"], ["delta", "key=value"]),
    (["sampling=fine", "sampling.scheme=nested"], ["sampling.scheme"]),
]


@pytest.mark.parametrize(("overrides", "said"), CONFIG, ids=[" ".join(o) for o, _ in CONFIG])
def test_config(tiny, refused, overrides, said, tmp_path):
    dropped = ("dataset.", "hierarchy.") if "dataset=file" in overrides else ()
    message = refused("train", *[o for o in tiny() if not o.startswith(dropped or ("\0",))], *overrides)
    for words in said:
        assert words in message, message
    assert not (tmp_path / "outputs").exists()  # nothing was begun


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], ["command: 'trian'", "Did you mean 'train'?"]),
        (["-m", "train"], ["command comes first"]),
        (["delta=2"], ["command comes first", "nolab train delta=2"]),
        (["evaluate"], ["RUN", "nolab evaluate --help"]),
        (["evaluate", "somewhere", "--levels", "wide"], ["'wide' is no grid", "65x65"]),
        (["generate", "dataset=file", "dataset.path=."], ["dataset"]),
        (["info", "data"], ["one path"]),
        (["info", "data", "/nowhere"], ["/nowhere", "does not exist"]),
    ],
)
def test_command_line(refused, arguments, said):
    message = refused(*arguments)
    for words in said:
        assert words in message


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data_dir):
    """A finished tiny run; tests copy it before they damage it."""
    from tests_support import tiny_overrides

    return nolab.train(nolab.compose(tiny_overrides(data_dir, tmp_path_factory.mktemp("runs")))).path


@pytest.fixture
def run_dir(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


class _Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def _edit(path, change):
    path.write_text(change(path.read_text()))


class TestRunDirectory:
    def test_missing(self, refused, tmp_path):
        assert "no such run directory" in refused("evaluate", str(tmp_path / "nothing"))

    def test_not_a_run(self, refused, tmp_path):
        assert "not a run directory" in refused("evaluate", str(tmp_path))

    def test_damaged_config(self, refused, run_dir):
        (run_dir / "config.yaml").write_text("model: {name: fno")
        assert "config.yaml: damaged" in refused("evaluate", str(run_dir))

    def test_config_that_is_a_list(self, refused, run_dir):
        (run_dir / "config.yaml").write_text("- 1\n- 2\n")
        assert "expected a mapping" in refused("evaluate", str(run_dir))

    def test_config_with_an_unknown_key(self, refused, run_dir):
        _edit(run_dir / "config.yaml", lambda text: text + "surprise: 1\n")
        assert "surprise" in refused("evaluate", str(run_dir))

    def test_config_that_names_code(self, refused, run_dir):
        config = run_dir / "config.yaml"
        _edit(config, lambda text: text.replace("  name: fno\n", "  _target_: os.system\n"))
        message = refused("evaluate", str(run_dir))
        assert "os.system" in message
        assert "--trust" in message

    def test_data_that_names_code(self, refused, run_dir):
        config = run_dir / "config.yaml"
        _edit(config, lambda text: text.replace("  problem: darcy\n", "  _target_: os.getcwd\n"))
        assert "--trust" in refused("evaluate", str(run_dir))

    def test_damaged_summary(self, run_dir):
        (run_dir / "summary.json").write_text('{"final/rel_l2": 0.')
        with pytest.raises(nolab.errors.InputError, match=r"summary.json: damaged"):
            _ = nolab.load_run(run_dir).summary

    def test_resume_of_a_finished_run(self, refused, run_dir):
        message = refused("train", f"resume={run_dir}")
        assert "finished at step 4" in message
        assert "budget.steps=" in message

    def test_resume_with_another_model(self, refused, run_dir):
        message = refused("train", f"resume={run_dir}", "model.n_layers=3")
        assert "model.n_layers" in message
        assert "budget" in message

    def test_resume_of_nothing(self, refused, tmp_path):
        assert "no such run directory" in refused("train", f"resume={tmp_path / 'nothing'}")

    def test_evaluation_that_would_change_the_model(self, refused, run_dir):
        message = refused("evaluate", str(run_dir), "model.n_layers=3")
        assert "only dataset, data_dir may change" in message

    def test_evaluation_that_would_name_code(self, refused, run_dir):
        message = refused("evaluate", str(run_dir), "dataset._target_=os.getcwd")
        assert "only dataset, data_dir may change" in message

    def test_level_that_the_data_can_not_give(self, refused, run_dir):
        assert "finer than the data" in refused("evaluate", str(run_dir), "--levels", "65x65")


class TestCheckpoint:
    def test_missing(self, refused, run_dir):
        (run_dir / "checkpoints" / "last.pt").unlink()
        assert "no such checkpoint" in refused("evaluate", str(run_dir))

    def test_truncated(self, refused, run_dir):
        path = run_dir / "checkpoints" / "last.pt"
        path.write_bytes(path.read_bytes()[:1000])
        assert "last.pt: damaged" in refused("evaluate", str(run_dir))

    def test_with_code_in_it(self, refused, run_dir, tmp_path):
        torch.save(_Evil(str(tmp_path / "ran")), run_dir / "checkpoints" / "last.pt")
        assert "never runs code" in refused("evaluate", str(run_dir))
        assert not (tmp_path / "ran").exists()

    def test_of_another_model(self, refused, run_dir):
        config = run_dir / "config.yaml"
        _edit(config, lambda text: text.replace("hidden_channels: 6", "hidden_channels: 8"))
        assert "does not fit the run's model" in refused("evaluate", str(run_dir))

    def test_without_its_data_description(self, refused, run_dir):
        path = run_dir / "checkpoints" / "last.pt"
        state = torch.load(path, weights_only=True)
        del state["spec"]
        torch.save(state, path)
        assert "lacks: spec" in refused("evaluate", str(run_dir))

    @pytest.mark.parametrize("key", ["optimizer", "clock", "rng"])
    def test_without_a_part_that_resuming_needs(self, refused, run_dir, key):
        path = run_dir / "checkpoints" / "last.pt"
        state = torch.load(path, weights_only=True)
        del state[key]
        torch.save(state, path)
        (path.parent / "previous.pt").unlink()
        assert f"lacks: {key}" in refused("train", f"resume={run_dir}", "budget.steps=8")


class TestPredict:
    def test_no_array_file(self, refused, run_dir, tmp_path):
        (tmp_path / "x.npy").write_text("hello")
        assert "not a complete .npy file" in refused("predict", str(run_dir), str(tmp_path / "x.npy"))

    def test_pickled_array(self, refused, run_dir, tmp_path):
        np.save(tmp_path / "x.npy", np.array([_Evil(str(tmp_path / "ran"))], dtype=object), allow_pickle=True)
        assert "not a .npy file" in refused("predict", str(run_dir), str(tmp_path / "x.npy"))
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        ("array", "said"),
        [
            (np.ones((2, 2, 17, 17)), "expected (samples, 1, n1, n2)"),
            (np.ones(17), "expected (samples, 1, n1, n2)"),
            (np.ones((1, 1, 17, 2)), "at least 3 points"),
            (np.full((1, 1, 17, 17), np.nan), "not finite"),
        ],
    )
    def test_arrays_that_do_not_fit(self, refused, run_dir, tmp_path, array, said):
        np.save(tmp_path / "x.npy", array)
        assert said in refused("predict", str(run_dir), str(tmp_path / "x.npy"))

    def test_coordinates_of_another_grid(self, run_dir):
        run = nolab.load_run(run_dir)
        wrong = np.stack(np.meshgrid(*[np.arange(9) / 9] * 2, indexing="ij"))
        with pytest.raises(nolab.errors.InputError, match="not the grid of the run's domain"):
            run.predict(np.ones((1, 1, 9, 9)), wrong)


def test_traceback_on_request(tiny, monkeypatch):
    monkeypatch.setenv("NOLAB_TRACEBACK", "1")
    with pytest.raises(nolab.errors.InputError):
        main(["train", *tiny(), "delta=0"])


def test_data_file_with_code_in_it(refused, tiny, tmp_path):
    folder = tmp_path / "pt"
    folder.mkdir()
    for split in ("train", "test"):
        torch.save(_Evil(str(tmp_path / "ran")), folder / f"d_{split}_16.pt")
    message = refused("train", "dataset=file", f"dataset.path={folder}", "tracking=none")
    assert "never runs code from a data file" in message
    assert not (tmp_path / "ran").exists()


def test_a_store_that_is_damaged(refused, tiny, tmp_path):
    path = tmp_path / "broken.h5"
    path.write_bytes(json.dumps({"not": "hdf5"}).encode())
    assert "broken.h5" in refused("train", "dataset=file", f"dataset.path={path}", "tracking=none")
