"""Named ways of being a carrier. An account binds under one of them.

A profile is data: one field for each thing that carriers do differently, neutral by default. A further
misbehaviour is a further field, read where that thing is done, and a named profile in `catalogue` that sets
it. Outcomes (by destination) and profiles (by account) combine: the outcome decides what becomes of one
message, the profile how the SMSC treats all of them.
"""

from dataclasses import dataclass
from enum import Enum

from carriers.simulated.spelling import Spelling
from sms.smpp.constants import CommandStatus


class TextForm(Enum):
    """How a handset's long text comes."""

    UDH = "parts with a header of 8-bit reference"
    UDH_16 = "parts with a header of 16-bit reference"
    SAR = "parts with sar_* parameters"
    PAYLOAD = "whole, in message_payload"


@dataclass(frozen=True, slots=True)
class Profile:
    """How the SMSC treats every message of an account. `…_every`: each such submit_sm, counted; 0: none."""

    name: str
    summary: str
    """One line for the reference."""

    # Ids and receipts
    response_id: Spelling = Spelling.HEX
    """In submit_sm_resp."""
    receipt_id: Spelling = Spelling.HEX
    """In receipts: text and parameter."""
    receipt_tlv_id: Spelling | None = None
    """In receipts' parameter, when it is another than in their text."""
    receipt_text: bool = True
    """Whether receipts have a text."""
    receipt_tlvs: bool = True
    """Whether receipts have receipted_message_id and message_state."""
    receipt_in_payload: bool = False
    """Whether a receipt's text stands in message_payload."""
    receipt_unflagged: bool = False
    """Whether receipts look like messages by their esm_class."""
    receipt_first: bool = False
    """Every receipt comes before the response to its submit_sm."""
    receipts: int = 1
    """How often each comes."""
    receipts_shuffled: bool = False
    """Receipts come in another order than the messages."""
    receipt_of_last_part: bool = False
    """Of a long text's parts only the last gets a receipt."""
    receipt_intermediate: bool = False
    """An ENROUTE comes before the final one (esm_class 0x20)."""

    # Responses
    per_second: float | None = None
    """submit_sm a second; ESME_RTHROTTLED answers the rest. An account may set its own."""
    refuse_every: int = 0
    """A submit_sm answered with `refusal`."""
    refusal: int = CommandStatus.ESME_ROK
    nack: bool = False
    """Refusals come as generic_nack."""
    lose_every: int = 0
    """A submit_sm taken and not answered."""
    responses_shuffled: bool = False
    """Responses come in another order than the requests."""
    responses_twice: bool = False
    """Each response comes a second time."""

    # The connection
    refused_binds: int = 0
    """Binds of the account that fail before one is accepted."""
    early_messages: bool = False
    """What waits is delivered before the bind is answered."""
    unbind_every: int = 0
    """A submit_sm after which the SMSC unbinds."""
    poison: bytes = b""
    """A submit_sm with these octets in its text ends the connection at once, and is neither taken nor
    answered."""
    drop_every: int = 0
    """A submit_sm whose response ends in the middle, and the connection with it."""
    deaf_after: int = 0
    """submit_sm after which the SMSC reads no more, but keeps the connection."""
    mute: bool = False
    """Nothing but the bind is ever answered, enquire_link neither."""
    slow_seconds: float = 0.0
    """How long the SMSC reads nothing after each read."""
    split: bool = False
    """Each octet is sent by itself."""
    enquiries: int = 0
    """enquire_link after each response."""
    noise: bool = False
    """PDUs that are broken, unknown or answer nothing stand between the others."""
    vendor_tlvs: bool = False
    """Parameters of the carrier's own, some twice, in responses and deliver_sm."""

    # Texts from handsets
    text_form: TextForm = TextForm.UDH
    texts: int = 1
    """How often each comes."""
    parts_reversed: bool = False
    by_data_sm: bool = False
    """Receipts and texts come by data_sm."""

    @property
    def wild(self) -> bool:
        """Whether it concerns the octets on the wire, not only what is said."""
        if self.drop_every or self.deaf_after:
            return True
        return bool(
            self.early_messages or self.mute or self.slow_seconds or self.split or self.enquiries
            or self.noise or self.responses_twice
        )  # fmt: skip
