"""Where a value came from, and values on their way into the tree."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from."""

    kind: Literal["default", "file", "environment", "flag"]
    name: str = ""
    """The file, the variable or the flag."""
    line: int | None = None
    """In the file, when known."""

    def __str__(self) -> str:
        if self.kind == "default":
            return "default"
        return self.name if self.line is None else f"{self.name}:{self.line}"


DEFAULT: Final = Origin("default")


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it was written, not yet checked."""

    value: Any
    origin: Origin
    text: bool = False
    """Whether it comes from where everything is text: `8443` may be a number, `a,b` a list."""


Node: TypeAlias = "dict[str, Node] | Value"
"""What one or all sources say: tables, with values as leaves."""

Table: TypeAlias = "dict[str, Node]"


def first_origin(node: Node) -> Origin:
    """Return the origin of the first value in `node`: what a complaint about a whole table points at."""
    while isinstance(node, dict):
        if not node:
            return DEFAULT
        node = next(iter(node.values()))
    return node.origin


def plain(node: Node) -> Any:  # noqa: ANN401 - whatever TOML can hold
    """Return `node` without origins."""
    if isinstance(node, dict):
        return {key: plain(each) for key, each in node.items()}
    return node.value


def put(table: Table, path: tuple[str, ...], value: Value) -> None:
    """Set the value at `path`, replacing what stands in the way."""
    for key in path[:-1]:
        below = table.get(key)
        if not isinstance(below, dict):
            below = table[key] = {}
        table = below
    table[path[-1]] = value


def overlay(lower: Table, upper: Table) -> None:
    """Lay `upper` over `lower`, in place: values replace, tables are joined."""
    for key, node in upper.items():
        below = lower.get(key)
        if isinstance(node, dict) and isinstance(below, dict):
            overlay(below, node)
        else:
            lower[key] = node
