"""Access keys of a resource and keys of administration: random, and shown once or sealed."""

import base64
import hashlib
import os
from enum import StrEnum
from typing import Final

from telephony.kernel.ids import ResourceId
from telephony.kernel.secret import Secret

ACCESS_KEY_BYTES: Final = 64
"""As ACS's own: 88 characters of Base64."""

ADMIN_KEY_BYTES: Final = 32
"""256 bits: beyond guessing, so that a plain hash is enough to store."""

ADMIN_PREFIX: Final = "tak_"
"""So that scanners of repositories can know one."""


class Slot(StrEnum):
    """Two keys, so that one can be changed while clients use the other."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


def new_access_key() -> bytes:
    """Return a fresh access key, decoded."""
    return os.urandom(ACCESS_KEY_BYTES)


def new_admin_key() -> Secret:
    """Return a fresh key of administration."""
    return Secret(ADMIN_PREFIX + base64.urlsafe_b64encode(os.urandom(ADMIN_KEY_BYTES)).decode().rstrip("="))


def admin_key_hash(key: str) -> bytes:
    """Return what is stored of a key of administration."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def seal_place(resource: ResourceId, slot: str) -> bytes:
    """Return the place to which a sealed access key is bound."""
    return b"access key\0" + resource + slot.encode()


def connection_string(authority: str, key: bytes) -> Secret:
    """Return what Azure's SDKs take: endpoint and access key."""
    return Secret(f"endpoint=https://{authority}/;accesskey={base64.b64encode(key).decode()}")
