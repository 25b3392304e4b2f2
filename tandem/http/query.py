"""The query of a request: form-encoded fields, the first of each name."""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_plus

from telephony.kernel.errors import InvalidRequest

MAX_FIELDS: Final = 64
"""Fields of a query; ACS's operations have seven at most."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@lru_cache(maxsize=256)  # nearly all are `api-version=…` alone
def parse_query(raw: str) -> Mapping[str, str]:
    """Return the fields of the query `raw` (without its question mark). Raises InvalidRequest."""
    fields: dict[str, str] = {}
    if not raw.isascii():
        raise InvalidRequest("The query must be percent-encoded.", target="query")
    parts = raw.split("&") if raw else []
    if len(parts) > MAX_FIELDS:
        raise InvalidRequest(f"The query has more than {MAX_FIELDS} fields.", target="query")
    for part in parts:
        name, _, value = part.partition("=")
        try:
            name, value = unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidRequest("The query is not valid UTF-8.", target="query") from error
        if _CONTROL.search(value) or _CONTROL.search(name):
            raise InvalidRequest("The query holds a control character.", target="query")
        fields.setdefault(name, value)
    return MappingProxyType(fields)
