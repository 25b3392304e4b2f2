"""The numbers of SMPP 3.4 (issue 1.2, SMPP Developers Forum): commands, statuses, tags, bits."""

from enum import IntEnum, IntFlag
from typing import Final, Self

SMPP_3_3: Final = 0x33
"""interface_version of peers that know no optional parameters (§5.2.4)."""

SMPP_3_4: Final = 0x34
"""interface_version that we announce (§5.2.4)."""

RESPONSE_BIT: Final = 0x8000_0000
"""Set in the command_id of every response (§5.1.2.1)."""


class CommandId(IntEnum):
    """What a PDU is (§5.1.2.1)."""

    GENERIC_NACK = 0x8000_0000
    BIND_RECEIVER = 0x0000_0001
    BIND_RECEIVER_RESP = 0x8000_0001
    BIND_TRANSMITTER = 0x0000_0002
    BIND_TRANSMITTER_RESP = 0x8000_0002
    QUERY_SM = 0x0000_0003
    QUERY_SM_RESP = 0x8000_0003
    SUBMIT_SM = 0x0000_0004
    SUBMIT_SM_RESP = 0x8000_0004
    DELIVER_SM = 0x0000_0005
    DELIVER_SM_RESP = 0x8000_0005
    UNBIND = 0x0000_0006
    UNBIND_RESP = 0x8000_0006
    REPLACE_SM = 0x0000_0007
    REPLACE_SM_RESP = 0x8000_0007
    CANCEL_SM = 0x0000_0008
    CANCEL_SM_RESP = 0x8000_0008
    BIND_TRANSCEIVER = 0x0000_0009
    BIND_TRANSCEIVER_RESP = 0x8000_0009
    OUTBIND = 0x0000_000B
    ENQUIRE_LINK = 0x0000_0015
    ENQUIRE_LINK_RESP = 0x8000_0015
    SUBMIT_MULTI = 0x0000_0021
    SUBMIT_MULTI_RESP = 0x8000_0021
    ALERT_NOTIFICATION = 0x0000_0102
    DATA_SM = 0x0000_0103
    DATA_SM_RESP = 0x8000_0103


class CommandStatus(IntEnum):
    """Success or reason of failure of a request (§5.1.3), each with its meaning in `words`."""

    words: str

    def __new__(cls, value: int, words: str) -> Self:
        member = int.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    ESME_ROK = 0x00, "no error"
    ESME_RINVMSGLEN = 0x01, "message length is invalid"
    ESME_RINVCMDLEN = 0x02, "command length is invalid"
    ESME_RINVCMDID = 0x03, "command is unknown or not supported"
    ESME_RINVBNDSTS = 0x04, "command not allowed in this bind state"
    ESME_RALYBND = 0x05, "already bound"
    ESME_RINVPRTFLG = 0x06, "priority flag is invalid"
    ESME_RINVREGDLVFLG = 0x07, "registered delivery flag is invalid"
    ESME_RSYSERR = 0x08, "system error"
    ESME_RINVSRCADR = 0x0A, "source address is invalid"
    ESME_RINVDSTADR = 0x0B, "destination address is invalid"
    ESME_RINVMSGID = 0x0C, "message id is invalid"
    ESME_RBINDFAIL = 0x0D, "bind failed"
    ESME_RINVPASWD = 0x0E, "password is invalid"
    ESME_RINVSYSID = 0x0F, "system id is invalid"
    ESME_RCANCELFAIL = 0x11, "cancel_sm failed"
    ESME_RREPLACEFAIL = 0x13, "replace_sm failed"
    ESME_RMSGQFUL = 0x14, "message queue is full"
    ESME_RINVSERTYP = 0x15, "service type is invalid"
    ESME_RINVNUMDESTS = 0x33, "number of destinations is invalid"
    ESME_RINVDLNAME = 0x34, "distribution list name is invalid"
    ESME_RINVDESTFLAG = 0x40, "destination flag is invalid"
    ESME_RINVSUBREP = 0x42, "submit with replace is not supported"
    ESME_RINVESMCLASS = 0x43, "esm_class is invalid"
    ESME_RCNTSUBDL = 0x44, "cannot submit to a distribution list"
    ESME_RSUBMITFAIL = 0x45, "submit_sm or submit_multi failed"
    ESME_RINVSRCTON = 0x48, "type of number of the source is invalid"
    ESME_RINVSRCNPI = 0x49, "numbering plan of the source is invalid"
    ESME_RINVDSTTON = 0x50, "type of number of the destination is invalid"
    ESME_RINVDSTNPI = 0x51, "numbering plan of the destination is invalid"
    ESME_RINVSYSTYP = 0x53, "system type is invalid"
    ESME_RINVREPFLAG = 0x54, "replace_if_present flag is invalid"
    ESME_RINVNUMMSGS = 0x55, "number of messages is invalid"
    ESME_RTHROTTLED = 0x58, "throttled: more than the allowed rate"
    ESME_RINVSCHED = 0x61, "scheduled delivery time is invalid"
    ESME_RINVEXPIRY = 0x62, "validity period is invalid"
    ESME_RINVDFTMSGID = 0x63, "predefined message id is invalid or not found"
    ESME_RX_T_APPN = 0x64, "receiver: temporary application error"
    ESME_RX_P_APPN = 0x65, "receiver: permanent application error"
    ESME_RX_R_APPN = 0x66, "receiver: message rejected"
    ESME_RQUERYFAIL = 0x67, "query_sm failed"
    ESME_RINVOPTPARSTREAM = 0xC0, "optional part of the body is malformed"
    ESME_ROPTPARNOTALLWD = 0xC1, "optional parameter not allowed"
    ESME_RINVPARLEN = 0xC2, "optional parameter has an invalid length"
    ESME_RMISSINGOPTPARAM = 0xC3, "an expected optional parameter is missing"
    ESME_RINVOPTPARAMVAL = 0xC4, "optional parameter has an invalid value"
    ESME_RDELIVERYFAILURE = 0xFE, "delivery failed (data_sm_resp)"
    ESME_RUNKNOWNERR = 0xFF, "unknown error"


_STATUSES: Final[dict[int, CommandStatus]] = {int(status): status for status in CommandStatus}


def status_text(status: int) -> str:
    """Return a status as people read it: name and meaning, or the number of one not named by SMPP 3.4."""
    known = _STATUSES.get(status)
    return f"{known.name} ({known.words})" if known is not None else f"0x{status:08X} (the peer's own)"


class Tag(IntEnum):
    """Tags of optional parameters (§5.3.2)."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


class EsmClass(IntFlag):
    """Bits of esm_class (§5.2.12); the mode and type fields are values under their masks."""

    MODE_MASK = 0x03
    DATAGRAM = 0x01
    FORWARD = 0x02
    STORE_AND_FORWARD = 0x03
    TYPE_MASK = 0x3C
    DELIVERY_RECEIPT = 0x04
    DELIVERY_ACKNOWLEDGEMENT = 0x08
    USER_ACKNOWLEDGEMENT = 0x10
    CONVERSATION_ABORT = 0x18
    INTERMEDIATE_NOTIFICATION = 0x20
    UDHI = 0x40
    REPLY_PATH = 0x80


class DataCoding(IntEnum):
    """Alphabets of short_message (§5.2.19)."""

    DEFAULT = 0x00
    IA5 = 0x01
    OCTETS = 0x02
    LATIN1 = 0x03
    OCTETS_8BIT = 0x04
    JIS = 0x05
    CYRILLIC = 0x06
    HEBREW = 0x07
    UCS2 = 0x08
    PICTOGRAM = 0x09
    ISO_2022_JP = 0x0A
    KANJI = 0x0D
    KS_C_5601 = 0x0E


class Ton(IntEnum):
    """Types of number (§5.2.5)."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    ALPHANUMERIC = 5
    ABBREVIATED = 6


class Npi(IntEnum):
    """Numbering plans (§5.2.6)."""

    UNKNOWN = 0
    E164 = 1
    DATA = 3
    TELEX = 4
    LAND_MOBILE = 6
    NATIONAL = 8
    PRIVATE = 9
    ERMES = 10
    INTERNET = 14
    WAP = 18


class RegisteredDelivery(IntFlag):
    """Bits of registered_delivery (§5.2.17)."""

    NONE = 0x00
    RECEIPT = 0x01
    RECEIPT_ON_FAILURE = 0x02
    DELIVERY_ACKNOWLEDGEMENT = 0x04
    USER_ACKNOWLEDGEMENT = 0x08
    INTERMEDIATE = 0x10


class MessageState(IntEnum):
    """States of a message at the SMSC (§5.2.28)."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
