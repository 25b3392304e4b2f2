"""Messages out of a stream: TCP and TLS (RFC 3261 §18.3). Pure."""

import re
from typing import Final

from sip.wire.errors import Malformed, TooLarge
from sip.wire.message import MAX_MESSAGE

_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(
    rb"^(?:content-length|l)[ \t]*:[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)


class Stream:
    """What came of a connection; `receive` takes octets and returns the messages that are whole."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def receive(self, octets: bytes) -> list[bytes]:
        """Return whole messages.

        Empty lines between them are keep-alives (RFC 5626 §3.5.1) and are left out. Raises Malformed for a
        message without a Content-Length and TooLarge beyond the ceiling: the connection cannot go on then.
        """
        self._waiting += octets
        messages: list[bytes] = []
        while True:
            begin = len(self._waiting) - len(self._waiting.lstrip(b"\r\n"))
            end = _END.search(self._waiting, begin)
            if end is None:
                if len(self._waiting) - begin > MAX_MESSAGE:
                    raise TooLarge(f"headers of more than {MAX_MESSAGE} octets")
                if begin == len(self._waiting):
                    self._waiting.clear()
                return messages
            lengths = _LENGTH.findall(bytes(self._waiting[begin : end.start()]))
            if len(lengths) != 1:
                raise Malformed("a message in a stream wants one Content-Length")
            whole = end.end() + int(lengths[0])
            if whole - begin > MAX_MESSAGE:
                raise TooLarge(f"a message of more than {MAX_MESSAGE} octets")
            if len(self._waiting) < whole:
                return messages
            messages.append(bytes(self._waiting[begin:whole]))
            del self._waiting[:whole]
