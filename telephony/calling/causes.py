"""Why a call ended: SIP's status and Q.850's cause, each from the other (RFC 3398 §7.2.4.1, §8.2.6.1). Pure.

A peer's own `Reason: Q.850` (RFC 3326) goes before what is derived from its status: it knows.
"""

import re
from typing import Final

from msgspec import Struct

NORMAL: Final = 16
INTERWORKING: Final = 127

TEXTS: Final = {
    1: "Unallocated number",
    2: "No route to network",
    3: "No route to destination",
    16: "Normal call clearing",
    17: "User busy",
    18: "No user responding",
    19: "No answer from the user",
    20: "Subscriber absent",
    21: "Call rejected",
    22: "Number changed",
    26: "Non-selected user clearing",
    27: "Destination out of order",
    28: "Address incomplete",
    29: "Facility rejected",
    31: "Normal, unspecified",
    34: "No circuit available",
    38: "Network out of order",
    41: "Temporary failure",
    42: "Switching equipment congestion",
    47: "Resource unavailable",
    55: "Incoming class barred in closed user group",
    57: "Bearer capability not authorized",
    58: "Bearer capability not presently available",
    65: "Bearer capability not implemented",
    70: "Only restricted digital information available",
    79: "Service not implemented",
    87: "User not member of closed user group",
    88: "Incompatible destination",
    95: "Invalid message",
    102: "Recovery on timer expiry",
    111: "Protocol error",
    127: "Interworking, unspecified",
}
"""Causes of Q.850 §2.2.7 that telephones and carriers use."""

_TO_SIP: Final = {
    1: 404,
    2: 404,
    3: 404,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    21: 403,
    22: 410,
    26: 404,
    27: 502,
    28: 484,
    29: 501,
    31: 480,
    34: 503,
    38: 503,
    41: 503,
    42: 503,
    47: 503,
    55: 403,
    57: 403,
    58: 503,
    65: 488,
    70: 488,
    79: 501,
    87: 403,
    88: 503,
    102: 504,
    111: 500,
    127: 500,
}
"""RFC 3398 §7.2.4.1."""

_FROM_SIP: Final = {
    400: 41,
    401: 21,
    402: 21,
    403: 21,
    404: 1,
    405: 63,
    406: 79,
    407: 21,
    408: 102,
    410: 22,
    413: 127,
    414: 127,
    415: 79,
    416: 127,
    420: 127,
    421: 127,
    423: 127,
    480: 18,
    481: 41,
    482: 25,
    483: 25,
    484: 28,
    485: 1,
    486: 17,
    487: NORMAL,
    488: 65,
    500: 41,
    501: 79,
    502: 38,
    503: 41,
    504: 102,
    505: 127,
    513: 127,
    580: 47,
    600: 17,
    603: 21,
    604: 1,
    606: 65,
    607: 21,
    608: 21,
}
"""RFC 3398 §8.2.6.1; 487 is whoever called hanging up, 607 RFC 8197, 608 RFC 8688."""

_CAUSE: Final = re.compile(r"(?:^|,)\s*Q\.850\s*;[^,]*?\bcause\s*=\s*(\d{1,3})", re.IGNORECASE)
_MOST: Final = 127


class Cause(Struct, frozen=True):
    """Why a call ended, in both languages."""

    sip: int
    """Status; 200 when it was up and somebody hung up."""
    q850: int
    text: str = ""
    """What the peer said, or what the cause means."""
    by_peer: bool = False
    told: bool = False
    """Whether the peer itself said the cause of Q.850."""


def cause_of(status: int, reason: str = "", told: str = "", *, by_peer: bool = False) -> Cause:
    """Return the cause of an end: its status and reason phrase, and the values of its Reason headers."""
    own = read_reason(told)
    derived = own if own is not None else q850_of(status)
    return Cause(status, derived, reason or TEXTS.get(derived, ""), by_peer, own is not None)


def read_reason(value: str) -> int | None:
    """Return the cause in a Reason header of Q.850; None when there is none that can be one."""
    found = _CAUSE.search(value)
    return int(found[1]) if found and 0 < int(found[1]) <= _MOST else None


def write_reason(q850: int) -> str:
    """Return a cause as a Reason header."""
    text = TEXTS.get(q850)
    return f"Q.850;cause={q850}" + (f';text="{text}"' if text else "")


def q850_of(status: int) -> int:
    """Return the cause of a final status; that of its class when nobody says more (RFC 3398 §8.2.6.1)."""
    if status < 300:
        return NORMAL
    if status in _FROM_SIP:
        return _FROM_SIP[status]
    return {3: 23, 4: 41, 5: 41, 6: 21}.get(status // 100, INTERWORKING)


def sip_of(q850: int) -> int:
    """Return the status that a cause ends a call with that was not answered (RFC 3398 §7.2.4.1)."""
    return _TO_SIP.get(q850, 480 if q850 < 32 else 500)
