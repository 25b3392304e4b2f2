"""Showing a configuration: a line a value, as TOML with the origin as a comment; secrets hidden."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tandem.config.build import DatabaseUrl
from tandem.config.load import Loaded
from telephony.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class Line:
    """A value as it may be shown."""

    key: str
    value: str
    """As TOML; empty when it is not set."""
    origin: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}" if self.value else f"# {self.key} is not set"


def lines(loaded: Loaded) -> Iterator[Line]:
    """Yield every value in the tree, in its order."""
    for path, value in _leaves(loaded.configuration, ()):
        origin = loaded.origin(path)
        origin_text = f"environment {origin.name}" if origin.kind == "environment" else str(origin)
        yield Line(".".join(path), "" if value is None else shown(value), origin_text)


def text(loaded: Loaded) -> str:
    """Return the whole configuration as text: TOML, the origins as comments."""
    all_lines = list(lines(loaded))
    width = min(60, max(len(str(line)) for line in all_lines))
    return "".join(f"{line!s:<{width}}  # {line.origin}\n" for line in all_lines)


def shown(value: Any) -> str:  # noqa: ANN401 - any value of the tree
    """Return `value` as TOML; secrets as stars, when there is one."""
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: object) -> str:
    if isinstance(value, DatabaseUrl):
        return value.shown()
    if isinstance(value, Secret):
        return "***" if value else ""
    if isinstance(value, Path):
        return str(value)
    return repr(value)


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    if isinstance(value, Struct):
        for field in msgspec.structs.fields(value):
            yield from _leaves(getattr(value, field.name), (*path, field.encode_name))
    elif isinstance(value, dict) and value and all(isinstance(each, Struct) for each in value.values()):
        for name, each in value.items():
            yield from _leaves(each, (*path, name))
    else:
        yield path, value
