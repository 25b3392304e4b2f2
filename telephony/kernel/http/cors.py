"""Cross-origin requests (the Fetch standard, §3.2): JavaScript SDKs in browsers.

Nothing here is authenticated by cookies, so any origin may ask by default: who has no key gets 401 from
anywhere.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

EXPOSED: Final = (
    "Location,Operation-Location,operation-id,search-id,purchase-id,release-id,capabilities-id,"
    "reservation-purchase-id,Repeatability-Result,Retry-After,retry-after-ms,api-supported-versions,"
    "x-ms-request-id,x-ms-client-request-id,x-ms-error-code,MS-CV"
)
"""Reply headers that a page's script may read."""

MAX_AGE: Final = 3600
"""Seconds a browser may remember a preflight."""

_HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?: *, *[A-Za-z0-9!#$%&'*+.^_`|~-]+){0,63}")
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.:\[\]_-]{1,255}")


class Cors:
    """Which pages may ask. `origins` is `("*",)` for all, or their origins, as `https://shop.example`."""

    def __init__(self, origins: Sequence[str] = ("*",)) -> None:
        self._any = "*" in origins
        self._origins = frozenset(origins)

    def headers(self, origin: str | None) -> Mapping[str, str]:
        """Return what a reply to a request from `origin` carries besides the exposed headers."""
        if origin is None or not self._allows(origin):
            return {}
        if self._any:
            return {"Access-Control-Allow-Origin": "*"}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}

    def preflight(self, origin: str, methods: Sequence[str], headers: str | None) -> Mapping[str, str]:
        """Return the headers of a preflight's answer; `methods` are those of the path asked for, `headers`
        the value of Access-Control-Request-Headers. Empty when the origin may not ask."""
        allowed = dict(self.headers(origin))
        if not allowed:
            return {}
        allowed["Access-Control-Allow-Methods"] = ",".join(methods)
        if headers and _HEADER_NAMES.fullmatch(headers):
            allowed["Access-Control-Allow-Headers"] = headers
        allowed["Access-Control-Max-Age"] = str(MAX_AGE)
        return allowed

    def _allows(self, origin: str) -> bool:
        return self._any or (origin in self._origins and _ORIGIN.fullmatch(origin) is not None)
