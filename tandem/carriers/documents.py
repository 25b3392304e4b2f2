"""A carrier as a document: what a file or a request says, before it is a `Carrier`. Pure but for `file:`.

References to secrets (`file:PATH`, `env:NAME`) stay references until a gateway needs the carrier.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args, get_origin

import msgspec
from msgspec import Struct

from carriers.model.carrier import Carrier
from tandem.config.build import build, named_structs_in, struct_in
from tandem.config.sources import PREFIX, from_document
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

Document: TypeAlias = dict[str, Any]
"""A carrier as TOML or JSON says it."""

STARS: Final = "***"
"""Stands for a secret that is not shown."""

FILE, ENVIRONMENT = "file:", "env:"


class _Carriers(Struct, frozen=True, forbid_unknown_fields=True):
    carriers: dict[str, Carrier] = {}


def built(
    documents: Mapping[str, Document], *, file: str, environment: Mapping[str, str]
) -> dict[str, Carrier]:
    """Return the carriers that a file's documents describe, their secrets fetched.

    Raises ConfigurationError: a line for each thing that is wrong, with file, key and what would be right.
    """
    table = from_document({"carriers": dict(documents)}, file)
    return build(_Carriers, table, environment=environment)[0].carriers


def located(document: Document, folder: Path) -> Document:
    """Return a document whose files are named from the root: they were relative to `folder`."""

    def change(kind: Any, value: Any, _: str) -> Any:  # noqa: ANN401 - values of any type
        if not isinstance(value, str):
            return value
        if _is(kind, Secret) and value.startswith(FILE):
            return FILE + str((folder / Path(value.removeprefix(FILE)).expanduser()).absolute())
        if _is(kind, Path) and value:
            return str((folder / Path(value).expanduser()).absolute())
        return value

    return _walk(Carrier, document, change, "")


def shown(document: Document) -> Document:
    """Return a document without its secrets; references are shown."""

    def change(kind: Any, value: Any, _: str) -> Any:  # noqa: ANN401
        if kind is None or _is(kind, Secret):
            return value if is_reference(value) else STARS if value else value
        return value

    return _walk(Carrier, document, change, "")


def restored(document: Document, before: Document | None) -> Document:
    """Return a document with the secrets of `before` where stars stand for them."""

    def change(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401
        return _at(before, key) or value if _is(kind, Secret) and value == STARS else value

    return _walk(Carrier, document, change, "")


def has_references(document: Document) -> bool:
    """Tell whether a secret has to be fetched from a file or the environment."""
    found = False

    def look(kind: Any, value: Any, _: str) -> Any:  # noqa: ANN401
        nonlocal found
        found = found or (_is(kind, Secret) and is_reference(value))
        return value

    _walk(Carrier, document, look, "")
    return found


def complaints(document: Document, data: Path) -> list[str]:
    """Return what is wrong with a document's secrets and files, as `key: remedy`.

    Who may change carriers must not read by that what belongs to the node: its keys in `data`, its settings.
    """
    found: list[str] = []

    def look(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401
        secret = _is(kind, Secret)
        if not isinstance(value, str):
            return value
        if secret and value == STARS:
            found.append(f"{key}: the stars stand for a secret; expected itself, or file:PATH, or env:NAME")
        elif secret and value.startswith(ENVIRONMENT + PREFIX):
            found.append(f"{key}: {value} is a setting of the node; choose another variable")
        elif _is(kind, Path) or (secret and value.startswith(FILE)):
            path = Path(value.removeprefix(FILE)).expanduser()
            if not path.is_absolute():
                found.append(f"{key}: expected a path from the root, because gateways read it, got {path}")
            elif path.resolve().is_relative_to(data.resolve()):
                found.append(f"{key}: {path} is in the node's own folder; choose another place")
        return value

    _walk(Carrier, document, look, "")
    return found


def is_reference(value: object) -> bool:
    """Tell whether a secret's text says where it is rather than what it is."""
    return isinstance(value, str) and value.startswith((FILE, ENVIRONMENT))


def encoded(document: Document) -> bytes:
    """Return a document as it is kept."""
    return msgspec.json.encode(document, order="sorted")


def decoded(raw: bytes) -> Document:
    """Return what `encoded` made."""
    found: Document = msgspec.json.decode(raw, type=dict[str, Any])
    return found


def refused(lines: list[str]) -> ConfigurationError:
    """Return the error that tells all that is wrong."""
    return ConfigurationError("\n".join(lines))


_Change: TypeAlias = Callable[[Any, Any, str], Any]


def _walk(kind: type[Struct], node: Mapping[str, Any], change: _Change, path: str) -> Document:
    """Return a document with each value changed, given its type (None: not known) and its dotted key."""
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    return {
        key: _node(types.get(key), each, change, f"{path}.{key}" if path else key)
        for key, each in node.items()
    }


def _node(kind: Any, value: Any, change: _Change, path: str) -> Any:  # noqa: ANN401 - values of any type
    if isinstance(value, dict):
        inner, named = (None, None) if kind is None else (struct_in(kind), named_structs_in(kind))
        if inner is not None:
            return _walk(inner, value, change, path)
        if named is not None:
            return {
                name: _walk(named, each, change, f"{path}.{name}") if isinstance(each, dict) else each
                for name, each in value.items()
            }
        if kind is None:
            return {name: _node(None, each, change, f"{path}.{name}") for name, each in value.items()}
    return change(kind, value, path)


def _is(kind: Any, wanted: type) -> bool:  # noqa: ANN401 - a type annotation
    alternatives = (kind, *get_args(kind)) if get_origin(kind) is not dict else ()
    return any(isinstance(each, type) and issubclass(each, wanted) for each in alternatives)


def _at(document: Document | None, key: str) -> Any:  # noqa: ANN401 - values of any type
    node: Any = document
    for name in key.split("."):
        if not isinstance(node, dict) or name not in node:
            return None
        node = node[name]
    return node
