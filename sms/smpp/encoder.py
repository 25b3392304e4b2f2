"""PDUs into octets: refuses what SMPP 3.4 has no room for, cuts nothing."""

from struct import Struct
from typing import Final, NoReturn

from sms.smpp.constants import CommandId, CommandStatus
from sms.smpp.errors import FieldError
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
from sms.smpp.pdu import DeliverSm, Pdu, SubmitSm, Tlvs

_header: Final = Struct(">IIII").pack
_tag_and_length: Final = Struct(">HH").pack
_MAX_UINT32: Final = 0xFFFF_FFFF
_OK: Final = CommandStatus.ESME_ROK


def encode(pdu: Pdu, sequence: int, status: int = 0) -> bytes:
    """Return the frame that carries `pdu`.

    A response that says an error and has nothing in its fields goes without a body (§4.1.2, §4.4.2).
    Raises FieldError when a field does not fit; nothing is cut or replaced.
    """
    kind = pdu.command_id
    if kind == CommandId.SUBMIT_SM or kind == CommandId.DELIVER_SM:
        body = _short_message_body(pdu)  # type: ignore[arg-type]  # command_id tells what it is
    elif kind == CommandId.SUBMIT_SM_RESP and status == _OK and not pdu.tlvs:  # type: ignore[attr-defined]
        message_id: str = pdu.message_id  # type: ignore[attr-defined]
        if len(message_id) > MAX_MESSAGE_ID or "\0" in message_id or not message_id.isascii():
            body = table_body(pdu)
        else:
            body = message_id.encode() + b"\0"
    elif status != _OK and LAYOUTS[kind].body is Body.EMPTY_ON_ERROR and pdu == type(pdu)():
        body = b""
    else:
        body = table_body(pdu)
    length = HEADER + len(body)
    if length > MAX_PDU:
        raise FieldError(
            f"a PDU of {length} octets is longer than {MAX_PDU}",
            target="command_length",
            command_status=CommandStatus.ESME_RINVCMDLEN,
        )
    if not 0 <= sequence <= _MAX_UINT32 or not 0 <= status <= _MAX_UINT32:
        raise FieldError(
            "sequence number or status is no integer of 32 bits",
            target="header",
            command_status=CommandStatus.ESME_RSYSERR,
        )
    return _header(length, kind, status, sequence) + body


def _short_message_body(pdu: SubmitSm | DeliverSm) -> bytes:
    """Return the body of submit_sm or deliver_sm: the common case at one stroke, the rest by the table."""
    service_type = pdu.service_type
    source = pdu.source_addr
    destination = pdu.destination_addr
    schedule = pdu.schedule_delivery_time
    validity = pdu.validity_period
    message = pdu.short_message
    if (
        len(service_type) > MAX_SERVICE_TYPE
        or len(source) > MAX_ADDRESS
        or len(destination) > MAX_ADDRESS
        or (schedule and len(schedule) != TIME_LENGTH)
        or (validity and len(validity) != TIME_LENGTH)
        or len(message) > MAX_SHORT_MESSAGE
        or "\0" in source
        or "\0" in destination
        or "\0" in service_type
        or "\0" in schedule
        or "\0" in validity
    ):
        return table_body(pdu)
    try:
        head = (
            f"{service_type}\0{pdu.source_addr_ton:c}{pdu.source_addr_npi:c}{source}\0"
            f"{pdu.dest_addr_ton:c}{pdu.dest_addr_npi:c}{destination}\0"
            f"{pdu.esm_class:c}{pdu.protocol_id:c}{pdu.priority_flag:c}{schedule}\0{validity}\0"
            f"{pdu.registered_delivery:c}{pdu.replace_if_present_flag:c}{pdu.data_coding:c}"
            f"{pdu.sm_default_msg_id:c}{len(message):c}"
        ).encode("latin-1")
    except (UnicodeEncodeError, OverflowError, ValueError, TypeError):
        return table_body(pdu)  # names the field at fault
    if pdu.tlvs:
        return head + message + _tlvs(pdu.tlvs)
    return head + message


def table_body(pdu: Pdu) -> bytes:
    """Return the body of any PDU, field by field after its layout; what it refuses it names."""
    layout = LAYOUTS[pdu.command_id]
    parts = [_field(field, getattr(pdu, field.name)) for field in layout.fields]
    if layout.tlvs:
        parts.append(_tlvs(pdu.tlvs))  # type: ignore[attr-defined]  # the layout says that it has them
    return b"".join(parts)


def _field(field: Field, value: object) -> bytes:
    if isinstance(value, int):
        if not 0 <= value <= field.ceiling:
            _refuse(field, f"{value} is not between 0 and {field.ceiling}")
        return bytes((value,))
    if isinstance(value, bytes):
        if len(value) > field.ceiling:
            _refuse(field, f"{len(value)} octets, at most {field.ceiling} fit")
        return bytes((len(value),)) + value
    text = str(value)
    if len(text) > field.ceiling or (field.kind is Kind.TIME and len(text) not in (0, field.ceiling)):
        limit = "exactly" if field.kind is Kind.TIME else "at most"
        _refuse(field, f"{len(text)} characters, {limit} {field.ceiling} fit")
    if "\0" in text:
        _refuse(field, "holds a NUL, which ends a text on the wire")
    try:
        return text.encode("latin-1") + b"\0"
    except UnicodeEncodeError:
        _refuse(field, "holds a character outside Latin-1")


def _refuse(field: Field, why: str) -> NoReturn:
    raise FieldError(f"{field.name}: {why}", target=field.name, command_status=field.status)


def _tlvs(tlvs: Tlvs) -> bytes:
    parts: list[bytes] = []
    for tag, value in tlvs:
        length = len(value)
        least, most = TLV_SIZES.get(tag, (0, MAX_PDU - 1))
        if not 0 <= tag <= 0xFFFF or not least <= length <= min(most, MAX_PDU - 1):
            raise FieldError(
                f"optional parameter 0x{tag:04X} with {length} octets",
                target=f"tlv 0x{tag:04X}",
                command_status=CommandStatus.ESME_RINVPARLEN,
            )
        parts += (_tag_and_length(tag, length), value)
    return b"".join(parts)
