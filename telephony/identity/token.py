"""Tokens: JWTs with the claims that ACS's clients read (RFC 7519, RFC 8725). Pure.

Azure's Python client decodes the claims with the standard alphabet of Base64, which drops `-` and `_`, and
then refuses the token. ASCII JSON without `>`, `?`, `~` and DEL never needs those two: no other byte below
128 has its low bits at 62 or 63. `sign` takes no claim that holds one of the four.
"""

import re
from typing import Annotated, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.types import Options
from msgspec import Meta, Struct

from telephony.identity.keys import ALGORITHM, KeyId
from telephony.identity.names import PREFIX, SKYPE_PREFIX, UserId, parse_raw_id, raw_id
from telephony.identity.scopes import Scope, parse_scopes
from telephony.kernel.clock import SECOND
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId, from_text, to_text

MIN_MINUTES: Final = 60
MAX_MINUTES: Final = 1440
"""How long a token may live: ACS's own limits."""

DEFAULT_MINUTES: Final = MAX_MINUTES

LEEWAY_SECONDS: Final = 60
"""How far in the future a token may have been issued: gateways' clocks differ. None for its end."""

MAX_LENGTH: Final = 2048
"""Characters of a token; ours have some 800. What is longer is not worth a look."""

SCP: Final = 1792
"""The bits that ACS's own tokens carry in `scp`, whatever their scopes."""

_UNCLEAN: Final = re.compile(r"[^\x20-\x3d\x40-\x7d]")
"""What would come out as `-` or `_` in Base64 of the URL alphabet, or would not be printable."""


class Claims(Struct, frozen=True, kw_only=True):
    """The payload of a token."""

    skypeid: str
    """`acs:<resource>_<user>`."""
    scp: int = SCP
    csi: str
    """When it was issued, as text."""
    iat: int
    exp: int
    nbf: int | None = None
    acs_scope: str = msgspec.field(name="acsScope")
    """Scopes, separated by commas."""
    resource_id: str = msgspec.field(name="resourceId")
    resource_location: str = msgspec.field(name="resourceLocation", default="")
    iss: str = ""
    """The resource's origin; its keys lie at `/.well-known/jwks.json` below."""
    jti: str = ""
    rev: Annotated[int, Meta(ge=0)]
    """The user's generation: a revocation raises it, and older tokens are dead."""


class Token(Struct, frozen=True, gc=False):
    """A token that was proven genuine; whether it is in force depends on time and revocations."""

    resource: ResourceId
    user: UserId
    key: KeyId
    scopes: tuple[Scope, ...]
    issued: int
    """Seconds since the epoch, as `not_before` and `expires`."""
    not_before: int
    expires: int
    generation: int

    def timely(self, now: int) -> bool:
        """Tell whether it is in force at `now`, microseconds."""
        soon = now + LEEWAY_SECONDS * SECOND
        return (
            self.not_before * SECOND <= soon and self.issued * SECOND <= soon and now < self.expires * SECOND
        )


class Forged(Exception):
    """A text that is no token of ours. `reason` is for our log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def claims_for(token: Token, *, issuer: str, location: str, identifier: bytes) -> Claims:
    """Return the payload of a new token; `identifier` becomes its `jti`."""
    return Claims(
        skypeid=raw_id(token.resource, token.user).replace(PREFIX, SKYPE_PREFIX, 1),
        csi=str(token.issued),
        iat=token.issued,
        exp=token.expires,
        acs_scope=",".join(token.scopes),
        resource_id=to_text(token.resource),
        resource_location=location,
        iss=issuer,
        jti=to_text(identifier),
        rev=token.generation,
    )


def sign(claims: Claims, key: ec.EllipticCurvePrivateKey, key_id: KeyId) -> str:
    """Return a token. Raises ValueError for claims that would break clients (see above)."""
    payload = msgspec.to_builtins(claims)
    if any(isinstance(value, str) and _UNCLEAN.search(value) for value in payload.values()):
        raise ValueError("a claim holds a character that breaks clients")
    if claims.nbf is None:
        del payload["nbf"]
    return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": to_text(key_id)})


def key_named(token: str) -> KeyId:
    """Return the key that a token says it is signed by. Raises Forged.

    Nothing else of the header is believed: the algorithm is ours, the key is one of the resource's.
    """
    if len(token) > MAX_LENGTH or token.count(".") != 2:
        raise Forged("not three parts, or too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise Forged("the header cannot be read") from error
    if header.get("alg") != ALGORITHM:
        raise Forged("another algorithm")
    if "crit" in header:  # RFC 7515 §4.1.11: what is critical and not understood is refused
        raise Forged("a critical header")
    kid = header.get("kid")
    identifier = from_text(kid) if isinstance(kid, str) else None
    if identifier is None:
        raise Forged("no key is named")
    return KeyId(identifier)


def verify(token: str, key_id: KeyId, key: ec.EllipticCurvePublicKey, resource: ResourceId) -> Token:
    """Return what a token says, once its signature and form are proven. Raises Forged."""
    try:
        payload = jwt.decode(token, key, algorithms=[ALGORITHM], options=_OPTIONS)
        claims = msgspec.convert(payload, Claims)
        scopes = parse_scopes(claims.acs_scope.split(","), target="acsScope")
    except (
        jwt.InvalidTokenError,
        msgspec.ValidationError,
        InvalidRequest,
        ValueError,
        RecursionError,
    ) as error:
        raise Forged(f"it does not verify: {type(error).__name__}") from error
    who = parse_raw_id("8:" + claims.skypeid)
    if who is None or who[0] != resource or claims.resource_id != to_text(resource):
        raise Forged("another resource's")
    not_before = claims.iat if claims.nbf is None else claims.nbf
    return Token(resource, who[1], key_id, scopes, claims.iat, not_before, claims.exp, claims.rev)


def check_minutes(minutes: int, *, target: str = "expiresInMinutes") -> int:
    """Return a life in minutes. Raises InvalidRequest when it is outside ACS's limits."""
    if not MIN_MINUTES <= minutes <= MAX_MINUTES:
        raise InvalidRequest(
            f"{target}: It must be an integer from {MIN_MINUTES} to {MAX_MINUTES}.", target=target
        )
    return minutes


_OPTIONS: Final[Options] = {
    # Times are compared with our own clock, by whoever asks whether it is in force.
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
}
