"""What the message plane needs of links, in its own words."""

from typing import Protocol

from sms.smpp.pdu import SubmitSm


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
