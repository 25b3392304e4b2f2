"""Sealing what the database must not give away: AES-256-GCM under a master key of the node.

A sealed value is bound to its place (associated data), so that one moved to another row does not open. Master
keys live outside the database, in a file (one Base64 key a line, 0600) or an environment variable; the last
one seals, every one opens, so that a new one is appended, everything sealed again, and the old one removed.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

KEY_BYTES: Final = 32
KEY_ID_CHARACTERS: Final = 16
NONCE_BYTES: Final = 12
"""NIST SP 800-38D §5.2.1.1 recommends 96 bits; random ones are safe for 2³² values a key (§8.3)."""


class SealBroken(ConfigurationError):
    """A sealed value does not open: another master key, another place, or damage."""


class MasterKeys:
    """The node's master keys, oldest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigurationError(f"A master key is {KEY_BYTES} bytes in Base64, and there must be one.")
        # One value, so that whoever seals on another thread sees all of a change or nothing.
        self._known: tuple[Mapping[str, AESGCM], str] = (
            {_key_id(key): AESGCM(key) for key in keys},
            _key_id(keys[-1]),
        )

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        return self._known[1]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all, the one that seals last."""
        by_id, newest = self._known
        return (*(each for each in by_id if each != newest), newest)

    def become(self, other: "MasterKeys") -> None:
        """Take the keys of `other` from now on: everybody who holds this object seals with its newest."""
        self._known = other._known  # noqa: SLF001 - its own kind

    @classmethod
    def parse(cls, text: Secret) -> "MasterKeys":
        """Return the keys in `text`: Base64, one a line or separated by commas; the last seals.

        Raises ConfigurationError.
        """
        try:
            words = text.reveal().replace(",", "\n").split()
            return cls([base64.b64decode(word, validate=True) for word in words])
        except binascii.Error as error:
            raise ConfigurationError("A master key is not Base64.") from error

    @classmethod
    def from_file(cls, path: Path) -> "MasterKeys":
        """Return the keys in the file at `path`, which is made with a first key when it is missing.

        Raises ConfigurationError when others may read the file, or it holds something else.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_new_line())
                file.flush()
                os.fsync(file.fileno())
        if path.stat().st_mode & 0o077:
            raise ConfigurationError(f"{path}: others may read the master key; run chmod 600 {path}.")
        try:
            return cls.parse(Secret(path.read_text("ascii")))
        except (ConfigurationError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{path}: it must hold {KEY_BYTES} bytes in Base64 on each line."
            ) from error

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """Return `plain` sealed by the newest key for `place` alone."""
        return self.seal_named(plain, place)[0]

    def seal_named(self, plain: bytes, place: bytes) -> tuple[bytes, str]:
        """Return `plain` sealed for `place` alone, and the id of the key that did."""
        by_id, newest = self._known
        nonce = os.urandom(NONCE_BYTES)
        return nonce + by_id[newest].encrypt(nonce, plain, place), newest

    def open(self, sealed: bytes, place: bytes, key_id: str) -> bytes:
        """Return what `seal` sealed under the key `key_id` for `place`. Raises SealBroken."""
        key = self._known[0].get(key_id)
        if key is None:
            raise SealBroken(f"A value is sealed by the master key {key_id}, which this node does not have.")
        try:
            return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError) as error:
            raise SealBroken("A sealed value does not open: it is damaged, or from another place.") from error


def append_master_key(path: Path) -> MasterKeys:
    """Append a new key to the file at `path`, and return all; `reseal` afterwards uses it everywhere."""
    MasterKeys.from_file(path)
    with path.open("ab") as file:
        file.write(_new_line())
        file.flush()
        os.fsync(file.fileno())
    return MasterKeys.from_file(path)


def forget_old_keys(path: Path, newest: str) -> MasterKeys:
    """Leave only the key `newest` in the file at `path`, and return it. Raises ConfigurationError."""
    known = MasterKeys.from_file(path)
    if known.newest != newest:
        raise ConfigurationError(f"{path}: somebody else added a key to it; restart first.")
    last = path.read_text("ascii").split()[-1]
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(last + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return MasterKeys.from_file(path)


def _new_line() -> bytes:
    return base64.b64encode(os.urandom(KEY_BYTES)) + b"\n"


def _key_id(key: bytes) -> str:
    return hashlib.sha256(b"tandem master key id\0" + key).hexdigest()[:KEY_ID_CHARACTERS]


class SelfDescribing:
    """Master keys whose sealed values say which of them sealed: for rows with no column for that."""

    def __init__(self, master: MasterKeys) -> None:
        self._master = master

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` sealed by the newest key for the place `context` alone."""
        sealed, key_id = self._master.seal_named(plain, context)
        return key_id.encode() + sealed

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what `seal` sealed for `context`. Raises SealBroken."""
        key_id = sealed[:KEY_ID_CHARACTERS].decode("ascii", "replace")
        return self._master.open(sealed[KEY_ID_CHARACTERS:], context, key_id)
