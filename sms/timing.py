"""What a carrier is told of a message's times: how long it is valid, when it is due (SMPP 3.4 §5.2.15-16).

Both are counted at the moment of sending, so that what waited here is not valid for longer. Pure.
"""

from typing import Final

from msgspec.structs import replace

from carriers.model.smpp import SmppLink, TimeForm
from sms.message import Outbound
from sms.smpp.pdu import SubmitSm
from sms.smpp.times import MAX_RELATIVE, absolute_time, relative_time
from telephony.kernel.clock import SECOND

MAX_VALIDITY: Final = 7 * 86400
"""Seconds; as long as `sms.validity_seconds` may be."""

MAX_AHEAD: Final = MAX_RELATIVE - MAX_VALIDITY * SECOND
"""How far ahead a message may be planned: 24 days, in microseconds. Its end still fits a relative time."""


def timed(pdu: SubmitSm, message: Outbound, link: SmppLink, now: int) -> SubmitSm:
    """Return a part of `message` with its times as `link` wants them at `now` (microseconds UTC)."""
    extras = message.extras
    if extras is None:
        return pdu
    validity = _written(message.expires, link.validity_period, now) if extras.validity else ""
    schedule = _written(extras.send_at, link.schedule_delivery_time, now) if extras.send_at > now else ""
    if not validity and not schedule:
        return pdu
    return replace(pdu, validity_period=validity, schedule_delivery_time=schedule)


def too_early(message: Outbound, link: SmppLink, now: int) -> int:
    """Return for how long (microseconds) a message must not go over a link; 0: it may."""
    extras = message.extras
    if extras is None or extras.send_at <= now or link.schedule_delivery_time != "never":
        return 0
    return extras.send_at - now


def receipt_wait(message: Outbound, seconds: int, now: int) -> int:
    """Return how long receipts of a message that went now are waited for: `seconds` from when it is due."""
    if message.extras is None or message.extras.send_at <= now:
        return seconds
    return seconds + (message.extras.send_at - now) // SECOND


def _written(at: int, form: TimeForm, now: int) -> str:
    if form == "never":
        return ""
    return absolute_time(at) if form == "absolute" else relative_time(at - now)
