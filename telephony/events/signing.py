"""Signatures of webhooks, in the manner of Standard Webhooks: they cover the id, the time and the raw body.

    webhook-id:        the event's id
    webhook-timestamp: seconds since the epoch, UTC
    webhook-signature: v1,<Base64 of HMAC-SHA-256 over "{id}.{timestamp}.{body}"> [v1,…]

A secret is `whsec_` and the key in Base64. While a secret is being changed there are two signatures.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from telephony.kernel.clock import SECOND
from telephony.kernel.errors import InvalidRequest, Unauthorized
from telephony.kernel.secret import Secret

PREFIX: Final = "whsec_"

KEY_BYTES: Final = 32
"""Of a new secret; as long as the hash (RFC 2104 §3)."""

MIN_KEY_BYTES: Final = 24
MAX_KEY_BYTES: Final = 64
"""What Standard Webhooks allows."""

WINDOW_SECONDS: Final = 300
"""How far a receiver lets the time be off, either way (R26)."""

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"


class SignatureRefused(Unauthorized):
    """The message is not signed by this secret, or not now."""

    metric = "webhook_signature"


def new_secret() -> Secret:
    """Return a fresh secret."""
    return Secret(PREFIX + base64.b64encode(os.urandom(KEY_BYTES)).decode())


def key_of(secret: Secret) -> bytes:
    """Return the key inside a secret. Raises InvalidRequest when it is none; the text does not repeat it."""
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise InvalidRequest(
            f"A secret is {PREFIX} and {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes in Base64.", target="secret"
        )
    return key


def sign(keys: Sequence[bytes], message_id: str, seconds: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a key."""
    signed = b"%b.%d.%b" % (message_id.encode(), seconds, body)
    return " ".join([f"v1,{_signature(key, signed)}" for key in keys])


def _signature(key: bytes, signed: bytes) -> str:
    code = _keyed(key).copy()  # half the cost of a new one, which also gives the interpreter lock away
    code.update(signed)
    return binascii.b2a_base64(code.digest(), newline=False).decode()


@lru_cache(maxsize=1024)
def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def signature_lines(keys: Sequence[bytes], message_id: str, seconds: int, body: bytes) -> bytes:
    """Return the three headers as they go out. Raises ValueError when the id is not printable ASCII."""
    if not (message_id.isascii() and message_id.isprintable()):
        raise ValueError("the id cannot be a header")
    return (
        f"{ID_HEADER}: {message_id}\r\n{TIMESTAMP_HEADER}: {seconds}\r\n"
        f"{SIGNATURE_HEADER}: {sign(keys, message_id, seconds, body)}\r\n"
    ).encode()


def signature_headers(keys: Sequence[bytes], message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """Return the three headers for a body that is sent at `seconds` since the epoch."""
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(seconds),
        SIGNATURE_HEADER: sign(keys, message_id, seconds, body),
    }


def verify(secret: Secret, headers: Mapping[str, str], body: bytes, *, now: int) -> None:
    """Check a message as a receiver does; `now` in microseconds UTC, header names in lower case.

    Raises SignatureRefused when the signature does not fit or the time is more than five minutes off.
    """
    try:
        message_id, timestamp, given = (
            headers[name] for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
        )
    except KeyError:
        raise SignatureRefused("The message is not signed.") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        raise SignatureRefused("The message's time cannot be read.")
    if abs(int(timestamp) * SECOND - now) > WINDOW_SECONDS * SECOND:
        raise SignatureRefused("The message is too old, or from the future.")
    expected = sign([key_of(secret)], message_id, int(timestamp), body).encode()
    fits = [
        hmac.compare_digest(expected, each.encode("utf-8", "surrogateescape")) for each in given.split(" ")
    ]
    if not any(fits):
        raise SignatureRefused("The message's signature does not fit.")
