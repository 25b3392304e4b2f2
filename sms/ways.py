"""The ways out of messages, as routing tells them: by which carrier each recipient's leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sms.ports import MessageLimits
from telephony.kernel.errors import Forbidden, InvalidRequest
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.numbers.directory import NumberDirectory
from telephony.routing.decide import Hop
from telephony.routing.ports import Attempt, WaysOut
from telephony.routing.rules import Kind

MOST_CARRIERS: Final = 3
"""Carriers that a message is given to, one after the other: as many as a call is (R8)."""


class NoRoute(Forbidden):
    """No route takes a number: by default nothing goes anywhere."""

    default_code = "NoRoute"
    metric = "no_route"


@dataclass(frozen=True, slots=True)
class Party:
    """Whose message it is, and whom it is from."""

    resource: ResourceId
    sender: str
    carrier: str
    """The carrier that the sender's number belongs to."""


@dataclass(frozen=True, slots=True)
class Outward:
    """What decides where messages go, on one node."""

    ways: WaysOut
    numbers: NumberDirectory
    """Knows whose the senders are."""
    limits: MessageLimits | None = None
    """What may be sent and what it comes to; None: everything, and nothing is counted."""


@dataclass(slots=True)
class Batch:
    """Messages of one request that leave by one carrier."""

    carrier: str
    places: list[int] = field(default_factory=list)
    """Of the recipients, in the request."""
    ids: list[InteractionId] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    """The recipients in E.164, as routing reads them: no spelling gets around a rule."""
    hops: list[tuple[Hop, ...]] = field(default_factory=list)

    def keep(self, kept: Sequence[bool]) -> None:
        """Leave some out; `kept` has one for each."""
        for name in ("places", "ids", "numbers", "hops"):
            values = getattr(self, name)
            setattr(self, name, [value for value, stays in zip(values, kept, strict=True) if stays])


def find_way(
    ways: WaysOut, party: Party, to: str, at: int, seed: InteractionId, tried: tuple[str, ...] = ()
) -> tuple[str, tuple[Hop, ...]]:
    """Return a recipient's number in E.164 and the carriers to try, in order.

    Raises NoRoute, InvalidRequest for what is no number. `at` is when the message was accepted, or is moved:
    microseconds UTC; `tried` are left out.
    """
    way = ways.out(Attempt(party.resource, Kind.SMS, to, party.sender, at, seed, party.carrier, tried))
    hops, number = way.hops, way.reading.number
    if number is None:
        raise InvalidRequest(way.refusal, target="smsRecipients")
    if not hops:
        raise NoRoute(way.refusal, target="smsRecipients")
    return number, hops
