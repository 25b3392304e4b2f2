"""Digest authentication (RFC 3261 §22, RFC 2617, RFC 8760): challenges, answers, checks. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import md5, sha256
from hmac import compare_digest
from typing import Final, Literal

from sip.wire.errors import Malformed

Algorithm = Literal["MD5", "SHA-256"]

_PAIR: Final = re.compile(r'\s*([A-Za-z0-9\-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What WWW-Authenticate or Proxy-Authenticate asks for."""

    realm: str
    nonce: str
    algorithm: Algorithm = "MD5"
    qop: bool = True
    """Whether `auth` is offered."""
    stale: bool = False
    opaque: str = ""

    def __str__(self) -> str:
        parts = [f'realm="{self.realm}"', f'nonce="{self.nonce}"', f"algorithm={self.algorithm}"]
        parts += ['qop="auth"'] if self.qop else []
        parts += ["stale=true"] if self.stale else []
        parts += [f'opaque="{self.opaque}"'] if self.opaque else []
        return "Digest " + ", ".join(parts)


def parse_challenge(text: str) -> Challenge:
    """Return a challenge. Raises Malformed for another scheme, algorithm or kind of protection."""
    fields = _fields(text)
    algorithm = fields.get("algorithm", "MD5").upper()
    if algorithm not in {"MD5", "SHA-256"}:
        raise Malformed(f"algorithm={algorithm[:20]}: expected MD5 or SHA-256")
    if "realm" not in fields or not fields.get("nonce"):
        raise Malformed("a challenge without realm or nonce")
    offered = [each.strip() for each in fields.get("qop", "").split(",") if each.strip()]
    if offered and "auth" not in offered:
        raise Malformed("qop: expected auth")
    return Challenge(
        fields["realm"],
        fields["nonce"],
        "SHA-256" if algorithm == "SHA-256" else "MD5",
        bool(offered),
        fields.get("stale", "").lower() == "true",
        fields.get("opaque", ""),
    )


def ha1(username: str, realm: str, password: str, algorithm: Algorithm = "MD5") -> str:
    """Return what stands for a password in one realm."""
    return _hash(algorithm)(f"{username}:{realm}:{password}")


def answer(
    challenge: Challenge, *, username: str, secret: str, method: str, uri: str, cnonce: str, count: int = 1
) -> str:
    """Return the Authorization that answers a challenge; `secret` is the user's `ha1` in its realm."""
    response = _response(challenge, secret, method, uri, cnonce, count)
    parts = [
        f'username="{username}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{uri}"',
        f'response="{response}"',
        f"algorithm={challenge.algorithm}",
    ]
    if challenge.qop:
        parts += [f'cnonce="{cnonce}"', "qop=auth", f"nc={count:08x}"]
    if challenge.opaque:
        parts.append(f'opaque="{challenge.opaque}"')
    return "Digest " + ", ".join(parts)


def verify(challenge: Challenge, authorization: str, *, secret: str, method: str) -> bool:
    """Tell whether an Authorization answers a challenge with a user's `ha1`. Raises Malformed."""
    fields = _fields(authorization)
    if fields.get("nonce") != challenge.nonce or fields.get("realm") != challenge.realm:
        return False
    count = fields.get("nc", "1")
    if not re.fullmatch(r"[0-9a-fA-F]{1,8}", count):
        raise Malformed("nc: expected eight hexadecimal digits")
    expected = _response(
        challenge, secret, method, fields.get("uri", ""), fields.get("cnonce", ""), int(count, 16)
    )
    return compare_digest(expected, fields.get("response", ""))


def username_of(authorization: str) -> str:
    """Return who answers. Raises Malformed."""
    return _fields(authorization).get("username", "")


def _response(challenge: Challenge, secret: str, method: str, uri: str, cnonce: str, count: int) -> str:
    of = _hash(challenge.algorithm)
    request = of(f"{method}:{uri}")
    if not challenge.qop:
        return of(f"{secret}:{challenge.nonce}:{request}")
    return of(f"{secret}:{challenge.nonce}:{count:08x}:{cnonce}:auth:{request}")


def _hash(algorithm: Algorithm) -> Callable[[str], str]:
    # MD5 is what carriers and pjsip speak (RFC 3261 §22.4); it guards nothing beyond this exchange.
    of = sha256 if algorithm == "SHA-256" else md5
    return lambda text: of(text.encode()).hexdigest()


def _fields(text: str) -> dict[str, str]:
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        raise Malformed(f"{scheme[:20]}: expected Digest")
    found: dict[str, str] = {}
    place = 0
    while place < len(rest):
        pair = _PAIR.match(rest, place)
        if not pair:
            raise Malformed("Digest: expected name=value, with commas between")
        name, value = pair[1].lower(), pair[2]
        if name in found:
            raise Malformed(f"Digest: {name[:20]} twice")
        found[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
        place = pair.end()
    return found
