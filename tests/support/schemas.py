"""The smallest value that a JSON Schema takes: bodies for operations that a test knows nothing else of."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from telephony.kernel.http.route import Route

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def body_of(route: Route) -> bytes:
    """Return a body that the operation's decoder takes; empty when it takes none."""
    return b"" if route.body is None else _smallest_of(route.body)


@lru_cache
def _smallest_of(kind: type[msgspec.Struct]) -> bytes:
    (schema,), components = msgspec.json.schema_components([kind])
    return msgspec.json.encode(smallest(schema, components))


def path_of(route: Route, values: Mapping[str, str], other: str) -> str:
    """Return the operation's path with `values` for its parameters, `other` for the rest."""
    return _PARAMETER.sub(lambda match: values.get(match[1], other), route.template)


def smallest(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """Return the smallest value that the schema takes."""
    if "$ref" in schema:
        return smallest(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        return smallest(schema["anyOf"][0], components)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: smallest(fields[name], components) for name in schema.get("required", ())}
        case "array":
            return [smallest(schema["items"], components) for _ in range(schema.get("minItems", 0))]
        case "string":
            return _text(schema)
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        case "boolean":
            return False
    return None


def _text(schema: Mapping[str, Any]) -> str:
    pattern = schema.get("pattern")
    if pattern is None:
        return "x" * int(schema.get("minLength", 1))
    least = int(schema.get("minLength", 0))
    found: str = find(
        st.from_regex(pattern),
        lambda text: len(text) >= least and text.isprintable(),
        settings=settings(database=None, phases=(Phase.generate,)),
    )
    return found
