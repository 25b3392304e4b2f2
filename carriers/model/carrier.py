"""A carrier: its links, and how it wants things. Units stand in the names or the comments."""

from typing import Annotated

from msgspec import Meta, Struct

from carriers.model.addressing import Addressing
from carriers.model.retry import StatusName, retry_codes
from carriers.model.smpp import MAX_PASSWORD, PerSecond, Port, ReceiptIds, SmppLink, Window
from carriers.model.text import DefaultAlphabet, TextPolicy

__all__ = ["MAX_PASSWORD", "Carrier", "Port", "SmppLink", "Window"]


class Carrier(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A carrier and its links."""

    smpp: dict[str, SmppLink] = {}
    """Links by name: all that are bound carry its messages together."""
    addressing: Addressing = Addressing()
    sender_per_second: PerSecond | None = None
    """Messages (parts) a second from each sender over all links of this node. Unset: no limit."""
    sender_rates: Annotated[dict[str, PerSecond], Meta(max_length=10_000)] = {}
    """The same for single senders: `"+14255550123" = 1.0`."""
    data_coding_default: DefaultAlphabet = "gsm"
    """What data_coding 0 means there."""
    text: TextPolicy = TextPolicy()
    """How texts are put into submit_sm for it."""
    receipt_id: ReceiptIds = "same"
    """How the id in a receipt becomes the one in submit_sm_resp: `hex-to-decimal` when the receipt's is
    hexadecimal and the answer's decimal, `decimal-to-hex` the other way round. `auto` learns it from the
    first 20 pairs that leave no doubt; receipts in doubt wait meanwhile."""
    retry_on: Annotated[tuple[StatusName, ...], Meta(max_length=100)] = ("ESME_RSYSERR", "ESME_RX_T_APPN")
    """Refusals after which a message is tried again, on another link when there is one: names of SMPP, or
    numbers of the carrier's own errors (`0x0400`). Being throttled needs no mention."""
    simulated: bool = False
    """Whether this is the carrier inside: nothing leaves the machine."""

    def __post_init__(self) -> None:
        retry_codes(self.retry_on)
        if self.text.languages and self.data_coding_default != "gsm":
            raise ValueError('text.languages: only with data_coding_default "gsm"')
