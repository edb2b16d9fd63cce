"""Files of run directories, which anyone may have written: read as plain values, or refused at once. Knows no PyTorch.

What nolab itself writes has no links, no aliases, no tags and few levels; a file that does is not opened further.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from nolab.errors import InputError, first_line, printable

LARGEST = {".yaml": 2**20, ".json": 2**24, ".jsonl": 2**30}
"""Bytes of a file, by its ending."""
_DEEPEST = 32
_LONGEST = 10_000
_MOST_EVENTS = 20_000
_MOST_BITS = 10_000  # of a whole number: Python refuses to print those of more than 4300 digits
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+")


def read_mapping(file: Path) -> dict[str, Any]:
    """The mapping of plain values in a `.yaml` or `.json` file.

    Raises
    ------
    InputError : what is wrong with it; the caller adds the file.
    """
    try:
        text = read_text(file)
        data = _from_json(text) if file.suffix == ".json" else _from_yaml(text)
        if not isinstance(data, dict):
            raise ValueError("expected a mapping")
        _check_plain(data, 1)
    except InputError:
        raise
    except Exception as error:  # constructors of YAML raise nearly anything; none of it is a bug of ours
        raise InputError(f"damaged: {first_line(error)}") from error
    return data


def read_records(file: Path, holding: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of `metrics.jsonl` that hold a text, and their records; what a kill cut off, or is none, is left out."""
    try:
        lines = read_text(file, errors="replace").splitlines()
    except (OSError, InputError):
        return
    for line in lines:
        if holding not in line:
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield line, record


def read_text(file: Path, errors: str = "strict") -> str:
    """The text of a plain file that is not too large, in UTF-8.

    Raises
    ------
    InputError : it is a link, no plain file, or too large.
    OSError, UnicodeDecodeError : it can't be read, or is no UTF-8.
    """
    check_no_link(file)
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe would wait for its writer
    with open(descriptor, "rb") as opened:
        _check_status(file.suffix, os.fstat(descriptor))
        return opened.read().decode("utf-8", errors)


def check_size(file: Path) -> None:
    """Refuse what is no plain file, or one that is far larger than any that nolab writes.

    Raises
    ------
    InputError : saying which.
    """
    _check_status(file.suffix, file.stat())


def _check_status(ending: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputError("no plain file")
    if status.st_size > (most := LARGEST[ending]):
        raise InputError(f"{status.st_size} bytes, at most {most} are read")


def check_no_link(file: Path) -> None:
    """Refuse a symbolic link: what a run shows would be another file's content.

    Raises
    ------
    InputError : it is one.
    """
    if file.is_symlink():
        raise InputError("a link to elsewhere, which nolab does not follow")


def check_no_links_within(run_dir: Path) -> None:
    """Refuse a run directory that has a link where nolab writes: it would write elsewhere.

    Raises
    ------
    InputError : naming it.
    """
    folders = (run_dir, *(path for path in run_dir.iterdir() if path.is_dir() and not path.is_symlink()))
    for path in (path for folder in folders if folder.name != "wandb" for path in folder.iterdir()):
        if path.is_symlink():
            raise InputError(
                f"{path}: a link to elsewhere, and nolab would write there; replace it by a copy"
            )


def _from_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("a key stands twice")
    return data


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # libyaml's reads ten times as fast
    """YAML as OmegaConf reads it (1e-3 is a number, a date is a text), and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            raise ValueError(f"a key stands twice in line {node.start_mark.line + 1} and after")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def _from_yaml(text: str) -> Any:
    # Before libyaml builds anything: it follows aliases and nesting without a bound, until it crashes.
    depth = 0
    for count, event in enumerate(yaml.parse(text, _Loader)):
        if count > _MOST_EVENTS:
            raise ValueError("holds more values than any config")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("holds aliases")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _LONGEST:
            raise ValueError(f"holds a value of {len(event.value)} characters")
        if isinstance(event, yaml.ScalarEvent) and printable(event.value) != event.value:
            raise ValueError(f"holds a text with control characters: {event.value!a:.80}")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST} levels")
    return yaml.load(text, _Loader)


def _check_plain(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str | int):
                raise ValueError(f"the key {key!r:.80} is no text")
            _check_plain(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            _check_plain(child, depth + 1)
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise ValueError(f"holds a whole number of {value.bit_length()} bits")
    elif not isinstance(value, str | int | float | None):
        raise ValueError(f"holds a {type(value).__name__}, expected plain values")
