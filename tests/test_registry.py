"""Parts in files of their own, and users' classes by their path."""

import sys
from pathlib import Path

import pytest

from nolab import registry
from nolab.errors import InputError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    root = tmp_path / "house_of_parts"
    (root / "nested").mkdir(parents=True)
    (root / "__init__.py").touch()
    (root / "nested" / "__init__.py").touch()
    (root / "roof.py").write_text("NAME = 'roof'\n")
    (root / "door.py").write_text("NAME = 'door'\n")
    (root / "_hinge.py").write_text("NAME = 'hinge'\n")
    (root / "explosive.py").write_text("raise RuntimeError('listing must not import')\n")
    (root / "factory.py").write_text(
        "def make(a, b=2):\n    return a, b\n\nclass Thing:\n    def __init__(self, size):\n        self.size = size\n"
        "\nNUMBER = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield root.name
    for name in [m for m in sys.modules if m.split(".")[0] == root.name]:
        del sys.modules[name]


def test_names_are_the_files_without_helpers_and_packages(package: str) -> None:
    assert registry.names(package) == ["door", "explosive", "factory", "roof"]


def test_load(package: str) -> None:
    assert registry.load(package, "roof", "part").NAME == "roof"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "rof",
            r"model\.part: 'rof' is not known\. Did you mean 'roof'\? Valid: door, explosive, factory, roof",
        ),
        ("_hinge", r"model\.part: '_hinge' is not known"),
        ("nested", r"model\.part: 'nested' is not known"),
        ("", r"model\.part: '' is not known"),
        ("os", r"model\.part: 'os' is not known"),
    ],
)
def test_load_unknown(package: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        registry.load(package, name, "model.part")


@pytest.mark.parametrize("package", registry.FORM)
def test_every_part_of_nolab_has_its_packages_form(package: str) -> None:
    names = registry.names(package)
    assert names
    for name in names:
        module = registry.load(package, name, package)
        assert [member for member in registry.FORM[package] if not hasattr(module, member)] == []


@pytest.mark.parametrize(
    ("name", "outside"),
    [("mine.x", True), ("mine", False), ("nolab.points.all", False), ("nolabel.x", True), (1.5, False)],
)
def test_a_name_with_a_dot_is_the_users(name: object, outside: bool) -> None:
    assert registry.is_outside(name) is outside


PART = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Options:
    pass

def build(options, n_samples, n_levels, seed):
    pass
"""


def test_a_part_from_outside(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "mine.py").write_text(PART)
    module = registry.load("nolab.estimators", f"{package}.mine", "sampling.estimator")
    assert module.__name__ == f"{package}.mine"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", r"lacks Options, build; such a module defines Options, build"),
        (PART.replace("def build", "def bulid"), r"lacks build; such"),
        (PART.replace("@dataclass(frozen=True)", ""), r"its Options must be a dataclass"),
        (
            "x = 1\nOptions = undefined",
            r"can't be imported \(NameError: name 'undefined' .*mine\.py line 2\)$",
        ),
        (
            "import no_such_thing",
            r"can't be imported \(ModuleNotFoundError: .*'no_such_thing', .*mine\.py line 1\)$",
        ),
        ("from nolab.plan import Tern", r"can't be imported \(ImportError: .*'Tern'.*mine\.py line 1\)$"),
        ("def build(:", r"can't be imported \(SyntaxError: .*mine\.py, line 1\)\)$"),
    ],
)
def test_a_part_from_outside_that_is_none(package: str, tmp_path: Path, code: str, message: str) -> None:
    (tmp_path / package / "mine.py").write_text(code)
    with pytest.raises(InputError, match=rf"^sampling\.estimator: '{package}\.mine'.? {message}"):
        registry.load("nolab.estimators", f"{package}.mine", "sampling.estimator")


@pytest.mark.parametrize("name", ["{}.mine", "no_such.mine", "{}.roof.Class"])
def test_a_part_from_outside_that_is_not_found(package: str, name: str) -> None:
    with pytest.raises(
        InputError, match=r"^part: '.*' can't be imported \(No module named .*PYTHONPATH=\. nolab"
    ):
        registry.load("nolab.points", name.format(package), "part")


@pytest.mark.parametrize("name", [".", "..", "a..b", "../x.y", "a/b.c", " a.b", "a.b "])
def test_a_part_from_outside_that_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match=r"^part: '.*' can't be imported \('.*' is no name of a module\)"):
        registry.load("nolab.problems", name, "part")


def test_nolabs_own_parts_have_no_dot() -> None:
    with pytest.raises(InputError, match=r"'nolab\.points\.sobol' is not known.*Valid: all"):
        registry.load("nolab.points", "nolab.points.sobol", "part")


def test_instantiate(package: str) -> None:
    assert registry.instantiate(f"{package}.factory.make", {"a": 1}, "model", b=5) == (1, 5)
    assert registry.instantiate(f"{package}.factory.Thing", {"size": 4}, "model").size == 4


@pytest.mark.parametrize(
    "target", ["no_such_module.Thing", "{}.factory.Thin", "{}.factroy.Thing", "Thing", "", ".", ".a.b", "{}."]
)
def test_bad_path(package: str, target: str) -> None:
    with pytest.raises(InputError, match=r"^model\._target_: '.*' can't be imported \("):
        registry.instantiate(target.format(package), {}, "model")


@pytest.mark.parametrize(
    ("name", "options", "given", "message"),
    [
        ("make", {"c": 1}, {}, r"can't be called with \['c'\]"),
        ("make", {}, {"b": 1}, r"can't be called with \['b'\].*missing"),
        ("make", {"a": 1}, {"a": 2}, r"can't be called with \['a'\].*multiple values"),
        ("NUMBER", {}, {}, r"not callable"),
    ],
)
def test_bad_arguments(package: str, name: str, options: dict, given: dict, message: str) -> None:
    with pytest.raises(InputError, match=rf"^model\._target_: {package}\.factory\.{name} .*{message}"):
        registry.instantiate(f"{package}.factory.{name}", options, "model", **given)
