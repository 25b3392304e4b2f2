"""What routing needs of others, and what it is to those who send and call, in its own words."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from telephony.kernel.ids import ResourceId
from telephony.kernel.money import Money
from telephony.routing.decide import Decision, Hop, Witness
from telephony.routing.dialled import Reading
from telephony.routing.inbound import Arrival, WayIn
from telephony.routing.rules import Kind


class Attempt(Struct, frozen=True, gc=False):
    """Something that a resource wants to send or call."""

    resource: ResourceId
    kind: Kind
    written: str
    """Whom it is for, as the caller wrote it."""
    sender: str
    """Whom it is from: an own number in E.164, a short code or a name."""
    at: int
    """When: microseconds UTC."""
    seed: bytes = b""
    """The interaction's id: the same draws the same order of equal routes again."""
    own: str = ""
    """The carrier that the sender's number belongs to; empty: none."""
    without: tuple[str, ...] = ()
    """Carriers that were tried already."""


class WayOut(Struct, frozen=True, gc=False):
    """Where it goes, or why not."""

    reading: Reading
    decision: Decision | None
    """None when what was written is no number."""
    version: int = 0
    """Of the routes that decided; 0: there are none."""

    @property
    def hops(self) -> tuple[Hop, ...]:
        """Carriers in the order in which they are to be tried; none: it is refused."""
        return self.decision.hops if self.decision is not None else ()

    @property
    def refusal(self) -> str:
        """Why it goes nowhere, in words; empty when it goes somewhere."""
        if self.decision is None:
            return str(self.reading.refusal or "")
        if not self.decision.refusal or not self.version:
            return self.decision.refusal and f"{self.decision.refusal} There are no routes."
        return f"{self.decision.refusal} Version {self.version} of the routes is in force."


class WaysOut(Protocol):
    """What sending and calling ask before anything leaves, and once more before each next attempt."""

    def out(self, attempt: Attempt, witness: Witness | None = None) -> WayOut:
        """Return where an attempt goes. Quick: no database, no network. Raises nothing."""
        ...


class WaysIn(Protocol):
    """What receiving asks."""

    def inward(self, resource: ResourceId, arrival: Arrival, witness: Witness | None = None) -> WayIn:
        """Return where something for a resource's number goes. Quick, raises nothing."""
        ...


class Health(Protocol):
    """Knows which carriers can be reached (R9)."""

    def usable(self, carrier: str, kind: Kind) -> bool:
        """Tell whether a carrier takes calls or texts now. Quick: it is asked with every decision."""
        ...


class Price(Struct, frozen=True):
    """What a resource pays for something by some carrier."""

    amount: Money
    per: str
    """`minute` or `part`."""
    sheet: str = ""
    """The rate sheet that says so."""
    prefix: str = ""
    """The line of it: the prefix."""


class LimitState(Struct, frozen=True):
    """A limit, and whether an attempt is within it."""

    limit: str
    """Its name, as configuration and refusals spell it."""
    allowed: bool
    text: str = ""
    """How much there is and how much is used, in words."""


class Prices(Protocol):
    """Knows what things cost. Rating implements it."""

    async def price(self, attempt: Attempt, number: str, hop: Hop) -> Price | None:
        """Return what an attempt by a hop costs the resource; None when no sheet says. Changes nothing."""
        ...


class Limits(Protocol):
    """Knows what is allowed. Usage implements it."""

    async def preview(
        self, attempt: Attempt, number: str, price: Price | None, carrier: str
    ) -> Sequence[LimitState]:
        """Return every limit that an attempt by a carrier would be held against. Counts nothing."""
        ...


class AllUsable:
    """A health of which nothing is known: every carrier is tried in its turn."""

    def usable(self, carrier: str, kind: Kind) -> bool:
        """See `Health`."""
        return True


class Unpriced:
    """No rate sheets: nothing has a price."""

    async def price(self, attempt: Attempt, number: str, hop: Hop) -> Price | None:
        """See `Prices`."""
        return None


class Unlimited:
    """No limits that could be shown."""

    async def preview(
        self, attempt: Attempt, number: str, price: Price | None, carrier: str
    ) -> Sequence[LimitState]:
        """See `Limits`."""
        return ()
