"""A call as the store keeps it: `interactions.detail`, out of memory's call and back. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from telephony.calling.calls import Call, Leg, Meter
from telephony.calling.causes import Cause
from telephony.calling.ports import Quality
from telephony.calling.states import CALL, INBOUND, OUTBOUND, CallState, LegState
from telephony.calling.targets import SUBSCRIPTIONS, Echo, Play, Subscribers
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.routing.targets import Number, Reject, Sip, Stop, Webhook
from telephony.usage.calls import KIND
from telephony.usage.limiter import CallAdmission

__all__ = ["KIND", "CallDetail", "LegRecord", "MeterRecord", "call_of", "detail_of", "read_detail"]

SETTINGS: Final[Mapping[str, type[Struct]]] = {
    "webhook": Webhook,
    "number": Number,
    "sip": Sip,
    "reject": Reject,
    "echo": Echo,
    "play": Play,
    SUBSCRIPTIONS: Subscribers,
}
"""What calls may go to."""


class MeterRecord(Struct, frozen=True, omit_defaults=True):
    """See `calls.Meter`."""

    admission: CallAdmission
    carrier: str
    direction: str
    paid: int = 0
    until: int = 0


class LegRecord(Struct, frozen=True, omit_defaults=True):
    """A leg. Times are microseconds UTC."""

    name: str
    came: bool
    carrier: str
    trunk: str
    number: str
    state: LegState
    started: int
    rang: int | None = None
    answered: int | None = None
    ended: int | None = None
    length: int = 0
    cause: Cause | None = None
    codec: str = ""
    quality: Quality = Quality()
    dtmf: str = "rfc4733"
    meter: MeterRecord | None = None


class _KeptStop(Struct, frozen=True):
    kind: str
    settings: Raw
    seconds: int | None = None


class CallDetail(Struct, frozen=True, omit_defaults=True):
    """What a call has beside the columns that all interactions have."""

    correlation: str
    main: str = ""
    other: str = ""
    joined: bool = False
    rule: str = ""
    target: str = ""
    hops: int = 0
    emergency: bool = False
    display: str = ""
    answered: int | None = None
    cause: Cause | None = None
    ended_by: str = ""
    stops: tuple[_KeptStop, ...] = ()
    """Where it goes when the target it is at is over."""
    legs: tuple[LegRecord, ...] = ()


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(CallDetail).decode


def detail_of(call: Call) -> bytes:
    """Return a call's detail as the store keeps it."""
    over = call.ended is not None
    return _encode(
        CallDetail(
            call.correlation,
            call.main,
            call.other,
            call.joined,
            call.rule,
            call.target,
            call.hops,
            call.emergency,
            call.display,
            call.answered,
            call.cause,
            call.ended_by,
            () if over else tuple(_kept(stop) for stop in call.stops),
            tuple(_leg_record(leg, over=over) for leg in call.legs.values()),
        )
    )


def read_detail(raw: bytes) -> CallDetail:
    """Return a detail that was kept."""
    return _decode(raw)


def call_of(
    resource: ResourceId,
    identifier: InteractionId,
    direction: str,
    own: str,
    peer: str,
    created: int,
    state: str,
    version: int,
    raw: bytes,
) -> Call:
    """Return a call as memory has it, from its row; its headers are forgotten."""
    detail = _decode(raw)
    call = Call(resource, identifier, direction, own, peer, created, detail.correlation)
    call.main, call.other, call.joined = detail.main, detail.other, detail.joined
    call.rule, call.target, call.hops = detail.rule, detail.target, detail.hops
    call.emergency, call.display, call.answered = detail.emergency, detail.display, detail.answered
    call.cause, call.ended_by = detail.cause, detail.ended_by
    call.stops = _stops(detail.stops)
    call.state, call.version = CallState(state), version
    call.legs = {each.name: _leg(each) for each in detail.legs}
    return call


def final(state: str) -> bool:
    """Tell whether a state of the store is one that nothing leads out of."""
    return CallState(state) in CALL.final


def _kept(stop: Stop) -> _KeptStop:
    return _KeptStop(stop.kind, Raw(_encode(stop.settings)), stop.seconds)


def _stops(kept: Sequence[_KeptStop]) -> tuple[Stop, ...]:
    return tuple(
        Stop(one.kind, msgspec.json.decode(one.settings, type=SETTINGS[one.kind]), one.seconds)
        for one in kept
        if one.kind in SETTINGS
    )


def _leg_record(leg: Leg, *, over: bool) -> LegRecord:
    meter = leg.meter
    return LegRecord(
        leg.name,
        leg.came,
        leg.carrier,
        leg.trunk,
        leg.number,
        leg.state,
        leg.started,
        leg.rang,
        leg.answered,
        leg.ended,
        leg.length,
        leg.cause,
        leg.codec,
        leg.quality,
        leg.dtmf,
        None
        if meter is None or over
        else MeterRecord(meter.admission, meter.carrier, meter.direction, meter.paid, meter.until),
    )


def _leg(kept: LegRecord) -> Leg:
    meter = kept.meter
    return Leg(
        name=kept.name,
        machine=INBOUND if kept.came else OUTBOUND,
        carrier=kept.carrier,
        trunk=kept.trunk,
        number=kept.number,
        started=kept.started,
        state=kept.state,
        dtmf=kept.dtmf,
        meter=None
        if meter is None
        else Meter(meter.admission, meter.carrier, meter.direction, meter.paid, meter.until),
        rang=kept.rang,
        answered=kept.answered,
        ended=kept.ended,
        length=kept.length,
        cause=kept.cause,
        codec=kept.codec,
        quality=kept.quality,
    )
