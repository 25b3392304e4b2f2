"""How each PDU lies on the wire, as tables: field, kind, ceiling, and the status that refuses it.

Lengths of texts are in octets without the final NUL, after SMPP 3.4 §5.2.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sms.smpp import pdu
from sms.smpp.constants import RESPONSE_BIT, CommandId, CommandStatus, Tag

HEADER: Final = 16
"""Octets of a header, and so the least command_length (§3.2)."""

MAX_PDU: Final = 64 * 1024
"""The greatest command_length taken or sent: above message_payload's practical use, below what a hostile
length could make us buffer. SMPP itself names no ceiling."""

MAX_SYSTEM_ID: Final = 15  # §5.2.1
MAX_PASSWORD: Final = 8  # §5.2.2
MAX_SYSTEM_TYPE: Final = 12  # §5.2.3
MAX_ADDRESS_RANGE: Final = 40  # §5.2.7
MAX_ADDRESS: Final = 20  # §5.2.8, §5.2.9
MAX_DATA_ADDRESS: Final = 64  # data_sm and alert_notification (§4.7.1, §5.2.10)
MAX_SERVICE_TYPE: Final = 5  # §5.2.11
TIME_LENGTH: Final = 16  # empty or exactly this (§5.2.15, §5.2.16, §7.1.1)
MAX_SHORT_MESSAGE: Final = 254  # §5.2.21, §5.2.22
MAX_MESSAGE_ID: Final = 64  # §5.2.23


class Kind(Enum):
    """How a field is spelled (§3.1)."""

    TEXT = "C-octet string of up to the ceiling"
    TIME = "C-octet string that is empty or exactly of the ceiling"
    OCTET = "integer of one octet"
    COUNTED = "sm_length, then as many octets"


@dataclass(frozen=True, slots=True)
class Field:
    """One mandatory field."""

    name: str
    kind: Kind
    ceiling: int = 255
    status: int = CommandStatus.ESME_RINVCMDLEN


class Body(Enum):
    """When a response may come without its body."""

    NEVER_EMPTY = "never"
    EMPTY_ON_ERROR = "when command_status says an error (§4.1.2, §4.4.2)"
    MAY_BE_EMPTY = "always: its fields are unused, and many peers leave them out"


@dataclass(frozen=True, slots=True)
class Layout:
    """A PDU's body."""

    kind: type[pdu.Pdu]
    fields: tuple[Field, ...] = ()
    tlvs: bool = False
    body: Body = Body.NEVER_EMPTY


def _text(name: str, ceiling: int, status: int) -> Field:
    return Field(name, Kind.TEXT, ceiling, status)


def _octet(name: str) -> Field:
    return Field(name, Kind.OCTET)


def _address(prefix: str, name: str, ceiling: int, status: int) -> tuple[Field, ...]:
    return _octet(f"{prefix}_ton"), _octet(f"{prefix}_npi"), _text(name, ceiling, status)


def _source(ceiling: int = MAX_ADDRESS) -> tuple[Field, ...]:
    return _address("source_addr", "source_addr", ceiling, CommandStatus.ESME_RINVSRCADR)


def _destination(ceiling: int = MAX_ADDRESS) -> tuple[Field, ...]:
    return _address("dest_addr", "destination_addr", ceiling, CommandStatus.ESME_RINVDSTADR)


_SERVICE_TYPE = _text("service_type", MAX_SERVICE_TYPE, CommandStatus.ESME_RINVSERTYP)
_SCHEDULE = Field("schedule_delivery_time", Kind.TIME, TIME_LENGTH, CommandStatus.ESME_RINVSCHED)
_VALIDITY = Field("validity_period", Kind.TIME, TIME_LENGTH, CommandStatus.ESME_RINVEXPIRY)
_MESSAGE_ID = _text("message_id", MAX_MESSAGE_ID, CommandStatus.ESME_RINVMSGID)
_SHORT_MESSAGE = Field("short_message", Kind.COUNTED, MAX_SHORT_MESSAGE, CommandStatus.ESME_RINVMSGLEN)
_SYSTEM_ID = _text("system_id", MAX_SYSTEM_ID, CommandStatus.ESME_RINVSYSID)
_PASSWORD = _text("password", MAX_PASSWORD, CommandStatus.ESME_RINVPASWD)

_BIND = (
    _SYSTEM_ID,
    _PASSWORD,
    _text("system_type", MAX_SYSTEM_TYPE, CommandStatus.ESME_RINVSYSTYP),
    _octet("interface_version"),
    _octet("addr_ton"),
    _octet("addr_npi"),
    _text("address_range", MAX_ADDRESS_RANGE, CommandStatus.ESME_RBINDFAIL),
)
_SM = (
    _SERVICE_TYPE,
    *_source(),
    *_destination(),
    _octet("esm_class"),
    _octet("protocol_id"),
    _octet("priority_flag"),
    _SCHEDULE,
    _VALIDITY,
    _octet("registered_delivery"),
    _octet("replace_if_present_flag"),
    _octet("data_coding"),
    _octet("sm_default_msg_id"),
    _SHORT_MESSAGE,
)
_DATA = (
    _SERVICE_TYPE,
    *_source(MAX_DATA_ADDRESS),
    *_destination(MAX_DATA_ADDRESS),
    _octet("esm_class"),
    _octet("registered_delivery"),
    _octet("data_coding"),
)
_ALERT = (
    *_source(MAX_DATA_ADDRESS),
    *_address("esme_addr", "esme_addr", MAX_DATA_ADDRESS, CommandStatus.ESME_RINVDSTADR),
)
_QUERY_RESP = (
    _MESSAGE_ID,
    Field("final_date", Kind.TIME, TIME_LENGTH, CommandStatus.ESME_RQUERYFAIL),
    _octet("message_state"),
    _octet("error_code"),
)
_REPLACE = (
    _MESSAGE_ID,
    *_source(),
    _SCHEDULE,
    _VALIDITY,
    _octet("registered_delivery"),
    _octet("sm_default_msg_id"),
    _SHORT_MESSAGE,
)

_ON_ERROR = Body.EMPTY_ON_ERROR

LAYOUTS: Final[dict[int, Layout]] = {
    layout.kind.command_id: layout
    for layout in (
        Layout(pdu.BindTransmitter, _BIND),
        Layout(pdu.BindTransmitterResp, (_SYSTEM_ID,), tlvs=True, body=_ON_ERROR),
        Layout(pdu.BindReceiver, _BIND),
        Layout(pdu.BindReceiverResp, (_SYSTEM_ID,), tlvs=True, body=_ON_ERROR),
        Layout(pdu.BindTransceiver, _BIND),
        Layout(pdu.BindTransceiverResp, (_SYSTEM_ID,), tlvs=True, body=_ON_ERROR),
        Layout(pdu.Outbind, (_SYSTEM_ID, _PASSWORD)),
        Layout(pdu.Unbind),
        Layout(pdu.UnbindResp),
        Layout(pdu.GenericNack),
        Layout(pdu.SubmitSm, _SM, tlvs=True),
        Layout(pdu.SubmitSmResp, (_MESSAGE_ID,), tlvs=True, body=_ON_ERROR),
        Layout(pdu.DeliverSm, _SM, tlvs=True),
        Layout(pdu.DeliverSmResp, (_MESSAGE_ID,), tlvs=True, body=Body.MAY_BE_EMPTY),
        Layout(pdu.DataSm, _DATA, tlvs=True),
        Layout(pdu.DataSmResp, (_MESSAGE_ID,), tlvs=True, body=_ON_ERROR),
        Layout(pdu.QuerySm, (_MESSAGE_ID, *_source())),
        Layout(pdu.QuerySmResp, _QUERY_RESP, body=_ON_ERROR),
        Layout(pdu.CancelSm, (_SERVICE_TYPE, _MESSAGE_ID, *_source(), *_destination())),
        Layout(pdu.CancelSmResp),
        Layout(pdu.ReplaceSm, _REPLACE),
        Layout(pdu.ReplaceSmResp),
        Layout(pdu.SubmitMultiResp, body=_ON_ERROR),
        Layout(pdu.EnquireLink),
        Layout(pdu.EnquireLinkResp),
        Layout(pdu.AlertNotification, _ALERT, tlvs=True),
    )
}
"""Every PDU that is decoded. submit_multi is missing on purpose: see `pdu.SubmitMultiResp`."""

REFUSED: Final = frozenset({CommandId.SUBMIT_MULTI})
"""Commands that SMPP 3.4 knows and we refuse by ESME_RINVCMDID in their own response."""

TLV_SIZES: Final[dict[int, tuple[int, int]]] = {
    Tag.DEST_ADDR_SUBUNIT: (1, 1),
    Tag.DEST_NETWORK_TYPE: (1, 1),
    Tag.DEST_BEARER_TYPE: (1, 1),
    Tag.DEST_TELEMATICS_ID: (2, 2),
    Tag.SOURCE_ADDR_SUBUNIT: (1, 1),
    Tag.SOURCE_NETWORK_TYPE: (1, 1),
    Tag.SOURCE_BEARER_TYPE: (1, 1),
    Tag.SOURCE_TELEMATICS_ID: (1, 1),
    Tag.QOS_TIME_TO_LIVE: (4, 4),
    Tag.PAYLOAD_TYPE: (1, 1),
    Tag.ADDITIONAL_STATUS_INFO_TEXT: (1, 256),
    Tag.RECEIPTED_MESSAGE_ID: (1, 65),
    Tag.MS_MSG_WAIT_FACILITIES: (1, 1),
    Tag.PRIVACY_INDICATOR: (1, 1),
    Tag.SOURCE_SUBADDRESS: (2, 23),
    Tag.DEST_SUBADDRESS: (2, 23),
    Tag.USER_MESSAGE_REFERENCE: (2, 2),
    Tag.USER_RESPONSE_CODE: (1, 1),
    Tag.SOURCE_PORT: (2, 2),
    Tag.DESTINATION_PORT: (2, 2),
    Tag.SAR_MSG_REF_NUM: (2, 2),
    Tag.LANGUAGE_INDICATOR: (1, 1),
    Tag.SAR_TOTAL_SEGMENTS: (1, 1),
    Tag.SAR_SEGMENT_SEQNUM: (1, 1),
    Tag.SC_INTERFACE_VERSION: (1, 1),
    Tag.CALLBACK_NUM_PRES_IND: (1, 1),
    Tag.CALLBACK_NUM_ATAG: (0, 65),
    Tag.NUMBER_OF_MESSAGES: (1, 1),
    Tag.CALLBACK_NUM: (4, 19),
    Tag.DPF_RESULT: (1, 1),
    Tag.SET_DPF: (1, 1),
    Tag.MS_AVAILABILITY_STATUS: (1, 1),
    Tag.NETWORK_ERROR_CODE: (3, 3),
    Tag.MESSAGE_PAYLOAD: (0, MAX_PDU),
    Tag.DELIVERY_FAILURE_REASON: (1, 1),
    Tag.MORE_MESSAGES_TO_SEND: (1, 1),
    Tag.MESSAGE_STATE: (1, 1),
    Tag.USSD_SERVICE_OP: (1, 1),
    Tag.DISPLAY_TIME: (1, 1),
    Tag.SMS_SIGNAL: (2, 2),
    Tag.MS_VALIDITY: (1, 1),
    Tag.ALERT_ON_MESSAGE_DELIVERY: (0, 1),  # no value in 3.4, one octet in 5.0
    Tag.ITS_REPLY_TYPE: (1, 1),
    Tag.ITS_SESSION_INFO: (2, 2),
}
"""Least and greatest length of each optional parameter of SMPP 3.4 (§5.3.2); others may have any."""

RESPONSES: Final[dict[int, type[pdu.Pdu]]] = {
    request: LAYOUTS[request | RESPONSE_BIT].kind
    for request in (*LAYOUTS, *REFUSED)
    if not request & RESPONSE_BIT and request | RESPONSE_BIT in LAYOUTS
}
"""The response that each request asks for; outbind and alert_notification have none."""
