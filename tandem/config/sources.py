"""Reading the three places that settings come from: a TOML file, the environment, flags."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tandem.config.origin import Node, Origin, Table, Value, put
from telephony.kernel.errors import ConfigurationError

PREFIX: Final = "TANDEM_"
NESTING: Final = "__"
"""Between a section and its key in a variable's name: `TANDEM_LOG__LEVEL`. Keys hold single underscores."""

NOT_SETTINGS: Final = frozenset(
    {
        "TANDEM_CONFIG",
        "TANDEM_EDGE_SECRET",
        "TANDEM_PROMISES",
        "TANDEM_READY_FD",
        "TANDEM_STARTED_AT",
    }
)
"""Variables that are something else: the file's path, the scale of the tests, the supervisor's pipe, when the
command was given."""

MAX_FILE: Final = 1024 * 1024
"""Bytes of a configuration file: a hundred carriers are 50 kB."""

_HEADER: Final = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"^\s*((?:[A-Za-z0-9_.-]|\"[^\"]*\"|'[^']*'|\s(?=\s*[.=]))+?)\s*=")


def from_file(file: Path) -> Table:
    """Return what `file` says.

    Raises ConfigurationError when it cannot be read or is not TOML, with line and column.
    """
    document, lines = read_toml(file)
    return _with_origins(document, (), str(file), lines)


def read_toml(file: Path) -> tuple[dict[str, Any], Mapping[tuple[str, ...], int]]:
    """Return what `file` says as it stands, and the line of each key. Raises as `from_file` does."""
    try:
        raw = file.read_bytes()
        if len(raw) > MAX_FILE:
            raise ConfigurationError(f"{file}: more than {MAX_FILE} bytes; this is no configuration file")
        text = raw.decode()
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: not TOML: {error}") from error
    return document, _lines(text)


def from_document(document: dict[str, Any], name: str) -> Table:
    """Return what a document that was read already says; errors name it `name`."""
    return _with_origins(document, (), name, {})


def _with_origins(
    document: dict[str, Any], path: tuple[str, ...], name: str, lines: Mapping[tuple[str, ...], int]
) -> Table:
    table: Table = {}
    for key, value in document.items():
        here = (*path, key)
        node: Node
        if isinstance(value, dict) and value:
            node = _with_origins(value, here, name, lines)
        else:
            # Inside an inline table only the table's line is known.
            line = next(
                (lines[here[:depth]] for depth in range(len(here), 0, -1) if here[:depth] in lines), None
            )
            node = Value(value, Origin("file", name, line))
        table[key] = node
    return table


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line of each key. A scan, not a parser (tomllib gives no lines): for messages only."""
    lines: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = _split(header[1])
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            lines.setdefault((*section, *_split(key[1])), number)
    return lines


def _split(dotted: str) -> tuple[str, ...]:
    parts = re.findall(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)", dotted)
    return tuple("".join(each) for each in parts)


def from_environment(environment: Mapping[str, str]) -> Table:
    """Return what variables named `TANDEM_*` say, keys in lower case."""
    table: Table = {}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            path = tuple(name.removeprefix(PREFIX).lower().split(NESTING))
            put(table, path, Value(environment[name], Origin("environment", name), text=True))
    return table


def from_flags(flags: Mapping[str, str]) -> Table:
    """Return what flags say: `flags` maps dotted keys to texts."""
    table: Table = {}
    for key, text in flags.items():
        put(
            table,
            tuple(key.split(".")),
            Value(text, Origin("flag", f"--{key}" if "." not in key else f"--set {key}"), text=True),
        )
    return table


def variable(path: tuple[str, ...]) -> str:
    """Return the variable's name for a key: `("log", "level")` → `TANDEM_LOG__LEVEL`."""
    return PREFIX + NESTING.join(path).upper().replace("-", "_")
