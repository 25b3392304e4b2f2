"""A carrier: its links and trunks, its numbers, and how it wants things. Units stand in the names or the
comments.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from carriers.model.addressing import Addressing
from carriers.model.blocks import NumberBlock, overlapping
from carriers.model.limits import CarrierLimits
from carriers.model.quirks import Quirk
from carriers.model.retry import StatusName, retry_codes
from carriers.model.sip import SipTrunk
from carriers.model.smpp import MAX_PASSWORD, PerSecond, Port, ReceiptIds, SmppLink, Window
from carriers.model.text import DefaultAlphabet, TextPolicy
from telephony.routing.formats import NumberFormat, NumberFormats

__all__ = ["MAX_PASSWORD", "Carrier", "Port", "SmppLink", "Window"]

Codec = Literal["PCMA", "PCMU", "G722", "opus"]
"""Names as in SDP (RFC 3551, RFC 7587)."""

SheetName = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63})?$")]
"""As `tandem rates import` takes it."""


class Carrier(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A carrier: all there is to say of it, in one place."""

    profile: Annotated[str, Meta(max_length=64)] = ""
    """The profile that it was filled in from, for people: lists show it."""
    smpp: dict[str, SmppLink] = {}
    """Links by name: all that are bound carry its messages together."""
    sip: dict[str, SipTrunk] = {}
    """SIP trunks by name, tried by priority and weight."""
    numbers: dict[str, NumberBlock] = {}
    """Blocks of numbers that it delivers, by a name of yours."""
    formats: NumberFormats | None = None
    """How numbers are written, by direction. Unset: digits with the country code in front, with a plus where
    `addressing` says so. The number as it came is always kept beside."""
    limits: CarrierLimits = CarrierLimits()
    """What it takes at most."""
    rates: SheetName = ""
    """The rate sheet that it charges by. Empty: the one of `tandem rates use --carrier`, if any."""
    codecs: Annotated[tuple[Codec, ...], Meta(min_length=1, max_length=4)] = ("PCMA", "PCMU")
    """Codecs of its calls, the best one first."""
    quirks: Annotated[tuple[Quirk, ...], Meta(max_length=len(Quirk))] = ()
    """What it does otherwise than the standards say, by name."""
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
    failover_on: Annotated[tuple[StatusName, ...], Meta(max_length=100)] = ()
    """Refusals after which a message goes to the next carrier of its routes at once. Those of `retry_on` lead
    there too, once its tries here are used up."""
    simulated: bool = False
    """Whether this is the carrier inside: nothing leaves the machine."""

    def __post_init__(self) -> None:
        retry_codes(self.retry_on)
        retry_codes(self.failover_on, "failover_on")
        both = sorted(set(self.retry_on) & set(self.failover_on))
        if both:
            raise ValueError(f"failover_on: {both[0]} stands in retry_on as well")
        forms = self.addressing
        if self.formats is not None and (forms.destination.plus or forms.e164.plus):
            raise ValueError('addressing: with formats say form = "e164" there instead of plus here')
        if len(set(self.codecs)) < len(self.codecs):
            raise ValueError("codecs: expected each one once")
        if Quirk.NO_OPTIONS in self.quirks and any(trunk.emergency for trunk in self.sip.values()):
            raise ValueError("quirks: no-options: a trunk for emergency calls has to be watched")
        shared = overlapping(self.numbers.items())
        if shared:
            raise ValueError(f"numbers: {shared[0]} and {shared[1]} share numbers")
        if self.text.languages and self.data_coding_default != "gsm":
            raise ValueError('text.languages: only with data_coding_default "gsm"')

    def number_formats(self) -> NumberFormats:
        """Return how it writes numbers: what every plane goes by."""
        if self.formats is not None:
            return self.formats
        forms = self.addressing
        return NumberFormats(
            destination=NumberFormat(form="e164" if forms.destination.plus else "digits"),
            sender=NumberFormat(form="e164" if forms.e164.plus else "digits"),
        )
