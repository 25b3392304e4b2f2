"""Octets into PDUs, strictly: any input ends in a `Frame` or in a PduError, never in anything else."""

from collections.abc import Callable
from struct import Struct
from typing import Final, NoReturn

from sms.smpp.constants import RESPONSE_BIT, CommandId, CommandStatus
from sms.smpp.errors import FramingError, PduError
from sms.smpp.layout import (
    HEADER,
    LAYOUTS,
    MAX_ADDRESS,
    MAX_MESSAGE_ID,
    MAX_PDU,
    MAX_SERVICE_TYPE,
    MAX_SHORT_MESSAGE,
    TIME_LENGTH,
    TLV_SIZES,
    Body,
    Field,
    Kind,
)
from sms.smpp.pdu import DeliverSm, Frame, Pdu, SubmitSm, SubmitSmResp, Tlvs

_header: Final = Struct(">IIII").unpack_from
_tag_and_length: Final = Struct(">HH").unpack_from
_OK: Final = int(CommandStatus.ESME_ROK)
_SUBMIT_SM: Final = int(CommandId.SUBMIT_SM)
_SUBMIT_SM_RESP: Final = int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM: Final = int(CommandId.DELIVER_SM)


def check_length(length: int) -> None:
    """Refuse a command_length after which the next PDU cannot be found.

    Raises FramingError below the header's 16 octets and above `MAX_PDU`.
    """
    if length < HEADER:
        raise FramingError(f"command_length {length} is less than the header's {HEADER}")
    if length > MAX_PDU:
        raise FramingError(f"command_length {length} is more than {MAX_PDU}")


def decode(data: bytes | bytearray | memoryview) -> Frame:
    """Return the one frame that `data` holds from its first octet to its last.

    Any 32-bit sequence number is taken: peers use 0 and the upper half, and all that is done is to echo it.
    Raises FramingError when the length is impossible, PduError for anything else that is not SMPP 3.4.
    """
    frame = data if isinstance(data, bytes) else bytes(data)
    size = len(frame)
    if size < HEADER:
        raise FramingError(f"{size} octets are less than the header's {HEADER}")
    length, command_id, status, sequence = _header(frame)
    if length != size:
        check_length(length)
        raise FramingError(
            f"command_length {length}, but {size} octets", command_id=command_id, sequence=sequence
        )
    if size > MAX_PDU:
        check_length(length)
    pdu: Pdu | None
    if command_id == _SUBMIT_SM:
        pdu = _short_message(SubmitSm, frame)
    elif command_id == _SUBMIT_SM_RESP:
        pdu = _submit_sm_resp(frame)
    elif command_id == _DELIVER_SM:
        pdu = _short_message(DeliverSm, frame)
    else:
        pdu = None
    if pdu is None:
        pdu = table_pdu(frame, command_id, status, sequence)
    return Frame(pdu, sequence, status)


def _short_message(kind: Callable[..., Pdu], frame: bytes) -> Pdu | None:
    """Return a submit_sm or deliver_sm, or None when anything about it is unusual: the table tells what."""
    find = frame.find
    service = find(b"\0", HEADER, HEADER + MAX_SERVICE_TYPE + 1)
    source = find(b"\0", service + 3, service + MAX_ADDRESS + 4)
    destination = find(b"\0", source + 3, source + MAX_ADDRESS + 4)
    if service < 0 or source < 0 or destination < 0:
        return None
    at = destination + 4
    try:
        schedule = validity = ""
        if frame[at]:
            schedule = frame[at : at + TIME_LENGTH].decode("latin-1")
            at += TIME_LENGTH
            if frame[at] or "\0" in schedule:
                return None
        at += 1
        if frame[at]:
            validity = frame[at : at + TIME_LENGTH].decode("latin-1")
            at += TIME_LENGTH
            if frame[at] or "\0" in validity:
                return None
        registered, replace, coding, default, length = frame[at + 1 : at + 6]
    except (IndexError, ValueError):
        return None
    at += 6
    end = at + length
    size = len(frame)
    if end > size or length > MAX_SHORT_MESSAGE:
        return None
    tlvs: Tlvs = ()
    if end != size:
        try:
            tlvs = _tlvs(frame, end)
        except _TlvError:
            return None
    return kind(
        "" if service == HEADER else frame[HEADER:service].decode("latin-1"),
        frame[service + 1],
        frame[service + 2],
        frame[service + 3 : source].decode("latin-1"),
        frame[source + 1],
        frame[source + 2],
        frame[source + 3 : destination].decode("latin-1"),
        frame[destination + 1],
        frame[destination + 2],
        frame[destination + 3],
        schedule,
        validity,
        registered,
        replace,
        coding,
        default,
        frame[at:end],
        tlvs,
    )


def _submit_sm_resp(frame: bytes) -> Pdu | None:
    """Return a submit_sm_resp of the usual form: an id and nothing after it."""
    end = len(frame) - 1
    if 0 <= end - HEADER <= MAX_MESSAGE_ID and frame.find(b"\0", HEADER) == end:
        return SubmitSmResp(frame[HEADER:end].decode("latin-1"))
    return None


class _Reader:
    """Walks over a body field by field; a violation becomes a PduError that names the field."""

    __slots__ = ("at", "command_id", "frame", "sequence")

    def __init__(self, frame: bytes, command_id: int, sequence: int) -> None:
        self.frame = frame
        self.command_id = command_id
        self.sequence = sequence
        self.at = HEADER

    def refuse(self, status: int, why: str) -> NoReturn:
        raise PduError(why, command_status=status, command_id=self.command_id, sequence=self.sequence)

    def value(self, field: Field) -> int | str | bytes:
        if field.kind is Kind.OCTET:
            return self.octet(field)
        if field.kind is Kind.COUNTED:
            return self.counted(field)
        return self.text(field)

    def octet(self, field: Field) -> int:
        if self.at >= len(self.frame):
            self.refuse(CommandStatus.ESME_RINVCMDLEN, f"the body ends before {field.name}")
        self.at += 1
        return self.frame[self.at - 1]

    def text(self, field: Field) -> str:
        start = self.at
        end = self.frame.find(b"\0", start, start + field.ceiling + 1)
        if end < 0:
            if len(self.frame) - start <= field.ceiling:
                self.refuse(CommandStatus.ESME_RINVCMDLEN, f"the body ends inside {field.name}")
            self.refuse(field.status, f"{field.name} is longer than {field.ceiling}")
        if field.kind is Kind.TIME and end - start not in (0, field.ceiling):
            self.refuse(field.status, f"{field.name} has {end - start} characters, not {field.ceiling} or 0")
        self.at = end + 1
        return self.frame[start:end].decode("latin-1")

    def counted(self, field: Field) -> bytes:
        length = self.octet(field)
        if length > field.ceiling:
            self.refuse(field.status, f"sm_length {length} is more than {field.ceiling}")
        if self.at + length > len(self.frame):
            self.refuse(field.status, f"sm_length {length}, but {len(self.frame) - self.at} octets are left")
        self.at += length
        return self.frame[self.at - length : self.at]


def table_pdu(frame: bytes, command_id: int, status: int, sequence: int) -> Pdu:
    """Return the PDU in `frame`, whose header was read, field by field after its layout.

    Raises PduError.
    """
    reader = _Reader(frame, command_id, sequence)
    layout = LAYOUTS.get(command_id)
    if layout is None:
        reader.refuse(CommandStatus.ESME_RINVCMDID, f"command 0x{command_id:08X} is not supported")
    if len(frame) == HEADER and _may_be_empty(layout.body, status):
        return layout.kind()
    values = [reader.value(field) for field in layout.fields]
    if reader.at == len(frame):
        return layout.kind(*values)
    if not layout.tlvs:
        reader.refuse(CommandStatus.ESME_RINVCMDLEN, f"{len(frame) - reader.at} octets after the last field")
    try:
        tlvs = _tlvs(frame, reader.at)
    except _TlvError as error:
        reader.refuse(error.command_status, f"optional parameters: {error}")
    return layout.kind(*values, tlvs)


def _may_be_empty(body: Body, status: int) -> bool:
    return body is Body.MAY_BE_EMPTY or (body is Body.EMPTY_ON_ERROR and status != _OK)


class _TlvError(ValueError):
    def __init__(self, command_status: int, why: str) -> None:
        super().__init__(why)
        self.command_status = command_status


def _tlvs(frame: bytes, at: int) -> Tlvs:
    """Return the optional parameters from `at` to the end of the frame, or raise _TlvError."""
    found: list[tuple[int, bytes]] = []
    size = len(frame)
    while at < size:
        if size - at < 4:
            raise _TlvError(CommandStatus.ESME_RINVOPTPARSTREAM, f"{size - at} octets left over")
        tag, length = _tag_and_length(frame, at)
        at += 4 + length
        if at > size:
            raise _TlvError(CommandStatus.ESME_RINVOPTPARSTREAM, f"they end inside tag 0x{tag:04X}")
        sizes = TLV_SIZES.get(tag)
        if sizes is not None and not sizes[0] <= length <= sizes[1]:
            raise _TlvError(CommandStatus.ESME_RINVPARLEN, f"tag 0x{tag:04X} has {length} octets")
        found.append((tag, frame[at - length : at]))
    return tuple(found)


def is_response(command_id: int) -> bool:
    """Tell whether a command_id is a response's (§5.1.2.1)."""
    return command_id & RESPONSE_BIT != 0
