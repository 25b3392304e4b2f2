"""Which route a path means: a tree over its segments.

Segments are split before they are percent-decoded, once, so that `%2F` is part of a parameter; a `+` in a
path is a plus. Where several routes fit, a literal goes before a parameter with a verb, and that before a
bare one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from urllib.parse import unquote

E = TypeVar("E")

MAX_PATH: Final = 2048
"""Bytes of a path; the longest id of ACS's is under 500."""

_PARAMETER: Final = re.compile(r"\{(?P<name>\w+)\}(?P<verb>:[^{}]+)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Match(Generic[E]):
    """A known path: what stands there by method, the template, and the decoded parameters."""

    template: str
    methods: Mapping[str, E]
    parameters: Mapping[str, str]


@dataclass(slots=True)
class _Branch(Generic[E]):
    """Segments `{name}` or `{name}:verb` below one node."""

    node: "_Node[E]"
    verb: str


@dataclass(slots=True)
class _Node(Generic[E]):
    literals: dict[str, "_Node[E]"] = field(default_factory=dict)
    branches: list[_Branch[E]] = field(default_factory=list)  # the longest verb first, the bare one last
    methods: dict[str, E] = field(default_factory=dict)
    template: str = ""
    names: tuple[str, ...] = ()


class Matcher(Generic[E]):
    """The tree of all templates."""

    def __init__(self, entries: Iterable[tuple[str, str, E]]) -> None:
        """Take (method, template, entry). Raises ValueError when two entries are the same operation, or two
        templates name the parameters of one path differently."""
        self._root: _Node[E] = _Node()
        self._whole: dict[str, Match[E]] = {}
        for method, template, entry in entries:
            self._add(method, template, entry)

    def match(self, path: str) -> Match[E] | None:
        """Return what a raw path (without its query) means, or None when there is no such path."""
        whole = self._whole.get(path)
        if whole is not None:
            return whole
        if len(path) > MAX_PATH or not path.startswith("/") or not path.isascii():
            return None
        try:
            segments = [unquote(segment, errors="strict") for segment in path[1:].split("/")]
        except UnicodeDecodeError:
            return None
        values: list[str] = []
        node = _descend(self._root, segments, 0, values)
        if node is None:
            return None
        return Match(node.template, node.methods, dict(zip(node.names, values, strict=True)))

    def _add(self, method: str, template: str, entry: E) -> None:
        if not template.startswith("/"):
            raise ValueError(f"{template}: a template begins with a slash")
        node, names = self._root, []
        for segment in template[1:].split("/"):
            parameter = _PARAMETER.fullmatch(segment)
            if parameter is None:
                if "{" in segment or "}" in segment:
                    raise ValueError(f"{template}: {segment} is neither a parameter nor a literal")
                node = node.literals.setdefault(segment, _Node())
            else:
                names.append(parameter["name"])
                node = _branch(node, parameter["verb"] or "")
        if node.template and node.template != template:
            raise ValueError(f"{template} and {node.template} are the same path")
        if method in node.methods:
            raise ValueError(f"{method} {template} stands there twice")
        node.template, node.names = template, tuple(names)
        node.methods[method] = entry
        if not names:
            self._whole[template] = Match(template, node.methods, {})


def _branch(node: _Node[E], verb: str) -> _Node[E]:
    for branch in node.branches:
        if branch.verb == verb:
            return branch.node
    fresh: _Node[E] = _Node()
    node.branches.append(_Branch(fresh, verb))
    node.branches.sort(key=lambda branch: -len(branch.verb))
    return fresh


def _descend(node: _Node[E], segments: Sequence[str], at: int, values: list[str]) -> _Node[E] | None:
    """Return the node where `segments` end; leaves the parameters' values in `values`."""
    if at == len(segments):
        return node if node.methods else None
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None and (found := _descend(literal, segments, at + 1, values)) is not None:
        return found
    for branch in node.branches:
        value = segment.removesuffix(branch.verb)
        if not value or (branch.verb and value == segment) or _CONTROL.search(value):
            continue
        values.append(value)
        if (found := _descend(branch.node, segments, at + 1, values)) is not None:
            return found
        values.pop()
    return None
