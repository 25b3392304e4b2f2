"""The PDUs of SMPP 3.4 as frozen structs, fields in the order of the wire.

`msgspec.Struct` is made in C: a frozen dataclass with eighteen fields takes ten times as long to build. Texts
are Latin-1, so that every octet but NUL survives a round trip; `short_message` and optional parameters stay
octets. Sequence number and status belong to the frame around a PDU, see `Frame`.
"""

from typing import ClassVar, TypeAlias

from msgspec import Struct

from sms.smpp.constants import SMPP_3_4, CommandId

Tlvs: TypeAlias = tuple[tuple[int, bytes], ...]
"""Optional parameters as (tag, value), as on the wire: duplicates and vendors' own tags are kept."""


class Pdu(Struct, frozen=True, gc=False):
    """Anything that a frame can carry. `gc=False`: a PDU holds texts and octets only, never a cycle."""

    command_id: ClassVar[CommandId]


class _Bind(Pdu, frozen=True, gc=False):
    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = SMPP_3_4
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __repr__(self) -> str:
        """Leave the password out: PDUs are printed by tests and debuggers."""
        return f"{type(self).__name__}(system_id={self.system_id!r})"


class BindTransmitter(_Bind, frozen=True, gc=False):
    """bind_transmitter (§4.1.1): the ESME sends only."""

    command_id = CommandId.BIND_TRANSMITTER


class BindReceiver(_Bind, frozen=True, gc=False):
    """bind_receiver (§4.1.3): the ESME receives only."""

    command_id = CommandId.BIND_RECEIVER


class BindTransceiver(_Bind, frozen=True, gc=False):
    """bind_transceiver (§4.1.5): both on one connection."""

    command_id = CommandId.BIND_TRANSCEIVER


class _BindResp(Pdu, frozen=True, gc=False):
    system_id: str = ""
    tlvs: Tlvs = ()


class BindTransmitterResp(_BindResp, frozen=True, gc=False):
    """bind_transmitter_resp (§4.1.2)."""

    command_id = CommandId.BIND_TRANSMITTER_RESP


class BindReceiverResp(_BindResp, frozen=True, gc=False):
    """bind_receiver_resp (§4.1.4)."""

    command_id = CommandId.BIND_RECEIVER_RESP


class BindTransceiverResp(_BindResp, frozen=True, gc=False):
    """bind_transceiver_resp (§4.1.6)."""

    command_id = CommandId.BIND_TRANSCEIVER_RESP


class Outbind(Pdu, frozen=True, gc=False):
    """outbind (§4.1.7): the SMSC asks the ESME to bind. It has no response."""

    command_id = CommandId.OUTBIND
    system_id: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Outbind(system_id={self.system_id!r})"


class Unbind(Pdu, frozen=True, gc=False):
    """unbind (§4.2.1)."""

    command_id = CommandId.UNBIND


class UnbindResp(Pdu, frozen=True, gc=False):
    """unbind_resp (§4.2.2)."""

    command_id = CommandId.UNBIND_RESP


class GenericNack(Pdu, frozen=True, gc=False):
    """generic_nack (§4.3.1): the header could not be understood."""

    command_id = CommandId.GENERIC_NACK


class _ShortMessage(Pdu, frozen=True, gc=False):
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class SubmitSm(_ShortMessage, frozen=True, gc=False):
    """submit_sm (§4.4.1): a message from the ESME to the SMSC."""

    command_id = CommandId.SUBMIT_SM


class DeliverSm(_ShortMessage, frozen=True, gc=False):
    """deliver_sm (§4.6.1): a message or a receipt from the SMSC to the ESME."""

    command_id = CommandId.DELIVER_SM


class _MessageIdResp(Pdu, frozen=True, gc=False):
    message_id: str = ""
    tlvs: Tlvs = ()


class SubmitSmResp(_MessageIdResp, frozen=True, gc=False):
    """submit_sm_resp (§4.4.2). Optional parameters are not in 3.4, but SMSCs send them; they are kept."""

    command_id = CommandId.SUBMIT_SM_RESP


class DeliverSmResp(_MessageIdResp, frozen=True, gc=False):
    """deliver_sm_resp (§4.6.2): `message_id` is unused and empty."""

    command_id = CommandId.DELIVER_SM_RESP


class DataSm(Pdu, frozen=True, gc=False):
    """data_sm (§4.7.1): the text stands in message_payload."""

    command_id = CommandId.DATA_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = ()


class DataSmResp(_MessageIdResp, frozen=True, gc=False):
    """data_sm_resp (§4.7.2)."""

    command_id = CommandId.DATA_SM_RESP


class QuerySm(Pdu, frozen=True, gc=False):
    """query_sm (§4.8.1)."""

    command_id = CommandId.QUERY_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySmResp(Pdu, frozen=True, gc=False):
    """query_sm_resp (§4.8.2)."""

    command_id = CommandId.QUERY_SM_RESP
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class CancelSm(Pdu, frozen=True, gc=False):
    """cancel_sm (§4.9.1)."""

    command_id = CommandId.CANCEL_SM
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class CancelSmResp(Pdu, frozen=True, gc=False):
    """cancel_sm_resp (§4.9.2)."""

    command_id = CommandId.CANCEL_SM_RESP


class ReplaceSm(Pdu, frozen=True, gc=False):
    """replace_sm (§4.10.1)."""

    command_id = CommandId.REPLACE_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class ReplaceSmResp(Pdu, frozen=True, gc=False):
    """replace_sm_resp (§4.10.2)."""

    command_id = CommandId.REPLACE_SM_RESP


class SubmitMultiResp(Pdu, frozen=True, gc=False):
    """The header of submit_multi_resp (§4.5.2), with which submit_multi is refused.

    submit_multi itself is not decoded: one recipient a PDU is all that Tandem speaks, so it is answered with
    ESME_RINVCMDID.
    """

    command_id = CommandId.SUBMIT_MULTI_RESP


class EnquireLink(Pdu, frozen=True, gc=False):
    """enquire_link (§4.11.1)."""

    command_id = CommandId.ENQUIRE_LINK


class EnquireLinkResp(Pdu, frozen=True, gc=False):
    """enquire_link_resp (§4.11.2)."""

    command_id = CommandId.ENQUIRE_LINK_RESP


class AlertNotification(Pdu, frozen=True, gc=False):
    """alert_notification (§4.12.1): a handset can be reached again. It has no response."""

    command_id = CommandId.ALERT_NOTIFICATION
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: Tlvs = ()


BindRequest: TypeAlias = BindTransmitter | BindReceiver | BindTransceiver
BindResponse: TypeAlias = BindTransmitterResp | BindReceiverResp | BindTransceiverResp


class Frame(Struct, frozen=True, gc=False):
    """A PDU as it stands on the wire: with sequence number and status."""

    pdu: Pdu
    sequence: int
    status: int = 0


def tlv(tlvs: Tlvs, tag: int) -> bytes | None:
    """Return the value of the first optional parameter with `tag`, or None."""
    for known, value in tlvs:
        if known == tag:
            return value
    return None
