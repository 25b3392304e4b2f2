"""Whether a call that came is let in, and as what: number, resource, rule. What we refuse has a reason."""

from enum import StrEnum
from typing import Final

import structlog

from telephony.calling import hops as passing
from telephony.calling.calls import MAX_HOPS, Call, Meter, came_leg
from telephony.calling.causes import Cause
from telephony.calling.hunt import own_carrier
from telephony.calling.metrics import REFUSED
from telephony.calling.plane import Plane
from telephony.calling.ports import CarrierFacts, Offered, TrunkFacts
from telephony.kernel.e164 import shorten
from telephony.kernel.errors import LimitForbids, Unavailable
from telephony.kernel.ids import InteractionId, new_id, to_text
from telephony.numbers.store import OwnedNumber
from telephony.routing.formats import taken
from telephony.routing.inbound import Arrival
from telephony.routing.rules import Kind
from telephony.usage.limiter import CallAdmission

log = structlog.get_logger(__name__)

MAX_PARTY: Final = 32
"""Characters of a party: the width of its column."""

MAX_DISPLAY: Final = 128
MAX_CUSTOM: Final = 10
MAX_VALUE: Final = 256
"""What of a caller's own words is handed on to applications: ten headers of a line each."""

CUSTOM: Final = "x-ms-custom-"
ANONYMOUS: Final = "anonymous"


class Why(StrEnum):
    """Why a call is not let in: what it is counted by."""

    UNREADABLE = "unreadable"
    UNKNOWN = "unknown-number"
    OTHER = "other-resource"
    NO_VOICE = "no-voice"
    STRANGE = "unknown-trunk"
    FULL = "trunk-full"
    LIMITS = "limits"
    DEMONSTRATION = "demonstration"
    DENIED = "no-rule"
    CIRCLE = "circle"
    DRAINING = "draining"
    AWAY = "store-away"


_NOBODYS: Final = Cause(404, 1, "There is no such number.")

CAUSES: Final = {
    Why.UNREADABLE: Cause(484, 28, "The number cannot be read."),
    Why.UNKNOWN: _NOBODYS,
    Why.OTHER: _NOBODYS,  # the same: nobody learns whose numbers there are
    Why.NO_VOICE: Cause(403, 57, "The number takes no calls."),
    Why.STRANGE: Cause(403, 21, "The trunk is not known."),
    Why.FULL: Cause(503, 34, "The trunk has no free channel."),
    Why.LIMITS: Cause(486, 17, "The resource has as many calls as it may."),
    Why.DEMONSTRATION: Cause(403, 21, "Demonstration resources take simulated calls only."),
    Why.DENIED: Cause(480, 20, "No rule is for this number."),
    Why.CIRCLE: Cause(483, 25, f"It goes in a circle: it was passed on {MAX_HOPS} times."),
    Why.DRAINING: Cause(503, 42, "The node is stopping."),
    Why.AWAY: Cause(503, 41, "The node cannot write records now."),
}


def counted(why: Why, offered: Offered) -> Cause:
    """Count a refusal and return how the caller is told."""
    REFUSED.labels(why.value).inc()
    log.info(
        "calling.refused",
        reason=why.value,
        carrier=offered.carrier,
        trunk=offered.trunk,
        number=shorten(offered.number[:64]),
    )
    return CAUSES[why]


class Arrived:
    """A call that came to a number of a resource; `why` says so when it is not let in."""

    __slots__ = ("admission", "call", "why")

    def __init__(self, call: Call, why: Why | None, admission: CallAdmission | None) -> None:
        self.call, self.why, self.admission = call, why, admission


async def arrive(plane: Plane, offered: Offered) -> Arrived | Why:
    """Return whose call it is, counted for its trunk; or why it is nobody's: that leaves no record.

    Raises nothing: a store that is away is a reason.
    """
    carrier = plane.trunks.carrier(offered.carrier)
    trunk = _trunk(carrier, offered.trunk)
    if carrier is None or trunk is None:
        return Why.STRANGE
    number = taken(offered.number, carrier.formats.inbound).number
    if number is None:
        return Why.UNREADABLE
    try:
        owner = await plane.numbers.find(number)
    except Unavailable:
        return Why.AWAY
    if owner is None:
        return Why.UNKNOWN
    if not _may_bring(carrier, owner):
        return Why.OTHER
    if full := plane.ceilings.take(carrier, trunk):
        log.warning("calling.trunk_full", carrier=carrier.name, trunk=trunk.trunk.name, reason=full)
        return Why.FULL
    caller = taken(offered.caller, carrier.formats.inbound).number or offered.caller[:MAX_PARTY]
    return _called(plane, offered, carrier, trunk, owner, str(caller) or ANONYMOUS)


def _called(
    plane: Plane,
    offered: Offered,
    carrier: CarrierFacts,
    trunk: TrunkFacts,
    owner: OwnedNumber,
    caller: str,
) -> Arrived:
    now = plane.clock.now()
    identifier = InteractionId(new_id(now))
    call = Call(
        owner.resource, identifier, "inbound", owner.number, caller, now, to_text(identifier), offered.leg
    )
    leg = came_leg(offered.leg, carrier.name, trunk.trunk.name, caller, now)
    leg.dtmf = trunk.dtmf
    call.legs[leg.name] = leg
    call.display = _printable(offered.display, MAX_DISPLAY)
    call.user_to_user = _printable(passing.first(offered.headers, "user-to-user"), MAX_VALUE)
    custom = [(name, value) for name, value in offered.headers if name.lower().startswith(CUSTOM)]
    call.custom = tuple((name[:64], _printable(value, MAX_VALUE)) for name, value in custom[:MAX_CUSTOM])
    call.hops = max(passing.hops_of(offered.headers), plane.passed_on.get((caller, owner.number), 0))
    if not owner.capabilities.calling.bits & 1:
        return Arrived(call, Why.NO_VOICE, None)
    if call.hops > MAX_HOPS:
        return Arrived(call, Why.CIRCLE, None)
    try:
        admission = plane.limits.call_in(owner.resource, carrier.name, caller)
    except LimitForbids:
        return Arrived(call, Why.DEMONSTRATION, None)
    leg.meter = Meter(admission, carrier.name, "inbound")
    way = plane.ways_in.inward(owner.resource, Arrival(Kind.VOICE, owner.number, caller, now))
    if not way.stops:
        return Arrived(call, Why.DENIED, None)
    call.rule, call.stops = way.rule, way.stops
    return Arrived(call, None, admission)


def _trunk(carrier: CarrierFacts | None, name: str) -> TrunkFacts | None:
    if carrier is None:
        return None
    return next((one for one in carrier.trunks if one.trunk.name == name), None)


def _may_bring(carrier: CarrierFacts, owner: OwnedNumber) -> bool:
    """Tell whether a trunk may bring calls to a number: a resource's own SBC only to that resource's.

    Any carrier of the operator may, as with texts: which one a network chooses is not ours to say.
    """
    return not carrier.name.startswith("resource:") or carrier.name == own_carrier(owner.resource)


def _printable(text: str, most: int) -> str:
    return "".join(each for each in text[: most * 2] if each.isprintable())[:most]
