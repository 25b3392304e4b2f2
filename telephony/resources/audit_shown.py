"""What an audit record may show of a thing: all of it but secrets and other people's numbers. Pure.

A field is hidden when its name ends like a secret's or is that of what people wrote, or its type says so:
`Meta(extra=HIDDEN)` hides, `Meta(extra=SHORTENED)` shows a telephone number as logs do; so do the fields in
which logs look for numbers. Of a URL what stands behind the question mark and
before the at sign is left out, because there applications keep tokens.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Raw, Struct

from telephony.kernel.e164 import shorten
from telephony.kernel.log import NUMBER_FIELDS
from telephony.kernel.secret import Secret

MARK: Final = "***"
"""Stands for what is not shown."""

HIDDEN: Final = {"audit": "hidden"}
SHORTENED: Final = {"audit": "shortened"}

MAX_JSON: Final = 16 * 1024
"""Characters of a record's body, before or after; of more only the length is kept."""

MAX_DEPTH: Final = 20
"""How deep a thing may be nested; what we keep has four levels at most."""

_SECRET: Final = re.compile(
    r"(secret|passwords?|passphrase|token|keys?|connectionstrings?|authorization|credentials?|cookie)$",
    re.IGNORECASE,
)
_TEXTS: Final = frozenset({"text", "message", "body"})
"""Fields of what people wrote, when they hold a text."""

_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}", re.ASCII)
_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/@?#]*@)?(?P<rest>[^?#]*)(?P<query>[?#].*)?")


def is_secret_name(name: str) -> bool:
    """Tell whether a field of this name is hidden, however it is spelled: `accessKey`, `access_key`."""
    return _SECRET.search(name) is not None


def shown_json(value: object) -> str | None:
    """Return what may be shown of `value` as JSON; None for None."""
    if value is None:
        return None
    text = msgspec.json.encode(shown(value), enc_hook=str).decode()
    if len(text) > MAX_JSON:
        return msgspec.json.encode({"tooLongToKeep": len(text)}).decode()
    return text


def shown(value: object, depth: int = 0) -> object:
    """Return what may be shown of `value`, as plain data."""
    if depth > MAX_DEPTH:
        return MARK
    if isinstance(value, Secret):
        return MARK
    if isinstance(value, str):
        return _without_query(value)
    if isinstance(value, Raw):
        return shown(msgspec.json.decode(value), depth + 1)
    if isinstance(value, Struct):
        return _struct(value, depth)
    if isinstance(value, Mapping):
        return {str(name): _named(str(name), each, depth) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [shown(each, depth + 1) for each in value]
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, Enum | datetime) or value is None or isinstance(value, bool | int | float):
        return value
    return MARK  # nobody knows what its text would show


def _struct(value: Struct, depth: int) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, encoded, how in _fields(type(value)):
        each = getattr(value, name)
        if each is None or each is msgspec.UNSET:
            continue
        if how == "hidden":
            found[encoded] = MARK
        elif how == "shortened":
            found[encoded] = shorten(str(each))
        else:
            found[encoded] = _named(encoded, each, depth)
    return found


def _named(name: str, value: object, depth: int) -> object:
    if value is None:
        return None
    if is_secret_name(name):
        return MARK
    if isinstance(value, str) and name in _TEXTS:
        return MARK
    if isinstance(value, str) and name in NUMBER_FIELDS and _NUMBER.fullmatch(value):
        return shorten(value)
    return shown(value, depth + 1)


@lru_cache(maxsize=256)
def _fields(kind: type[Struct]) -> tuple[tuple[str, str, str], ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        (field.name, field.encode_name, _how(hints.get(field.name))) for field in msgspec.structs.fields(kind)
    )


def _how(hint: object) -> str:
    if get_origin(hint) is not Annotated:
        return ""
    for each in get_args(hint)[1:]:
        if isinstance(each, Meta) and each.extra and "audit" in each.extra:
            return str(each.extra["audit"])
    return ""


def _without_query(text: str) -> Any:  # noqa: ANN401 - a text
    url = _URL.fullmatch(text)
    if url is None:
        return text
    return url["scheme"] + url["rest"] + ("?" + MARK if url["query"] else "")
