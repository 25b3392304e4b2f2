"""What the message plane needs of links and of limits, in its own words."""

from collections.abc import Sequence
from typing import Protocol

from sms.smpp.pdu import SubmitSm
from telephony.kernel.errors import LimitForbids
from telephony.kernel.ids import ResourceId
from telephony.usage.counters import Most
from telephony.usage.limiter import Admission
from telephony.usage.record import Charge


class MessageLimits(Protocol):
    """What may be sent, and what it comes to. `telephony.usage.limiter.Limiter` is one."""

    def messages(
        self, resource: ResourceId, carrier: str, sender: str, recipients: Sequence[str], segments: int
    ) -> Admission:
        """Return what becomes of a message to each recipient, and count those that may be sent.

        Raises LimitReached when they come too fast, LimitForbids when none may be sent now.
        """
        ...

    def anew(
        self, resource: ResourceId, carrier: str, sender: str, recipient: str, segments: int
    ) -> Admission:
        """Return what becomes of a message that was accepted before, by another carrier.

        Its rate is not counted again. Raises LimitForbids.
        """
        ...

    def give_back(self, admission: Admission) -> None:
        """Uncount messages that were not accepted after all."""
        ...

    def reached(self, resource: ResourceId, counter: Most, amount: int) -> LimitForbids:
        """Return the error for a counter that the accepting job could not add to."""
        ...


class InboundCharges(Protocol):
    """What inbound texts come to. `telephony.usage.inward.InboundRates` is one."""

    def received(
        self, resource: ResourceId, carrier: str, own: str, peer: str, segments: int, at: int
    ) -> Charge:
        """Return what one comes to; it may be nothing. Asked on the store's thread."""
        ...


class SubmitLink(Protocol):
    """A bind that takes submit_sm."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def bound(self) -> bool:
        """Whether it is bound now."""
        ...

    @property
    def room(self) -> int:
        """How many more requests it takes now."""
        ...

    @property
    def outstanding(self) -> int:
        """How many requests are unanswered."""
        ...

    def submit(self, pdu: SubmitSm, token: object) -> None:
        """Send; the answer comes back with `token`.

        Raises LinkFull when there is no room after all, FieldError when the PDU cannot be sent by any link.
        """
        ...


class DeliverLink(Protocol):
    """A bind that brings deliver_sm."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def answer_deliver(self, sequence: int, status: int) -> None:
        """Answer one; ignored when its connection is gone."""
        ...
