"""What the message plane needs of links, in its own words."""

from typing import Protocol

from sms.smpp.pdu import SubmitSm


class SubmitLink(Protocol):
    """A bind that takes submit_sm."""

    name: str

    @property
    def bound(self) -> bool:
        """Whether it is bound now."""
        ...

    @property
    def room(self) -> int:
        """How many more requests it takes now."""
        ...

    @property
    def window(self) -> int:
        """How many requests may be unanswered at once."""
        ...

    def submit(self, pdu: SubmitSm, token: object) -> None:
        """Send; the answer comes back with `token`."""
        ...


class DeliverLink(Protocol):
    """A bind that brings deliver_sm."""

    name: str

    def answer_deliver(self, sequence: int, status: int) -> None:
        """Answer one; ignored when its connection is gone."""
        ...
