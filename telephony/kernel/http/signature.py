"""HMAC-SHA256 request signatures as Azure Communication Services' clients make them.

String to sign: `METHOD \\n path[?query] \\n value;value;value`, the values being those of the headers that
`SignedHeaders` names, in its order; Base64 of HMAC-SHA256 with the Base64-decoded access key.

Clients do not agree on the spelling of `path[?query]`, and what they put on the wire is not always what they
signed. `targets` lists the spellings that are tried, the wire's own first:

1. the request target as it is on the wire (sync Python, JavaScript);
2. the target percent-decoded (Python with `decode_url`);
3. the path rebuilt from the route's template with every parameter fully quoted (async Python, where yarl
   unquotes `%3A` and `%3D` between signing and sending);
4. each with the query re-encoded as JavaScript's `URLSearchParams.toString()` does (space → `+`), or fully
   quoted as Python's generated code does.

A signature has no nonce, and clients repeat a request within the same second: duplicates are not refused.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from telephony.kernel.clock import MINUTE
from telephony.kernel.errors import Unauthorized
from telephony.kernel.http.dates import format_http_date, parse_http_date

SCHEME: Final = "HMAC-SHA256"

SKEW: Final = 5 * MINUTE
"""How far a request's date may be from our clock, in either direction: Azure's own window."""

MAX_SIGNED_HEADERS: Final = 16
"""Clients sign three; each one more is work for whoever has no key."""

MAX_CANONICAL_TARGET: Final = 4096
"""Beyond this length only the target on the wire is tried: re-encoding is work for whoever has no key."""

DENIED: Final = "The request could not be authenticated."
"""The one text of every 401: it never says which part was wrong, nor whether the authority is known."""

CONTENT_HASH: Final = "x-ms-content-sha256"
_DATES: Final = ("x-ms-date", "date")
_PREFIX: Final = SCHEME + " "


class SignatureRefused(Unauthorized):
    """A request that proves nothing. `reason` is for our log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(DENIED)
        self.reason = reason


def verify(
    method: str,
    target: str,
    headers: Mapping[str, str],
    *,
    hosts: Sequence[str],
    keys: Sequence[bytes],
    now: int,
    template: str | None = None,
    parameters: Mapping[str, str] | None = None,
) -> str:
    """Check a signature; return the body hash that it covers, for `verify_body`.

    `target` is the raw request target, `headers` look up without case, `hosts` are the spellings of the
    authority to try, the wire's first, `keys` the decoded access keys, `now` microseconds. `template` and
    `parameters` (decoded once) are the route's, when one matched. Raises SignatureRefused.
    """
    names, given = _credentials(headers.get("Authorization"))
    content_hash = headers.get(CONTENT_HASH)
    if content_hash is None:
        raise SignatureRefused("no body hash")
    before: list[str] = []
    after: list[str] = []
    part = before
    for name in names:
        if name == "host":
            part = after
            continue
        value = headers.get(name)
        if value is None:
            raise SignatureRefused(f"a signed header is missing: {name}")
        part.append(value)
        if name in _DATES:
            _check_date(value, now)
    head, tail = "".join(value + ";" for value in before), "".join(";" + value for value in after)
    for spelling in targets(target, template, parameters):
        for host in hosts:
            text = f"{method}\n{spelling}\n{head}{host}{tail}".encode("utf-8", "surrogateescape")
            for key in keys:
                if hmac.compare_digest(hmac.digest(key, text, "sha256"), given):
                    return content_hash
    raise SignatureRefused("the signature does not match")


def verify_body(content_hash: str, body: bytes) -> None:
    """Check that `body` is the one whose Base64 SHA-256 was signed. Raises SignatureRefused."""
    actual = base64.b64encode(hashlib.sha256(body).digest())
    if not hmac.compare_digest(actual, content_hash.encode("utf-8", "surrogateescape")):
        raise SignatureRefused("the body is not the one that was signed")


def sign(method: str, target: str, *, host: str, body: bytes, key: bytes, now: int) -> dict[str, str]:
    """Return the headers that sign a request as ACS's clients do.

    `target` is path and query as they will be on the wire, `host` the authority with its port, `key` the
    decoded access key, `now` microseconds.
    """
    date = format_http_date(now)
    content_hash = base64.b64encode(hashlib.sha256(body).digest()).decode()
    text = f"{method}\n{target}\n{date};{host};{content_hash}".encode()
    signature = base64.b64encode(hmac.digest(key, text, "sha256")).decode()
    return {
        "x-ms-date": date,
        CONTENT_HASH: content_hash,
        "Authorization": f"{_PREFIX}SignedHeaders=x-ms-date;host;{CONTENT_HASH}&Signature={signature}",
    }


def targets(target: str, template: str | None, parameters: Mapping[str, str] | None) -> Iterator[str]:
    """Yield the spellings of `path[?query]` that a client may have signed, likeliest first, each once."""
    yield target
    if len(target) > MAX_CANONICAL_TARGET:
        return
    seen = {target}
    path, mark, query = target.partition("?")
    paths = [path]
    if template is not None and parameters:
        paths.append(fill(template, parameters))
    queries = [mark + query]
    if query:
        queries += ["?" + form_encoded(query), "?" + fully_quoted(query)]
    for spelling in (unquote(target), *(path + query for path in reversed(paths) for query in queries)):
        if spelling not in seen:
            seen.add(spelling)
            yield spelling


def fill(template: str, parameters: Mapping[str, str]) -> str:
    """Return the path of `template` with each parameter quoted to the last reserved character."""
    for name, value in parameters.items():
        template = template.replace("{" + name + "}", quote(value, safe=""), 1)
    return template


def form_encoded(query: str) -> str:
    """Return `query` as `URLSearchParams.toString()` writes it (URL standard, §5.2)."""
    fields = (field.partition("=") for field in query.split("&") if field)
    return "&".join(f"{_form(name)}={_form(value)}" for name, _, value in fields)


def fully_quoted(query: str) -> str:
    """Return `query` with names and values quoted as Python's `quote(value, safe="")` does."""
    fields = (field.partition("=") for field in query.split("&"))
    return "&".join(
        quote(unquote(name), safe="") + equals + quote(unquote(value), safe="")
        for name, equals, value in fields
    )


def _form(text: str) -> str:
    return quote_plus(unquote_plus(text), safe="*-._").replace("~", "%7E")  # Python never quotes a tilde


def _credentials(authorization: str | None) -> tuple[tuple[str, ...], bytes]:
    """Return the signed headers' names and the signature."""
    if authorization is None:
        raise SignatureRefused("no Authorization header")
    if not authorization.startswith(_PREFIX):
        raise SignatureRefused("another scheme of authorization")
    signed, mark, signature = authorization[len(_PREFIX) :].partition("&Signature=")
    if not mark or not signed.startswith("SignedHeaders="):
        raise SignatureRefused("a malformed Authorization header")
    names = _signed_names(signed[14:])
    try:
        given = binascii.a2b_base64(signature, strict_mode=True)
    except ValueError as error:
        raise SignatureRefused("the signature is not Base64") from error
    return names, given


@lru_cache(maxsize=64)
def _signed_names(listed: str) -> tuple[str, ...]:
    """Return the names, after checking that they cover the host, the body and a date, each once."""
    if len(listed) > MAX_SIGNED_HEADERS * 64:
        raise SignatureRefused("too many signed headers")
    names = tuple(name.strip().lower() for name in listed.split(";"))
    if len(names) > MAX_SIGNED_HEADERS or len(set(names)) != len(names):
        raise SignatureRefused("too many signed headers, or one twice")
    if "host" not in names or CONTENT_HASH not in names or not any(date in names for date in _DATES):
        raise SignatureRefused("the signature leaves out the host, the body or the date")
    return names


def _check_date(text: str, now: int) -> None:
    at = parse_http_date(text)
    if at is None:
        raise SignatureRefused("the date is not an HTTP date")
    if abs(now - at) > SKEW:
        raise SignatureRefused("the date is too far from our clock")
