"""What a sender wants of a body's form beyond the body. Pure."""

from typing import Final

from msgspec import Struct

CLASSES: Final = range(4)
"""Message classes (3GPP TS 23.038 §4): 0 is shown at once ("flash"), 1 is for the handset, 2 for the SIM,
3 for what is attached to the handset."""


class Envelope(Struct, frozen=True, omit_defaults=True, gc=False):
    """How a body goes, for `sms.text.TextEncoder.enclosed`."""

    message_class: int | None = None
    """One of CLASSES; None: none is said."""
    look_alikes: bool = False
    """Whether look-alikes may keep a text out of UCS-2, whatever the carrier's policy is."""
    header: bytes = b""
    """Of octets: a user data header with its length octet. Inbound it is what is left of the parts' headers
    without concatenation."""
    data_coding: int | None = None
    """Of octets: SMPP 3.4 §5.2.19, as it goes; None: 8-bit data, with the message class if there is one."""


BARE: Final = Envelope()
"""Nothing is wanted."""
