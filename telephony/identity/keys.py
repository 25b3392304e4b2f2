"""Signing keys: ECDSA on P-256 (ES256, RFC 7518 §3.4), which every browser's WebCrypto and every JWT library
verifies, with signatures a quarter as long as RSA's. Pure."""

import base64
from dataclasses import dataclass
from typing import Final, NewType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from telephony.identity.states import KeyState
from telephony.kernel.ids import ResourceId, to_text

KeyId = NewType("KeyId", bytes)
"""A signing key: UUIDv7; in its usual spelling it is the `kid` of tokens."""

ALGORITHM: Final = "ES256"
_COORDINATE: Final = 32
"""Bytes of a coordinate on P-256."""


class Jwk(Struct, frozen=True):
    """A public key as JWKS has it (RFC 7517 §4, RFC 7518 §6.2.1)."""

    kid: str
    x: str
    y: str
    kty: str = "EC"
    crv: str = "P-256"
    alg: str = ALGORITHM
    use: str = "sig"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key as the store has it."""

    resource: ResourceId
    id: KeyId
    state: KeyState
    public: bytes
    """The point, uncompressed."""
    sealed: bytes
    created: int
    expires: int | None = None

    def verifies(self, now: int) -> bool:
        """Tell whether what it signed is believed at `now`."""
        return self.state is not KeyState.ENDED and (self.expires is None or now < self.expires)


def new_private_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh key."""
    return ec.generate_private_key(ec.SECP256R1())


def private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as it is sealed: PKCS #8, DER."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private_key(raw: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the key that `private_bytes` wrote. Raises ValueError."""
    try:
        key = serialization.load_der_private_key(raw, password=None)
    except UnsupportedAlgorithm as error:
        raise ValueError("not a key of ours") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key on a curve")
    return key


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public half of a key, as it is stored."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def load_public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """Return the key that `public_bytes` wrote. Raises ValueError."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def jwk_of(key: StoredKey) -> Jwk:
    """Return a key as it is published."""
    x, y = key.public[1 : 1 + _COORDINATE], key.public[1 + _COORDINATE :]
    return Jwk(kid=to_text(key.id), x=_base64url(x), y=_base64url(y))


def seal_place(resource: ResourceId, key: KeyId) -> bytes:
    """Return the place to which a sealed private key is bound."""
    return b"token key\0" + resource + key


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
