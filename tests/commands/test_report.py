"""`nolab report` as people call it."""

import json
import re
import subprocess
import sys

import pytest
from compare_support import make_run
from PIL import Image

from nolab.commands.report import main
from nolab.errors import InputError


@pytest.fixture(scope="module")
def races(tmp_path_factory):
    """Four runs with pictures, and an unfinished one."""
    folder = tmp_path_factory.mktemp("outputs") / "races"
    for sampling in ("fine", "mlmc"):
        for seed in range(2):
            run = make_run(folder / f"{sampling}{seed}", [f"sampling={sampling}", f"seed={seed}"], times=2)
            (run / "plots").mkdir()
            Image.new("RGB", (30, 20)).save(run / "plots" / "prediction.png")
    make_run(folder / "stopped", finished=False)
    return folder


def data_of(file):
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', file.read_text())
    return json.loads(data)


def test_one_file_and_its_path_on_the_last_line(nolab, races, tmp_path):
    done = nolab("report", str(races))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "report.html\n"
    assert done.stderr == "runs: 4, skipped: 1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    data = data_of(tmp_path / "report.html")
    assert data["title"] == "races"
    assert data["source"] == [str(races)]
    assert data["runs"]["id"] == ["fine0", "fine1", "mlmc0", "mlmc1"]
    assert len(data["pictures"]) == 4


def test_runs_pictures_title_and_file_are_chosen(races, tmp_path, capsys):
    file = tmp_path / "one.html"
    arguments = [str(races / "fine1"), str(races), "--where", "sampling=fine", "--where", "seed=0,1"]
    assert main([*arguments, "--pictures", "1", "--title", "A <b>", "--output", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(file)
    data = data_of(file)
    assert data["runs"]["id"] == ["fine1", "fine0"]
    assert (data["title"], len(data["pictures"])) == ("A <b>", 1)
    assert data["source"][2:] == ["sampling=fine", "seed=0,1"]
    assert "<title>A &lt;b&gt;</title>" in file.read_text()


def test_it_needs_no_pytorch(races, tmp_path):
    code = (
        "import sys; from nolab.commands.report import main; main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules and 'wandb' not in sys.modules"
    )
    command = [sys.executable, "-c", code, str(races), "--output", str(tmp_path / "x.html")]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which runs"),
        (["missing"], "missing: no such folder"),
        (["."], "no runs in"),
        (["RACES/stopped"], r"no finished run: 1 skipped, first \S+stopped \(unfinished\)"),
        (["RACES", "--where", "sampling=coarse"], "none of 4 runs has sampling=coarse"),
        (["RACES", "--where", "sampling"], "write KEY=VALUE"),
        (["RACES", "--where", "smpling=fine"], "Did you mean 'sampling'"),
        (["RACES", "--output", "no/such/report.html"], "no such folder: no/such"),
        (["RACES", "--output", "."], "is a folder"),
        (["RACES", "--output", "x" * 400], "can't write"),
        (["RACES", "--pictures", "-1"], "--pictures"),
        (["RACES", "--pictures", "many"], "'many' is no number of pictures"),
        (["RACES", "--nonsense"], "--nonsense"),
        (["--wandb", "project"], "write ENTITY/PROJECT"),
        (["--wandb", "a/b/c"], "write ENTITY/PROJECT"),
        (["--wandb", "/b"], "write ENTITY/PROJECT"),
        (["--wandb", "a/"], "write ENTITY/PROJECT"),
        (["RACES", "--wandb", "a/b"], "the project's own runs"),
    ],
)
def test_bad_input_is_one_short_message(races, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        main([argument.replace("RACES", str(races)) for argument in arguments])
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_workspace_is_saved_and_its_address_printed(monkeypatch, capsys):
    saved = []

    def save_workspace(entity, project):
        saved.append((entity, project))
        return "https://wandb.ai/lab/darcy?nw=1"

    monkeypatch.setattr("nolab.compare.workspace.save_workspace", save_workspace)
    assert main(["--wandb", "lab/darcy"]) == 0
    assert saved == [("lab", "darcy")]
    assert capsys.readouterr().out == "https://wandb.ai/lab/darcy?nw=1\n"
