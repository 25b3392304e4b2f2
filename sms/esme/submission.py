"""What a customer's submit_sm asks for, or why it is refused. Pure."""

from dataclasses import dataclass
from typing import Final

from sms.address import number
from sms.esme.account import AccountSettings
from sms.outgoing import continued, encoded
from sms.smpp.constants import CommandStatus, EsmClass, Tag, Ton
from sms.smpp.pdu import DataSm, ReplaceSm, SubmitSm, Tlvs, tlv
from sms.smpp.times import parse_time
from sms.text import BARE, Alphabet, Concat, Envelope, decode, sar, udh
from sms.timing import MAX_AHEAD
from sms.ways import NoRoute
from telephony.kernel.clock import SECOND
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import (
    InvalidRequest,
    LimitForbids,
    LimitReached,
    TandemError,
    Unauthorized,
    Unavailable,
)
from telephony.usage.ceilings import Limit

_UDHI: Final = int(EsmClass.UDHI)
_TYPE_MASK: Final = int(EsmClass.TYPE_MASK)

RECEIPT_MASK: Final = 0x03
"""registered_delivery's bits about the SMSC's receipt (SMPP 3.4 §5.2.17)."""

SUBUNITS: Final = 4
"""Values of dest_addr_subunit that name a message class: 1, the display, is class 0 (§5.3.2.1)."""

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
    body: str | bytes
    """A text, or octets that are none."""
    receipt: int
    concat: Concat | None
    not_before: int | None
    """Microseconds UTC; None: at once."""
    validity_seconds: int | None
    """From when it may be sent; None: as long as the operator lets it."""
    priority: int
    """0 to 3."""
    envelope: Envelope = BARE
    protocol_id: int = 0
    coding: int = 0
    """The data_coding of a text."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a replace_sm asks for."""

    text: str
    receipt: int
    not_before: int | None
    """As in `Submission`; None: as before."""
    validity_seconds: int | None


def as_submit_sm(pdu: DataSm) -> SubmitSm:
    """Return a data_sm (§4.7) as the submit_sm that says the same."""
    return SubmitSm(
        service_type=pdu.service_type,
        source_addr_ton=pdu.source_addr_ton,
        source_addr_npi=pdu.source_addr_npi,
        source_addr=pdu.source_addr,
        dest_addr_ton=pdu.dest_addr_ton,
        dest_addr_npi=pdu.dest_addr_npi,
        destination_addr=pdu.destination_addr,
        esm_class=pdu.esm_class,
        registered_delivery=pdu.registered_delivery,
        data_coding=pdu.data_coding,
        tlvs=pdu.tlvs,
    )


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
    body, concat, envelope = _body(pdu, settings)
    not_before, validity = _times(pdu.schedule_delivery_time, pdu.validity_period, now)
    return Submission(
        number(pdu.source_addr, pdu.source_addr_ton),
        to,
        body,
        pdu.registered_delivery & RECEIPT_MASK,
        concat,
        not_before,
        validity,
        pdu.priority_flag,
        envelope,
        pdu.protocol_id,
        pdu.data_coding if isinstance(body, str) else 0,
    )


def read_change(pdu: ReplaceSm, settings: AccountSettings, coding: int, now: int) -> Change:
    """Return what a replace_sm asks for, whose text is in the data_coding that it had. Raises Refused."""
    _check_receipt(pdu.registered_delivery)
    if pdu.sm_default_msg_id:
        raise Refused(CommandStatus.ESME_RINVDFTMSGID, "There are no predefined messages.")
    text = decode(pdu.short_message, coding, udhi=False, default=settings.data_coding_default).text
    if not text:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, "The text is empty.")
    not_before, validity = _times(pdu.schedule_delivery_time, pdu.validity_period, now)
    return Change(text, pdu.registered_delivery & RECEIPT_MASK, not_before, validity)


def status_of(error: TandemError) -> int:
    """Return the command_status for what sending raised."""
    if isinstance(error, Refused):
        return error.command_status
    if isinstance(error, Unauthorized):
        return CommandStatus.ESME_RINVSRCADR
    if isinstance(error, LimitReached):
        fast = error.limit == Limit.MESSAGES_PER_SECOND.value
        return CommandStatus.ESME_RTHROTTLED if fast else CommandStatus.ESME_RMSGQFUL
    if isinstance(error, LimitForbids):
        known = error.limit in _OF_RECIPIENTS
        return CommandStatus.ESME_RINVDSTADR if known else CommandStatus.ESME_RSUBMITFAIL
    if isinstance(error, NoRoute):
        return CommandStatus.ESME_RINVDSTADR
    if isinstance(error, Unavailable) or not isinstance(error, InvalidRequest):
        return CommandStatus.ESME_RSYSERR
    return _BY_TARGET.get(error.target or "", CommandStatus.ESME_RSUBMITFAIL)


_OF_RECIPIENTS: Final = frozenset(
    limit.value
    for limit in (
        Limit.COUNTRIES,
        Limit.PREMIUM,
        Limit.SATELLITE,
        Limit.UNRATED,
        Limit.PRICE_PER_MESSAGE,
    )
)
"""Limits that forbid a recipient; the others are of the day, for which no status would make clients wait as
long as it takes."""

_BY_TARGET: Final[dict[str, int]] = {
    "from": CommandStatus.ESME_RINVSRCADR,
    "smsRecipients": CommandStatus.ESME_RINVDSTADR,
    "message": CommandStatus.ESME_RINVMSGLEN,
}
"""By the field that sending names."""


def _check_flags(pdu: SubmitSm) -> None:
    if pdu.esm_class & _TYPE_MASK:
        raise Refused(CommandStatus.ESME_RINVESMCLASS, "Only messages are taken, no acknowledgements.")
    _check_receipt(pdu.registered_delivery)
    if pdu.priority_flag > MAX_PRIORITY:
        raise Refused(CommandStatus.ESME_RINVPRTFLG, "Priorities are 0 to 3.")
    if pdu.replace_if_present_flag:
        raise Refused(CommandStatus.ESME_RINVREPFLAG, "Messages are replaced by replace_sm alone.")
    if pdu.sm_default_msg_id:
        raise Refused(CommandStatus.ESME_RINVDFTMSGID, "There are no predefined messages.")


def _check_receipt(registered_delivery: int) -> None:
    if registered_delivery & RECEIPT_MASK == RECEIPT_MASK:
        raise Refused(CommandStatus.ESME_RINVREGDLVFLG, "3 is reserved (SMPP 3.4 §5.2.17).")


def _body(pdu: SubmitSm, settings: AccountSettings) -> tuple[str | bytes, Concat | None, Envelope]:
    """Return what is to be sent, which part of a text it is, and how it goes."""
    udhi = bool(pdu.esm_class & _UDHI)
    payload = pdu.short_message or tlv(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
    decoded = decode(payload, pdu.data_coding, udhi, settings.data_coding_default)
    by_sar = sar.read(pdu.tlvs) if pdu.tlvs else None
    # Ports and the like belong to what an application reads: its text goes octet by octet, too.
    if decoded.alphabet is Alphabet.BINARY or (udhi and udh.apart(decoded.header)):
        return _octets(payload, udhi, pdu.data_coding, by_sar)
    if not decoded.text:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, "The text is empty.")
    shown = _class(pdu.data_coding, pdu.tlvs)
    envelope = BARE if shown is None else Envelope(message_class=shown)
    concat = by_sar or decoded.concat
    if concat is None or concat.total == 1:
        return decoded.text, None, envelope
    try:
        continued(encoded(decoded.text, envelope), concat)
    except InvalidRequest as error:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, error.message) from error
    return decoded.text, concat, envelope


def _octets(
    payload: bytes, udhi: bool, data_coding: int, by_sar: Concat | None
) -> tuple[bytes, Concat | None, Envelope]:
    """Return octets that go as they came, their header with them: it ties parts together itself."""
    size = payload[0] + 1 if udhi and payload else 0
    header, body = payload[:size], payload[size:]
    if not body:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, "There are no octets to send.")
    envelope = Envelope(header=header, data_coding=data_coding)
    concat = None if by_sar is None or by_sar.total == 1 else by_sar
    try:
        parts = encoded(body, envelope)
        if concat is not None:
            continued(parts, concat)
    except InvalidRequest as error:
        raise Refused(CommandStatus.ESME_RINVMSGLEN, error.message) from error
    return body, concat, envelope


def _class(data_coding: int, tlvs: Tlvs) -> int | None:
    """Return the message class that a text asks for (3GPP TS 23.038 §4, SMPP 3.4 §5.3.2.1)."""
    group = data_coding & 0xF0
    if group == 0xF0 or group in (0x10, 0x50):
        return data_coding & 0x03
    subunit = tlv(tlvs, Tag.DEST_ADDR_SUBUNIT) if tlvs else None
    return subunit[0] - 1 if subunit and 1 <= subunit[0] <= SUBUNITS else None


def _times(schedule: str, validity: str, now: int) -> tuple[int | None, int | None]:
    begin = now
    if schedule:
        at = parse_time(schedule, now)
        if at is None or at - now > MAX_AHEAD:
            raise Refused(
                CommandStatus.ESME_RINVSCHED, "schedule_delivery_time is no time (§7.1.1), or too far off."
            )
        begin = max(at, now)
    if not validity:
        return (begin if begin > now else None), None
    until = parse_time(validity, now)
    if until is None or until <= begin:
        raise Refused(CommandStatus.ESME_RINVEXPIRY, "validity_period is no time to come (§7.1.1).")
    return (begin if begin > now else None), max(1, (until - begin) // SECOND)
