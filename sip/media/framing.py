"""Frames on a Unix stream socket: four octets of length, big-endian, then a MessagePack value. Pure.

Both control protocols use this: the engine's (`sip.media.protocol`) and media I/O's
(`sip.media.io.protocol`).

Descriptors (SCM_RIGHTS) travel beside octets, and Linux ends a read with the buffer that bore them
(unix(7)). So descriptors belong to the frame in which the octets read with them end, as long as their sender
begins a call of `sendmsg` with the frame that they go with, and sends nothing after it in the same call.

Contract: whatever is fed comes out as values, as `Malformed`, or ends in `FrameTooLong`.
"""

from collections.abc import Sequence
from struct import Struct as Packing
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from sip.media.protocol import MAX_FRAME

LENGTH: Final = Packing(">I")

MAX_DESCRIPTORS: Final = 4
"""Descriptors of one frame; a clip has one. The rest are handed out too, for their receiver to close."""

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()


class FrameTooLong(ValueError):
    """A frame longer than MAX_FRAME: what follows on that connection cannot be found any more."""


class Malformed(NamedTuple):
    """A frame that is no value of the protocol; the frames after it can be read."""

    id: int | None
    """Number of the request, when that much could be read."""
    text: str
    """What is wrong with it."""


class Received(NamedTuple, Generic[T]):
    """A frame as it came."""

    value: T | Malformed
    descriptors: tuple[int, ...]
    """Open descriptors that came with it: whoever takes the frame closes them."""


class _Numbered(msgspec.Struct):
    id: int | None = None


_numbered = msgspec.msgpack.Decoder(_Numbered)


def encode(value: msgspec.Struct) -> bytes:
    """Return a value as a frame. Raises FrameTooLong, which is the caller's mistake."""
    body = _encoder.encode(value)
    if len(body) > MAX_FRAME:
        raise FrameTooLong(f"a {type(value).__name__} of {len(body)} octets: at most {MAX_FRAME}")
    return LENGTH.pack(len(body)) + body


class Decoder(Generic[T]):
    """Finds frames in octets as they come. Keeps at most one unfinished frame.

    `kind` is the type, or union of types, of a frame: `Decoder[protocol.Frame](protocol.Frame)`.
    """

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 - a type or a union of types
        self._values: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)
        self._rest = bytearray()
        self._held: tuple[int, ...] = ()

    def feed(self, data: bytes | memoryview, descriptors: Sequence[int] = ()) -> list[Received[T]]:
        """Take octets and the descriptors read with them; return the frames that are whole.

        Raises FrameTooLong: the connection must be closed, and `abandoned()` tells what to close with it.
        """
        rest = self._rest
        rest += data
        found: list[Received[T]] = []
        start = 0
        while len(rest) - start >= LENGTH.size:
            (length,) = LENGTH.unpack_from(rest, start)
            if length > MAX_FRAME:
                self._held += tuple(descriptors)
                for received in found:
                    self._held += received.descriptors
                raise FrameTooLong(f"a frame of {length} octets: at most {MAX_FRAME}")
            end = start + LENGTH.size + length
            if end > len(rest):
                break
            body = bytes(memoryview(rest)[start + LENGTH.size : end])
            found.append(Received(self._value(body), self._held))
            self._held = ()
            start = end
        del rest[:start]
        if descriptors:
            if rest or not found:
                self._held += tuple(descriptors)
            else:
                last = found[-1]
                found[-1] = Received(last.value, last.descriptors + tuple(descriptors))
        return found

    def abandoned(self) -> tuple[int, ...]:
        """Return, and forget, the descriptors that no frame came for: close them with the connection."""
        held, self._held = self._held, ()
        return held

    def _value(self, body: bytes) -> T | Malformed:
        try:
            return self._values.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return Malformed(_number(body), str(error))


def _number(body: bytes) -> int | None:
    try:
        number = _numbered.decode(body).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return number if number is not None and 0 <= number < 2**32 else None
