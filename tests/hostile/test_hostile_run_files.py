"""Run directories that somebody else has written: read plainly or refused, at once; nothing outside them is touched."""

import json
import os
import shutil
import time

import numpy as np
import pytest

from nolab.compare.records import read_runs
from nolab.errors import InputError
from nolab.sweeps.attempt import Attempt, JobRecord
from nolab.tracking.run_files import read_mapping

LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
CONFIGS = {
    "list": (b"- 1\n- 2\n", "expected a mapping"),
    "empty": (b"", "expected a mapping"),
    "two documents": (b"a: 1\n---\nb: 2\n", "single document"),
    "code": (b"model: !!python/object/apply:os.mkdir ['ran']\n", "could not determine a constructor"),
    "name": (b"model: !!python/name:os.mkdir\n", "could not determine a constructor"),
    "path": (b"model: !!python/object/apply:pathlib.PosixPath [x]\n", "could not determine a constructor"),
    "bytes": (b"model: !!binary aGVsbG8=\n", "expected plain values"),
    "set": (b"model: !!set {a}\n", "expected plain values"),
    "omap": (b"model: !!omap [a: 1]\n", "expected plain values"),
    "bad time": (b"model: !!timestamp 1\n", "damaged"),
    "bad truth": (b"model: !!bool x\n", "damaged"),
    "bad number": (b"model: !!int '-'\n", "damaged"),
    "laughs": (LAUGHS.encode(), "holds aliases"),
    "itself": (b"a: &a [*a]\n", "holds aliases"),
    "deep list": (b"a: " + b"[" * 100_000, "nested deeper"),
    "deep mapping": (b"{a: " * 100_000, "nested deeper"),
    "deep keys": (b"? " * 100_000, "nested deeper"),
    "deep block": (b"- " * 100_000, "nested deeper"),
    "just too deep": (b"a: " + b"[" * 40 + b"]" * 40, "nested deeper"),
    "many": (b"a: [" + b"[1]," * 200_000 + b"]", "more values"),
    "long": (b"a: '" + b"x" * 20_000 + b"'", "20000 characters"),
    "huge": (b"#" * (2**20 + 1), "1048577 bytes"),
    "huge number": (b"a: 0x" + b"f" * 9000, "36000 bits"),
    "sexagesimal": (b"a: 1" + b":1" * 4000, "bits"),
    "many digits": (b"a: " + b"9" * 5000, "damaged"),
    "twice": (b"name: a\nname: b\n", "stands twice"),
    "twice below": (b"model: {n: 1, n: 2}\n", "stands twice"),
    "null key": (b"null: 1\n", "is no text"),
    "list key": (b"? [a]\n: 1\n", "damaged"),
    "NUL": (b"name: a\0b\n", "damaged"),
    "escaped NUL": (b'name: "a\\0b"\n', "control characters"),
    "terminal": (b'name: "\\e]0;x\\a"\n', "control characters"),
    "latin": ("name: ä\n".encode("latin-1"), "utf-8"),
    "UTF-16": ("name: a\n".encode("utf-16"), "utf-8"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_nolab_did_not_write(tmp_path, name):
    content, said = CONFIGS[name]
    (tmp_path / "config.yaml").write_bytes(content)
    start = time.process_time()
    with pytest.raises(InputError, match=r"damaged|bytes") as caught:
        read_mapping(tmp_path / "config.yaml")
    assert time.process_time() - start < 1
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_of_a_config_are_read_as_it_means_them(tmp_path):
    (tmp_path / "config.yaml").write_text(
        "a: 1e-3\nb: 2024-01-01\nc: 'no'\nd: [1, 2.5, null]\ne: .nan\nf: -1.5E+3"
    )
    read = read_mapping(tmp_path / "config.yaml")
    assert np.isnan(read.pop("e"))
    assert read == {"a": 1e-3, "b": "2024-01-01", "c": "no", "d": [1, 2.5, None], "f": -1500.0}


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"a": 1, "a": 2}',
        b"\xff",
        b"null",
        b"{",
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_json_that_nolab_did_not_write(tmp_path, content):
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_mapping(tmp_path / "summary.json")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("evaluate", "laughs"),
        ("predict", "deep list"),
        ("resume", "code"),
        ("pareto", "deep list"),
        ("report", "laughs"),
        ("report", "code"),
    ],
)
def test_every_command_refuses_it(refused, run_dir, command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run_dir / "config.yaml").write_bytes(CONFIGS[name][0])
    np.save(tmp_path / "x.npy", np.ones((1, 1, 9, 9)))
    arguments = {
        "predict": ("predict", str(run_dir), "x.npy"),
        "resume": ("train", f"resume={run_dir}"),
        "report": ("report", str(run_dir), "--output", "page.html"),
    }.get(command, (command, str(run_dir)))
    message = refused(*arguments)
    assert "config.yaml" in message
    assert CONFIGS[name][1] in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "x.npy"]


def _set(run_dir, text, other):
    config = run_dir / "config.yaml"
    assert text in config.read_text()
    config.write_text(config.read_text().replace(text, other))


@pytest.mark.parametrize(
    "value",
    ["${oc.env:SECRET}", "${hydra:runtime.cwd}", "${name}", "x${oc.env:SECRET}y", "\\${oc.env:SECRET}"],
)
def test_nothing_in_a_config_is_resolved(refused, run_dir, value, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cr3t")
    _set(run_dir, "name: train\n", f"name: '{value}'\n")
    for arguments in (("evaluate", str(run_dir)), ("train", f"resume={run_dir}")):
        message = refused(*arguments)
        assert "s3cr3t" not in message
        assert "has no interpolations" in message
    (run,) = read_runs([run_dir]).runs
    assert run.config["name"] == value


@pytest.mark.parametrize(
    ("text", "other", "where"),
    [
        ("  name: fno\n", "  name: fno\n  more: {deep: [{_target_: os.getcwd}]}\n", "model.more.deep[0]"),
        ("  levels: null\n", "  levels: [{_target_: os.getcwd}]\n", "hierarchy.levels[0]"),
        ("  problem: darcy\n", "  problem: darcy\n  _target_: {}\n", "dataset"),
        ("name: train\n", "name: train\n_target_: os.getcwd\n", "_target_"),
    ],
)
def test_code_is_found_at_any_depth(refused, run_dir, text, other, where):
    _set(run_dir, text, other)
    for arguments in (("evaluate", str(run_dir)), ("train", f"resume={run_dir}")):
        assert f"its {where} is code outside nolab" in refused(*arguments)


@pytest.mark.parametrize(
    "override", ["dataset.path=[", "dataset.seed=${nowhere}", "dataset.seed=${oc.env:NO_SUCH}"]
)
def test_overrides_of_an_evaluation_that_can_not_be_read(refused, run_dir, override):
    refused("evaluate", str(run_dir), override)


LINKED = ("config.yaml", "summary.json", "environment.json", "metrics.jsonl")


@pytest.mark.parametrize("name", LINKED)
def test_what_a_report_shows_is_never_another_folders(run_dir, tmp_path, name):
    """The other file would be shown as if it were the run's."""
    os.replace(run_dir / name, tmp_path / name)
    (run_dir / name).symlink_to(tmp_path / name)
    reading = read_runs([run_dir])
    assert reading.runs == []
    assert "a link to elsewhere" in reading.skipped[0].reason


@pytest.mark.parametrize(
    "name", ["metrics.jsonl", "checkpoints", "plots", ".config.yaml.tmp", "checkpoints/.last.pt.tmp"]
)
def test_going_on_never_writes_through_a_link(refused, run_dir, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    if (run_dir / name).is_dir():
        shutil.move(run_dir / name, elsewhere)
    else:
        elsewhere.write_text("precious")
        (run_dir / name).unlink(missing_ok=True)
    (run_dir / name).symlink_to(elsewhere)
    message = refused("train", f"resume={run_dir}", "budget.steps=8")
    assert f"{run_dir / name}: a link to elsewhere" in message
    assert elsewhere.is_dir() or elsewhere.read_text() == "precious"


@pytest.mark.parametrize("name", LINKED)
def test_a_pipe_is_not_waited_for(run_dir, name):
    (run_dir / name).unlink()
    os.mkfifo(run_dir / name)
    reading = read_runs([run_dir])
    assert len(reading.runs) <= (name == "environment.json")  # which may be missing


def test_a_file_of_terabytes_is_not_read(run_dir):
    os.truncate(run_dir / "metrics.jsonl", 2**42)
    assert "at most" in read_runs([run_dir]).skipped[0].reason


@pytest.mark.parametrize("run", ["../secret", "/etc", "a/../../secret", "..", ".", "train/../../secret"])
def test_a_sweeps_record_names_runs_of_its_own_folder(tmp_path, run_dir, run):
    shutil.copytree(run_dir, tmp_path / "secret")
    folder = Attempt(tmp_path / "outputs" / ".sweeps" / "0123456789abcdef" / "one")
    folder.sweep_id()
    folder.write(JobRecord(0, [], run=run))
    with pytest.raises(InputError, match="no runs in"):
        read_runs([folder.sweep])


@pytest.mark.parametrize(
    "change",
    [{"num": "x"}, {"overrides": 3}, {"run": ["x"]}, {"state": "gone"}, {"share": None}, {"figures": 1}],
)
def test_a_sweeps_record_of_wrong_types_is_none(tmp_path, change):
    folder = Attempt(tmp_path / "outputs" / ".sweeps" / "0123456789abcdef" / "one")
    folder.write(JobRecord(0, []))
    file = folder.folder / "jobs" / "0.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert folder.records() == []


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "..", ".", "", "a/b", "a\0b", "x" * 300, ".hidden/../x"])
def test_a_name_never_leaves_the_output_folder(refused, tiny, tmp_path, name):
    import nolab

    config = nolab.compose(tiny())
    config.name = name
    with pytest.raises(InputError):
        nolab.train(config)
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "outputs").exists() or not any((tmp_path / "outputs").iterdir())
