"""A stream under a passphrase: scrypt makes the key, ChaCha20-Poly1305 seals one chunk after the other.

Each chunk is authenticated with its number and whether it is the last (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizár, 2015), and with the header, so that nothing can be cut off, put elsewhere or
exchanged without being seen. The header is one line for people and one of JSON.
"""

import base64
import io
import os
from typing import BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct

from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

MAGIC: Final = b"TANDEM BACKUP, SEALED BY A PASSPHRASE\n"

CHUNK: Final = 64 * 1024
"""Bytes of a chunk before it is sealed."""

TAG: Final = 16
SALT_BYTES: Final = 16
PREFIX_BYTES: Final = 7
"""Of a nonce's twelve bytes; four count the chunks, one marks the last."""

COST: Final = 2**17
"""scrypt's N: 128 MiB and some half a second, as RFC 9106's authors and OWASP recommend for passphrases."""

BLOCK, PARALLEL = 8, 1

MAX_COST: Final = 2**20
"""A file may not ask for more than 1 GiB."""

MAX_HEADER: Final = 1024
MAX_CHUNKS: Final = 2**32


class NotOpened(ConfigurationError):
    """The passphrase is another, or the file is damaged: both look the same."""


class _Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file says of its key."""

    kdf: str
    n: int
    r: int
    p: int
    salt: str
    nonce: str


class SealedWriter(io.RawIOBase):
    """Seals what is written into `target`; `close` writes the last chunk and leaves `target` open."""

    def __init__(self, target: BinaryIO, passphrase: Secret, *, cost: int = COST) -> None:
        super().__init__()
        self._target, self._buffer, self._count = target, bytearray(), 0
        salt, self._prefix = os.urandom(SALT_BYTES), os.urandom(PREFIX_BYTES)
        header = _Header("scrypt", cost, BLOCK, PARALLEL, _text(salt), _text(self._prefix))
        self._aad = MAGIC + msgspec.json.encode(header) + b"\n"
        self._cipher = ChaCha20Poly1305(_key(passphrase, salt, cost))
        target.write(self._aad)

    def writable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def write(self, data: object) -> int:
        """See io.RawIOBase."""
        raw = bytes(data)  # type: ignore[call-overload]
        self._buffer += raw
        while len(self._buffer) > CHUNK:  # the last chunk is known at the end only
            self._seal(bytes(self._buffer[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(raw)

    def close(self) -> None:
        """See io.RawIOBase."""
        if not self.closed:
            self._seal(bytes(self._buffer), last=True)
            self._buffer.clear()
        super().close()

    def _seal(self, plain: bytes, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._count, last=last)
        self._target.write(self._cipher.encrypt(nonce, plain, self._aad))
        self._count += 1


class SealedReader(io.RawIOBase):
    """Opens what `SealedWriter` wrote. Raises NotOpened while it is read."""

    def __init__(self, source: BinaryIO, passphrase: Secret) -> None:
        super().__init__()
        self._source, self._buffer, self._count, self._ended = source, b"", 0, False
        magic, line = source.read(len(MAGIC)), source.readline(MAX_HEADER)
        try:
            header = msgspec.json.decode(line, type=_Header)
            salt, self._prefix = _octets(header.salt, SALT_BYTES), _octets(header.nonce, PREFIX_BYTES)
        except (msgspec.DecodeError, ValueError) as error:
            raise NotOpened("The file's beginning is damaged.") from error
        if (header.kdf, header.r, header.p) != ("scrypt", BLOCK, PARALLEL) or not 2 <= header.n <= MAX_COST:
            raise NotOpened("The file was sealed in a way that this version does not know.")
        self._aad = magic + line
        self._cipher = ChaCha20Poly1305(_key(passphrase, salt, header.n))
        self._next = source.read(CHUNK + TAG)

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, target: object) -> int:
        """See io.RawIOBase."""
        view = memoryview(target)  # type: ignore[arg-type]
        if not self._buffer and not self._ended:
            self._open()
        count = min(len(view), len(self._buffer))
        view[:count] = self._buffer[:count]
        self._buffer = self._buffer[count:]
        return count

    def _open(self) -> None:
        sealed, self._next = self._next, self._source.read(CHUNK + TAG)
        self._ended = not self._next
        try:
            nonce = _nonce(self._prefix, self._count, last=self._ended)
            self._buffer = self._cipher.decrypt(nonce, sealed, self._aad)
        except InvalidTag as error:
            raise NotOpened("The passphrase is wrong, or the file is damaged.") from error
        self._count += 1


def _key(passphrase: Secret, salt: bytes, cost: int) -> bytes:
    try:
        return Scrypt(salt=salt, length=32, n=cost, r=BLOCK, p=PARALLEL).derive(passphrase.reveal().encode())
    except (ValueError, MemoryError) as error:
        raise NotOpened("The file was sealed in a way that this version does not know.") from error


def _nonce(prefix: bytes, count: int, *, last: bool) -> bytes:
    if count >= MAX_CHUNKS:
        raise ConfigurationError("A sealed backup holds 256 TiB at most.")
    return prefix + count.to_bytes(4, "big") + bytes((last,))


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _octets(text: str, length: int) -> bytes:
    found = base64.b64decode(text, validate=True)
    if len(found) != length:
        raise ValueError("length")
    return found
