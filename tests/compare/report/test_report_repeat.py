"""The command that a reader copies repeats the run, whatever its overrides hold."""

import ast
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_support import make_record

from nolab.compare.records import RunRecord
from nolab.compare.report.repeat import repeat_command

words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))


@given(st.lists(words), words)
def test_a_shell_reads_the_overrides_back(overrides, cwd):
    command = shlex.split(repeat_command(make_record(overrides=overrides, cwd=cwd)))
    assert command == [*(["cd", cwd, "&&"] if cwd else []), "nolab", "train", *overrides]


def test_bash_reads_them_back(tmp_path):
    overrides = [
        "neval=$(touch x)",
        "name=a b'c\"d",
        "hierarchy.levels=[17,33]",
        "x=`id`;!{a,b}*",
        "é=\n",
        "-m",
    ]
    line = repeat_command(make_record(overrides=overrides, cwd=str(tmp_path)))
    script = "nolab() { pwd; printf '%s\\0' \"$@\"; }; cd /; " + line
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}\n" + "".join(f"{word}\0" for word in ["train", *overrides])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "program", [["nolab train"], ["/usr/bin/nolab", "train"], ["/x/nolab/__main__.py", "train"]]
)
def test_a_recorded_command_stands_in_for_overrides(program):
    record = make_record(command=[*program, "delta=2", "x=a b"], cwd="/data dir")
    assert repeat_command(record) == "cd '/data dir' && nolab train delta=2 'x=a b'"


@pytest.mark.parametrize(
    "command",
    [
        None,
        "nolab train",
        [],
        ["nolab"],
        ["nolab", "bench"],
        ["python", "train.py"],
        ["nolab", "train", 3],
        ["nolab train", "-m", "delta=1,2"],
        ["nolab", "train", "delta=1,2", "--multirun"],
    ],
)
def test_without_a_command_the_config_is_trained_from_python(tmp_path, command):
    folder = tmp_path / 'a "quoted" \\ folder'
    line = repeat_command(RunRecord(folder, {}, {}, {"command": command, "cwd": "/"}))
    texts = [node.value for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Constant)]
    assert texts == [str(folder / "config.yaml")]
    assert "nolab.train(OmegaConf.load(" in line
