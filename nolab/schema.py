"""Typed options from plain mappings: YAML composes, dataclasses validate.

:func:`from_mapping` fills a dataclass from a mapping and answers an unknown key, a wrong type or
a value outside a ``Literal`` with the full key, what was given and what is allowed. Ranges live
in the dataclasses' ``__post_init__`` (see :func:`check`).
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nolab.errors import InputError, printable, unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """Build the dataclass `cls` from `mapping`; `where` is the key under which it stands.

    Raises
    ------
    InputError : unknown or missing key, wrong type, value not allowed.
    """
    if not isinstance(mapping, Mapping):
        raise InputError(f"{where or cls.__name__}: expected a group of keys, got {mapping!r}")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in mapping:
        if key not in fields:
            raise unknown(_join(where, key), key, fields)
    values = {}
    for name, field in fields.items():
        if name in mapping:
            values[name] = convert(mapping[name], hints[name], _join(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise InputError(f"{_join(where, name)}: missing")
    try:
        return cls(**values)
    except InputError as error:
        message = str(error)
        raise InputError(_join(where, message) if message.split(":")[0] in fields else message) from None


def check(condition: bool, field: str, value: object, allowed: str) -> None:
    """Range check for ``__post_init__``: names the field, the value and what is allowed."""
    if not condition:
        raise InputError(f"{field}: must be {allowed}, got {value!r}")


def convert(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint`, or an InputError that names `where`."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        if value not in args:
            raise unknown(where, value, args)
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(value, args, where)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_mapping(hint, value, where)
    if origin in (tuple, list):
        return _convert_sequence(value, origin, args, where)
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a group of keys, got {value!r}")
        return dict(value)
    return _convert_scalar(value, hint, where)


def _convert_union(value: Any, options: tuple, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    rest = [option for option in options if option is not type(None)]
    for option in rest[:-1]:
        try:
            return convert(value, option, where)
        except InputError:
            continue
    return convert(value, rest[-1], where)


def _convert_sequence(value: Any, origin: type, args: tuple, where: str) -> Any:
    if isinstance(value, (str, Mapping)) or not hasattr(value, "__iter__"):
        raise InputError(f"{where}: expected a list, got {value!r}")
    items = list(value)
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(items) != len(args):
            raise InputError(f"{where}: expected {len(args)} values, got {len(items)}: {items}")
        return tuple(convert(v, a, f"{where}[{i}]") for i, (v, a) in enumerate(zip(items, args, strict=True)))
    hint = args[0] if args else Any
    return origin(convert(item, hint, f"{where}[{i}]") for i, item in enumerate(items))


_TOO_LARGE = 10**300  # floats end at 1.8e308
_SCALARS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _convert_scalar(value: Any, hint: type, where: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise InputError(f"{where}: expected {_SCALARS.get(hint, hint)} of at most 300 digits")
    if hint is float and number:
        return float(value)
    if hint is int and number and math.isfinite(value) and value == int(value):
        return int(value)
    if hint is str and isinstance(value, str) and printable(value) != value:
        raise InputError(f"{where}: expected a text without control characters, got {value!a}")
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise InputError(f"{where}: expected {_SCALARS.get(hint, hint)}, got {value!r}")


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else str(key)
