"""What a type takes, in words: for messages about wrong values and for the reference."""

from typing import Any

import msgspec
from msgspec import inspect

from telephony.kernel.secret import Secret


def describe(kind: Any) -> str:  # noqa: ANN401 - a type annotation
    """Return what a value of the type `kind` looks like: `a whole number from 1 to 65535`."""
    return _words(inspect.type_info(kind))


def _words(info: inspect.Type) -> str:  # noqa: C901 - one line a kind of type
    match info:
        case inspect.Metadata():
            return _words(info.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _range(info)
        case inspect.FloatType():
            return "a number" + _range(info)
        case inspect.StrType():
            return "a text" + _length(info, "characters") + (f" like {info.pattern}" if info.pattern else "")
        case inspect.NoneType():
            return "nothing"
        case inspect.LiteralType():
            return "one of " + ", ".join(_quoted(each) for each in info.values)
        case inspect.EnumType():
            return "one of " + ", ".join(_quoted(each.value) for each in info.cls)
        case inspect.UnionType():
            known = [each for each in info.types if not isinstance(each, inspect.NoneType)]
            return " or ".join(_words(each) for each in known)
        case inspect.TupleType():
            return "a list of " + ", ".join(_words(each) for each in info.item_types)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            item = _words(info.item_type)
            return f"a list{_length(info, 'items')}, each {item}"
        case inspect.DictType():
            return f"a table of names, each {_words(info.value_type)}"
        case inspect.StructType():
            return "a table"
        case inspect.CustomType():
            if issubclass(info.cls, Secret):
                return "a text, or file:PATH, or env:NAME"
            return f"a {info.cls.__name__.lower()}"
        case _:
            return type(info).__name__.removesuffix("Type").lower()


def _range(info: inspect.IntType | inspect.FloatType) -> str:
    low = info.ge if info.ge is not None else info.gt
    high = info.le if info.le is not None else info.lt
    if info.ge is not None and info.le is not None:
        return f" from {low} to {high}"
    words = []
    if low is not None:
        words.append(f"{low} or more" if info.ge is not None else f"more than {low}")
    if high is not None:
        words.append(f"at most {high}" if info.le is not None else f"less than {high}")
    return ", " + " and ".join(words) if words else ""


def _length(info: Any, unit: str) -> str:  # noqa: ANN401 - any of the types that have lengths
    low, high = info.min_length, info.max_length
    if low and high:
        return f" of {low} to {high} {unit}"
    if high:
        return f" of at most {high} {unit}"
    return f" of {low} {unit} or more" if low else ""


def _quoted(value: object) -> str:
    return msgspec.json.encode(value).decode()
