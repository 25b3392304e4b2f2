"""What a customer's submit_sm asks for, or why it is refused. Pure."""

from dataclasses import dataclass
from typing import Final

from sms.address import number
from sms.esme.account import AccountSettings
from sms.esme.times import parse_time
from sms.outgoing import continued, encoded
from sms.smpp.constants import CommandStatus, EsmClass, Tag, Ton
from sms.smpp.pdu import SubmitSm, tlv
from sms.text import Alphabet, Concat, decode, sar
from telephony.kernel.clock import SECOND
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import InvalidRequest, LimitReached, TandemError, Unauthorized, Unavailable

_UDHI: Final = int(EsmClass.UDHI)
_TYPE_MASK: Final = int(EsmClass.TYPE_MASK)

RECEIPT_MASK: Final = 0x03
"""registered_delivery's bits about the SMSC's receipt (SMPP 3.4 §5.2.17)."""

MAX_PRIORITY: Final = 3
"""§5.2.14."""


class Refused(InvalidRequest):
    """A submit_sm that is not accepted, with the command_status that says why."""

    metric = "smpp_refused"

    def __init__(self, command_status: int, message: str) -> None:
        super().__init__(message)
        self.command_status = command_status


@dataclass(frozen=True, slots=True)
class Submission:
    """A message that a customer wants sent."""

    sender: str
    to: str
    text: str
    receipt: int
    concat: Concat | None
    not_before: int | None
    """Microseconds UTC; None: at once."""
    validity_seconds: int | None
    """From when it may be sent; None: as long as the operator lets it."""
    priority: int
    """0 to 3."""


def read_submission(pdu: SubmitSm, settings: AccountSettings, now: int) -> Submission:
    """Return what a submit_sm asks for at `now` (microseconds UTC). Raises Refused.

    A part of a text that the customer cut itself stays one: it goes on with the customer's reference, and the
    handset joins them. Each part then has its own answer and receipt, as its sender expects, and none of them
    waits for another that may never come.
    """
    _check_flags(pdu)
    to = number(pdu.destination_addr, pdu.dest_addr_ton)
    if pdu.dest_addr_ton == Ton.ALPHANUMERIC or parse_e164(to) is None:
        raise Refused(CommandStatus.ESME_RINVDSTADR, "The destination is no international number.")
    text, concat = _text(pdu, settings)
    not_before, validity = _times(pdu, now)
    return Submission(
        number(pdu.source_addr, pdu.source_addr_ton),
        to,
        text,
        pdu.registered_delivery & RECEIPT_MASK,
        concat,
        not_before,
        validity,
        pdu.priority_flag,
    )


def status_of(error: TandemError) -> int:
    """Return the command_status for what sending raised."""
    if isinstance(error, Refused):
        return error.command_status
    if isinstance(error, Unauthorized):
        return CommandStatus.ESME_RINVSRCADR
    if isinstance(error, LimitReached):
        return CommandStatus.ESME_RMSGQFUL
    if isinstance(error, Unavailable) or not isinstance(error, InvalidRequest):
        return CommandStatus.ESME_RSYSERR
    return _BY_TARGET.get(error.target or "", CommandStatus.ESME_RSUBMITFAIL)


_BY_TARGET: Final[dict[str, int]] = {
    "from": CommandStatus.ESME_RINVSRCADR,
    "smsRecipients": CommandStatus.ESME_RINVDSTADR,
    "message": CommandStatus.ESME_RINVMSGLEN,
}
"""By the field that sending names."""


def _check_flags(pdu: SubmitSm) -> None:
    if pdu.esm_class & _TYPE_MASK:
        raise Refused(CommandStatus.ESME_RINVESMCLASS, "Only messages are taken, no acknowledgements.")
    if pdu.registered_delivery & RECEIPT_MASK == RECEIPT_MASK:
        raise Refused(CommandStatus.ESME_RINVREGDLVFLG, "3 is reserved (SMPP 3.4 §5.2.17).")
    if pdu.priority_flag > MAX_PRIORITY:
        raise Refused(CommandStatus.ESME_RINVPRTFLG, "Priorities are 0 to 3.")
    if pdu.replace_if_present_flag:
        raise Refused(CommandStatus.ESME_RINVREPFLAG, "Messages cannot be replaced.")
    if pdu.sm_default_msg_id:
        raise Refused(CommandStatus.ESME_RINVDFTMSGID, "There are no predefined messages.")


def _text(pdu: SubmitSm, settings: AccountSettings) -> tuple[str, Concat | None]:
    udhi = bool(pdu.esm_class & _UDHI)
    payload = pdu.short_message or tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
    decoded = decode(payload, pdu.data_coding, udhi, settings.data_coding_default)
    if decoded.alphabet is Alphabet.BINARY:
        raise Refused(CommandStatus.ESME_RSUBMITFAIL, "Octets that are no text are not sent.")
    if not decoded.text:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, "The text is empty.")
    concat = (sar.read(pdu.tlvs) if pdu.tlvs else None) or decoded.concat
    if concat is None or concat.total == 1:
        return decoded.text, None
    try:
        continued(encoded(decoded.text), concat)
    except InvalidRequest as error:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, error.message) from error
    return decoded.text, concat


def _times(pdu: SubmitSm, now: int) -> tuple[int | None, int | None]:
    begin = now
    if pdu.schedule_delivery_time:
        at = parse_time(pdu.schedule_delivery_time, now)
        if at is None:
            raise Refused(CommandStatus.ESME_RINVSCHED, "schedule_delivery_time is no time (§7.1.1).")
        begin = max(at, now)
    if not pdu.validity_period:
        return (begin if begin > now else None), None
    until = parse_time(pdu.validity_period, now)
    if until is None or until <= begin:
        raise Refused(CommandStatus.ESME_RINVEXPIRY, "validity_period is no time to come (§7.1.1).")
    return (begin if begin > now else None), max(1, (until - begin) // SECOND)
