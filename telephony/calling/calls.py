"""A call: legs and a bridge, as memory has it. Pure: what happens comes in, what it is now can be read."""

from dataclasses import dataclass, field
from typing import Final

from telephony.calling.causes import Cause
from telephony.calling.ports import Quality
from telephony.calling.states import (
    CALL,
    INBOUND,
    OUTBOUND,
    CallEvent,
    CallState,
    LegEvent,
    LegState,
)
from telephony.kernel.ids import InteractionId, ResourceId, to_text
from telephony.kernel.states import Machine
from telephony.routing.targets import Stop
from telephony.usage.limiter import CallAdmission

MAX_HOPS: Final = 5
"""How often one call is passed on (R32)."""


@dataclass(slots=True)
class Meter:
    """What a leg costs: what was admitted, and what was taken off the budget so far."""

    admission: CallAdmission
    carrier: str
    direction: str
    """inbound | outbound"""
    paid: int = 0
    """10⁻⁶ units."""
    until: int = 0
    """Microseconds after the answer up to which it is paid."""


@dataclass(slots=True)
class Leg:
    """One party of a call."""

    name: str
    machine: Machine[LegState, LegEvent]
    carrier: str
    trunk: str
    number: str
    """Who is there, in E.164 where that could be read."""
    started: int
    """Microseconds UTC."""
    state: LegState = LegState.DIALLING
    dtmf: str = "rfc4733"
    meter: Meter | None = None
    rang: int | None = None
    answered: int | None = None
    ended: int | None = None
    answered_mono: float = 0.0
    """By the clock that is never set; 0 of a leg that an earlier process answered."""
    length: int = 0
    """Microseconds from answer to end."""
    cause: Cause | None = None
    codec: str = ""
    quality: Quality = field(default_factory=Quality)
    given_up: bool = False
    """Whether we hung up, or told to."""

    @property
    def came(self) -> bool:
        """Whether the other side dialled it."""
        return self.machine is INBOUND

    @property
    def over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state is LegState.ENDED

    @property
    def up(self) -> bool:
        """Whether both sides can speak."""
        return self.state in (LegState.UP, LegState.HELD)

    def fire(self, event: LegEvent) -> bool:
        """Let something happen; False: it cannot happen in this state, and changed nothing."""
        if not self.machine.allows(self.state, event):
            return False
        self.state = self.machine.fire(self.state, event)
        return True


def came_leg(name: str, carrier: str, trunk: str, number: str, at: int) -> Leg:
    """Return a leg that came."""
    return Leg(name, INBOUND, carrier, trunk, number, at, INBOUND.initial)


def dialled_leg(name: str, carrier: str, trunk: str, number: str, at: int) -> Leg:
    """Return a leg that is dialled."""
    return Leg(name, OUTBOUND, carrier, trunk, number, at, OUTBOUND.initial)


@dataclass(slots=True)
class Call:
    """A call of a resource."""

    resource: ResourceId
    id: InteractionId
    direction: str
    """inbound | outbound: who dialled first."""
    own: str
    """The resource's number."""
    peer: str
    """The other party, in E.164 where that could be read."""
    created: int
    correlation: str
    """What applications know it by on all its events."""
    main: str = ""
    """The leg that the call is about: the one that came, or was placed."""
    other: str = ""
    """The leg that it is joined to, or to be joined to."""
    joined: bool = False
    legs: dict[str, Leg] = field(default_factory=dict)
    """In the order in which they began."""
    rule: str = ""
    target: str = ""
    """The kind of the target that it is at."""
    stops: tuple[Stop, ...] = ()
    """Targets that follow when this one is over or fails."""
    hops: int = 0
    """How often it was passed on before it came to us."""
    emergency: bool = False
    display: str = ""
    """What the caller calls itself."""
    user_to_user: str = ""
    """The User-to-User header (RFC 7433)."""
    custom: tuple[tuple[str, str], ...] = ()
    """Headers that applications read: X-MS-Custom-*."""
    state: CallState = CALL.initial
    answered: int | None = None
    cause: Cause | None = None
    ended_by: str = ""
    """`caller`, `callee`, `us`."""
    ended: int | None = None
    version: int = 0
    """Of its row."""

    def fire(self, event: CallEvent) -> bool:
        """Let something happen; False: it cannot happen in this state, and changed nothing."""
        if not CALL.allows(self.state, event):
            return False
        self.state = CALL.fire(self.state, event)
        return True

    @property
    def bridge(self) -> str:
        """What its bridge is called."""
        return f"b-{to_text(self.id)}"

    @property
    def main_leg(self) -> Leg | None:
        """The leg that it is about."""
        return self.legs.get(self.main)

    @property
    def other_leg(self) -> Leg | None:
        """The leg that it is joined to, or to be joined to."""
        return self.legs.get(self.other)

    @property
    def open_legs(self) -> list[Leg]:
        """Legs that are not over."""
        return [leg for leg in self.legs.values() if not leg.over]

    def partner(self, leg: Leg) -> Leg | None:
        """Return the leg at the other end of the bridge."""
        if not self.joined:
            return None
        other = self.legs.get(self.other if leg.name == self.main else self.main)
        return None if other is None or other is leg or other.over else other


OUTCOMES: Final = {
    486: CallEvent.FIND_BUSY,
    600: CallEvent.FIND_BUSY,
    408: CallEvent.TIME_OUT,
    480: CallEvent.TIME_OUT,
    487: CallEvent.ABANDON,
    403: CallEvent.REJECT,
    603: CallEvent.REJECT,
    607: CallEvent.REJECT,
    608: CallEvent.REJECT,
}
"""How a call ends that was not answered, by the status it ended with."""


def outcome_of(call: Call, cause: Cause, *, lost: bool = False) -> CallEvent:
    """Return how a call ends, by its cause."""
    if lost:
        return CallEvent.LOSE
    if call.state is CallState.TALKING:
        return CallEvent.HANG_UP
    return OUTCOMES.get(cause.sip, CallEvent.FAIL)
