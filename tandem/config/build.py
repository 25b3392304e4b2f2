"""From unchecked values to the typed tree. Whatever is wrong is told: where, and what would be right."""

import difflib
import re
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, Union

import msgspec
from msgspec import Struct

from tandem.config.origin import Node, Origin, Table, Value, first_origin, plain
from tandem.config.sources import variable
from tandem.config.words import describe
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret, decode_secret

T = TypeVar("T", bound=Struct)
Path_ = tuple[str, ...]

MAX_SECRET: Final = 64 * 1024
"""Bytes of a file that holds a secret: keys and passwords are far smaller, a log file by mistake is not."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""Names that operators give (carriers, links): they end up in metrics, logs and variables' names."""


class DatabaseUrl(Secret):
    """A database's address: all of it may be seen but its password."""

    __slots__ = ()

    def shown(self) -> str:
        """Return the address with stars for the password."""
        return re.sub(r"(?<=://)([^/@:]*):[^@]*(?=@)", r"\1:***", self.reveal())


class _BadValueError(ValueError):
    """A value of a type of ours that cannot be used, in words; msgspec hands it on as a cause."""


def build(
    kind: type[T], table: Table, *, environment: typing.Mapping[str, str]
) -> tuple[T, dict[Path_, Origin]]:
    """Return the tree of type `kind` that `table` describes, and where each value in it came from.

    Raises ConfigurationError with one line for everything that is wrong.
    """
    builder = _Builder(kind, environment)
    tree = builder.struct(kind, table, ())
    if builder.problems:
        raise ConfigurationError("\n".join(builder.problems))
    return typing.cast("T", tree), builder.origins


class _Builder:
    def __init__(self, root: type[Struct], environment: typing.Mapping[str, str]) -> None:
        self.environment = environment
        self.problems: list[str] = []
        self.origins: dict[Path_, Origin] = {}
        self._known = list(keys(root))

    def node(self, kind: Any, node: Node, path: Path_) -> Any:  # noqa: ANN401 - values of any type
        inner = struct_in(kind)
        if inner is not None:
            if isinstance(node, dict):
                return self.struct(inner, node, path)
            if node.value == {}:
                return self.struct(inner, {}, path)
            return self._wrong(path, node.origin, f"expected a table, got {_shown(node.value)}")
        named = named_structs_in(kind)
        if named is not None and isinstance(node, dict):
            return self._named(named, node, path)
        if named is not None and isinstance(node, Value) and node.value == {}:
            return {}
        return self._leaf(kind, node, path)

    def struct(self, kind: type[Struct], table: Table, path: Path_) -> Any:  # noqa: ANN401 - an instance of `kind`
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        before = len(self.problems)
        values: dict[str, Any] = {}
        for key, node in table.items():
            if key in fields:
                values[fields[key].name] = self.node(fields[key].type, node, (*path, key))
            else:
                self._unknown(key, node, path, fields)
        for key, field in fields.items():
            if field.required and key not in table:
                self._wrong(path, first_origin(table), f"{key} is missing: {describe(field.type)}")
        if len(self.problems) > before:
            return None
        try:
            return kind(**values)
        except ValueError as error:  # the struct's own __post_init__: a value, or several that do not fit
            key, colon, complaint = str(error).partition(": ")
            if colon and key in fields:
                return self._wrong((*path, key), first_origin(table.get(key, table)), complaint)
            return self._wrong(path, first_origin(table), str(error))

    def _named(self, kind: type[Struct], table: Table, path: Path_) -> dict[str, Any]:
        named = {}
        for name, node in table.items():
            if not _NAME.fullmatch(name):
                self._wrong(
                    path, first_origin(node), f"{name!r} is no name: letters, digits, - and _, at most 64"
                )
            elif isinstance(node, dict):
                named[name] = self.struct(kind, node, (*path, name))
            elif node.value == {}:
                named[name] = self.struct(kind, {}, (*path, name))
            else:
                self._wrong((*path, name), node.origin, f"expected a table, got {_shown(node.value)}")
        return named

    def _leaf(self, kind: Any, node: Node, path: Path_) -> Any:  # noqa: ANN401 - values of any type
        origin = first_origin(node)
        self.origins[path] = origin
        text = isinstance(node, Value) and node.text
        value = plain(node) if isinstance(node, Value) else _read_texts(kind, node)
        try:
            if text:
                value = _from_text(kind, value)
            return msgspec.convert(value, kind, strict=not text, dec_hook=self._decoder(origin))
        except msgspec.DecodeError as error:
            if isinstance(error.__cause__, _BadValueError):  # raised by the decoder below
                return self._wrong(path, origin, str(error.__cause__))
            where = str(error).partition(" - at `$")[2].rstrip("`")
            inside = f" (at {where})" if where else ""
            got = "" if _hides(kind) else f", got {_shown(node.value if isinstance(node, Value) else value)}"
            return self._wrong(path, origin, f"expected {describe(kind)}{got}{inside}")

    def _decoder(self, origin: Origin) -> Callable[[type, Any], Any]:
        """Return the hook for types that msgspec does not know: secrets, wherever they lie, and paths."""
        base = Path(origin.name).parent if origin.kind == "file" else Path()

        def decode(kind: type, value: Any) -> Any:  # noqa: ANN401 - the signature msgspec asks for
            if not isinstance(value, str):
                raise TypeError(kind.__name__)
            if issubclass(kind, Path):
                if not value:
                    raise _BadValueError("expected a path, got an empty text")
                return kind(value).expanduser()
            secret = decode_secret(Secret, self._fetched(value, base))
            return DatabaseUrl(secret.reveal()) if kind is DatabaseUrl else secret

        return decode

    def _fetched(self, text: str, base: Path) -> str:
        kind, colon, rest = text.partition(":")
        if colon and kind == "file":
            try:
                file = base / Path(rest).expanduser()
                with file.open("rb") as opened:
                    raw = opened.read(MAX_SECRET + 1)
                if len(raw) > MAX_SECRET:
                    raise _BadValueError(f"{file} holds more than {MAX_SECRET} bytes; this is no secret")
                return raw.decode().rstrip("\r\n")
            except OSError as error:
                raise _BadValueError(f"{rest} cannot be read: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise _BadValueError(f"{rest} is not UTF-8") from error
        if colon and kind == "env":
            if rest not in self.environment:
                raise _BadValueError(f"the environment has no {rest}")
            return self.environment[rest]
        return text

    def _unknown(self, key: str, node: Node, path: Path_, fields: typing.Mapping[str, object]) -> None:
        origin = first_origin(node)
        if origin.kind == "environment":
            near = difflib.get_close_matches(origin.name, [variable(each) for each in self._known], 1, 0.7)
            remedy = (
                f"did you mean {near[0]}?"
                if near
                else f"known here: {_listed(variable((*path, each)) for each in fields)}"
            )
            self.problems.append(f"{origin}: no such setting; {remedy}")
            return
        near = difflib.get_close_matches(key, fields, 1)
        elsewhere = [".".join(each) for each in self._known if each[-1] == key]
        remedy = f"known here: {_listed(fields)}"
        if near:
            remedy = f"did you mean {'.'.join((*path, near[0]))}?"
        elif elsewhere:
            remedy = f"did you mean {elsewhere[0]}?"
        self.problems.append(f"{origin}: {'.'.join((*path, key))}: no such key; {remedy}")

    def _wrong(self, path: Path_, origin: Origin, complaint: str) -> None:
        key = ".".join(path)
        self.problems.append(": ".join(filter(None, (str(origin), key, complaint))))


def keys(kind: type[Struct], path: Path_ = ()) -> typing.Iterator[Path_]:
    """Yield the path of every key below `kind`; what operators name is left out."""
    for field in msgspec.structs.fields(kind):
        here = (*path, field.encode_name)
        inner = struct_in(field.type)
        if inner is None:
            yield here
        else:
            yield from keys(inner, here)


def struct_in(kind: Any) -> type[Struct] | None:  # noqa: ANN401 - a type annotation
    """Return the struct that `kind` is, or that stands beside None in it."""
    found = [each for each in _alternatives(kind) if isinstance(each, type) and issubclass(each, Struct)]
    return found[0] if len(found) == 1 else None


def named_structs_in(kind: Any) -> type[Struct] | None:  # noqa: ANN401 - a type annotation
    """Return the struct of a `dict[str, Struct]`."""
    if typing.get_origin(kind) is dict:
        return struct_in(typing.get_args(kind)[1])
    return None


def _alternatives(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401 - a type annotation
    return typing.get_args(kind) if typing.get_origin(kind) in (Union, types.UnionType) else (kind,)


def _from_text(kind: Any, text: str) -> Any:  # noqa: ANN401 - values of any type
    """Return `text` as its type wants to be fed: lists and tables may be JSON, lists also `a,b`."""
    outer = {typing.get_origin(_bare(each)) or _bare(each) for each in _alternatives(kind)}
    if outer & {list, tuple, set, frozenset, dict}:
        if text.lstrip().startswith(("[", "{")):
            return msgspec.json.decode(text)
        if dict not in outer:
            return [each.strip() for each in text.split(",")] if text.strip() else []
    return text


def _read_texts(kind: Any, node: Node) -> Any:  # noqa: ANN401 - values of any type
    """Return a table of names without origins; texts from flags and variables as the numbers they mean.

    What is no number stays a text, for the conversion of the whole to take or to complain about.
    """
    if isinstance(node, dict):
        below = [typing.get_args(each)[1] for each in _alternatives(_bare(kind)) if _is_table(each)]
        return {key: _read_texts(below[0] if below else Any, each) for key, each in node.items()}
    if not node.text:
        return node.value
    try:
        value = msgspec.convert(node.value, kind, strict=False)
    except (msgspec.DecodeError, TypeError):
        return node.value
    return value if isinstance(value, int | float) else node.value


def _is_table(kind: Any) -> bool:  # noqa: ANN401 - a type annotation
    return typing.get_origin(kind) is dict


def _bare(kind: Any) -> Any:  # noqa: ANN401 - a type annotation
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _hides(kind: Any) -> bool:  # noqa: ANN401 - a type annotation
    bare = [_bare(each) for each in _alternatives(kind)]
    return any(
        (isinstance(each, type) and issubclass(each, Secret))
        or any(_hides(inner) for inner in typing.get_args(each))
        for each in bare
    )


def _shown(value: object) -> str:
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= 80 else text[:79] + "…"


def _listed(names: typing.Iterable[str]) -> str:
    return ", ".join(sorted(names))
