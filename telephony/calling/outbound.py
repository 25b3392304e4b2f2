"""Calls that a resource places: whom it may show, where they go, whether they may. Refusals have a record."""

from dataclasses import dataclass
from typing import Final

from telephony.calling.calls import Call
from telephony.calling.causes import Cause
from telephony.calling.emergency import emergency_number
from telephony.calling.hunt import Hunt, Way, emergency_ways, ways_of
from telephony.calling.metrics import EMERGENCY_UNROUTED
from telephony.calling.plane import Plane
from telephony.kernel.e164 import parse_e164
from telephony.kernel.errors import (
    CallerError,
    Forbidden,
    InvalidRequest,
    LimitForbids,
    LimitReached,
    NotFound,
)
from telephony.kernel.ids import InteractionId, ResourceId, new_id, to_text
from telephony.numbers.store import OwnedNumber
from telephony.routing.ports import Attempt
from telephony.routing.rules import Kind
from telephony.routing.targets import Stop
from telephony.usage.limiter import CallAdmission

NOT_OWN: Final = "The caller id is not one of the resource's numbers, and not verified."
NO_VOICE: Final = "The number may make no calls."
NO_EMERGENCY: Final = "No trunk is marked for emergency calls."

MAX_WRITTEN: Final = 256
"""Characters of a number as it is written (R6)."""


@dataclass(slots=True)
class Placed:
    """A call that is to go out; with an `error` it is only recorded."""

    call: Call
    hunt: Hunt
    number: str
    admission: CallAdmission | None = None
    error: CallerError | None = None
    replaced: bool = False
    """Whether an emergency call shows another number of the resource than was asked for."""


async def prepare(
    plane: Plane, resource: ResourceId, sender: str, to: str, then: tuple[Stop, ...], default: str
) -> Placed:
    """Return a call as it would go out, counted for its rate.

    `sender` is in E.164, `to` as somebody writes it; `then` is where it is joined to when it is answered;
    `default` is the number that emergency calls show when the resource may not show `sender`. Raises
    Unavailable, and InvalidRequest for what is no number at all.
    """
    shown = parse_e164(sender)
    if shown is None:
        raise InvalidRequest("from: It must be a number in E.164.", target="from")
    if not to or len(to) > MAX_WRITTEN:
        raise InvalidRequest("to: It must be a number.", target="to")
    owner = await plane.numbers.find(shown)
    owned = owner is not None and owner.resource == resource
    digits = emergency_number(to, shown, plane.settings.country)
    now = plane.clock.now()
    identifier = InteractionId(new_id(now))
    call = Call(resource, identifier, "outbound", shown, to[:32], now, to_text(identifier))
    call.stops, call.emergency = then, bool(digits)
    if digits:
        return await _emergency(plane, call, digits, owner if owned else None, default)
    ways = plane.ways_out.ways(
        Attempt(
            resource,
            Kind.VOICE,
            to,
            shown,
            now,
            identifier,
            owner.carrier if owner is not None and owned else "",
        )
    )
    number = ways.reading.number
    if number is not None:
        call.peer = number
    placed = Placed(call, Hunt(ways_of(ways, plane.trunks, resource, shown, identifier)), number or to)
    if not owned and not plane.callers.verified(resource, shown):
        placed.error = Forbidden(NOT_OWN, target="from")
    elif owner is not None and owned and not owner.capabilities.calling.bits & 2:
        placed.error = Forbidden(NO_VOICE, target="from")
    elif number is None:
        placed.error = InvalidRequest(f"to: {ways.refusal}", target="to")
    elif not placed.hunt.ways:
        placed.error = NotFound(
            ways.refusal or "No trunk of the carriers of its routes is there.", target="to"
        )
    else:
        _admit(plane, placed, shown, number)
    return placed


def _admit(plane: Plane, placed: Placed, shown: str, number: str) -> None:
    """Count the call for its rate, by the first way that may be taken."""
    error: CallerError | None = None
    for way in placed.hunt.ways:
        try:
            placed.admission = plane.limits.call(placed.call.resource, way.carrier.name, way.shown, number)
            return
        except LimitReached as reached:
            placed.error = reached
            return
        except LimitForbids as forbids:
            error = error or forbids
    placed.error = error


async def _emergency(
    plane: Plane, call: Call, digits: str, owner: OwnedNumber | None, default: str
) -> Placed:
    """An emergency call (R33): by trunks marked for it alone, with a number of the resource's own."""
    replaced = owner is None
    if owner is None and default:
        call.own = default
        owner = await plane.numbers.find(default)
    call.peer = digits
    ways: list[Way] = []
    if owner is not None:
        ways = emergency_ways(plane.trunks, digits, call.own, owner.carrier, call.id)
    placed = Placed(call, Hunt(ways), digits, plane.limits.emergency(call.resource), replaced=replaced)
    if owner is None:
        placed.error, placed.admission = Forbidden(NOT_OWN, target="from"), None
    elif not ways:
        EMERGENCY_UNROUTED.inc()
        placed.error, placed.admission = NotFound(NO_EMERGENCY, target="to"), None
    return placed


def cause_of_error(error: CallerError) -> Cause:
    """Return what stands in the record of a call that was refused."""
    if isinstance(error, LimitReached):
        return Cause(503, 42, error.message)
    if isinstance(error, InvalidRequest):
        return Cause(484, 28, error.message)
    if isinstance(error, NotFound):
        return Cause(404, 3, error.message)
    return Cause(403, 57 if isinstance(error, LimitForbids) else 21, error.message)
