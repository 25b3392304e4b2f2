"""What can be wrong with a message, and the status that answers it.

Malformed (ValueError)      400 Bad Request
├── UriTooLong              414 Request-URI Too Long
├── TooLarge                513 Message Too Large
└── VersionNotSupported     505 Version Not Supported
"""

from typing import ClassVar


class Malformed(ValueError):
    """Octets that are no SIP message, or one that breaks the grammar (RFC 3261 §25.1)."""

    status: ClassVar[int] = 400
    """The status that a server answers with, when the message can be answered at all."""


class UriTooLong(Malformed):
    """A Request-URI beyond the ceiling."""

    status = 414


class TooLarge(Malformed):
    """A message, a header or their number beyond the ceilings."""

    status = 513


class VersionNotSupported(Malformed):
    """A request of another version of SIP."""

    status = 505
