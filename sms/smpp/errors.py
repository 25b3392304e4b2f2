"""What can go wrong in SMPP, and whose fault it is.

RemoteError
└── PduError        bytes of the peer's that are no SMPP 3.4; knows the command_status to answer
    └── FramingError    the stream itself cannot be trusted any more: the connection ends
InvalidRequest
└── FieldError      a PDU of ours that the wire cannot carry
Unavailable
└── LinkFull        no free place in the window now, or not bound
"""

from typing import ClassVar

from sms.smpp.constants import CommandStatus
from telephony.kernel.errors import InvalidRequest, RemoteError, Unavailable


class PduError(RemoteError):
    """A PDU that breaks SMPP 3.4.

    `command_status` is what to answer with; `command_id` and `sequence` are those of the PDU as far as its
    header could be read, otherwise 0.
    """

    default_code: ClassVar[str] = "MalformedPdu"
    metric = "smpp_malformed"

    def __init__(self, message: str, *, command_status: int, command_id: int = 0, sequence: int = 0) -> None:
        super().__init__(message)
        self.command_status = command_status
        self.command_id = command_id
        self.sequence = sequence


class FramingError(PduError):
    """A command_length that cannot be: where the next PDU begins is unknown, so the connection has to end."""

    metric = "smpp_framing"

    def __init__(self, message: str, *, command_id: int = 0, sequence: int = 0) -> None:
        super().__init__(
            message, command_status=CommandStatus.ESME_RINVCMDLEN, command_id=command_id, sequence=sequence
        )


class FieldError(InvalidRequest):
    """A field of a PDU of ours does not fit; `command_status` is what an SMSC would answer."""

    metric = "smpp_field"

    def __init__(self, message: str, *, target: str, command_status: int) -> None:
        super().__init__(message, target=target)
        self.command_status = command_status


class LinkFull(Unavailable):
    """There is no free place in the window now, or no bind that could carry the request."""

    metric = "smpp_full"
