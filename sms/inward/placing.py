"""Where a whole inbound text goes, done in the transaction that keeps it: so no text is between two places.

What takes it at once is done here: a delivery is written, an account's queue gets a row. A text that is sent
on to another number becomes a row for `sms.inward.forwarder`; when that fails, the rest of its way is gone
from here again.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy import Connection, func, insert, select

from sms.events import RECEIVED, ReceivedSms, received_event
from sms.extension import TandemMessage, shown
from sms.inward.tables import forwards
from sms.inward.targets import SUBSCRIPTIONS, Subscriptions
from sms.message import KIND, wire_id
from sms.ports import InboundCharges
from sms.states import INBOUND, InboundEvent, MessageState
from sms.text import Alphabet
from telephony.events.event import Event
from telephony.events.ports import Sealer
from telephony.events.routed import Endpoint, endpoint_of, publish_to
from telephony.events.store import Publication
from telephony.kernel import ids
from telephony.kernel.clock import DAY, HOUR, to_iso
from telephony.kernel.e164 import shorten
from telephony.kernel.ids import InteractionId, ResourceId
from telephony.kernel.store.timeline import Entry, append_many
from telephony.routing.inbound import Arrival
from telephony.routing.ports import WaysIn
from telephony.routing.rules import Kind
from telephony.routing.targets import Number, Reject, Stop, Webhook
from telephony.usage.record import Charge, Used, record

if TYPE_CHECKING:
    from sms.store.finish import Finisher
    from sms.store.inbound import InboundSms  # which needs this module

SOURCE: Final = "route"
"""The source of what rules did, in timelines."""

MAX_HOPS: Final = 5
"""How often one text is sent on (R32): whoever sends in a circle does not do so for ever."""

CIRCLE: Final = HOUR
"""Microseconds for which a text that was sent on is known again."""

KEPT: Final = 2 * DAY
"""How long it is kept that a text was sent on: longer than it is tried."""

NOBODY: Final = "Nobody of the resource has asked for texts."
UNTAKEN: Final = "Nothing that its rule leads to has taken it."

_SETTINGS: Final[Mapping[str, type[Struct]]] = {
    "webhook": Webhook,
    "number": Number,
    "reject": Reject,
    SUBSCRIPTIONS.name: Subscriptions,
}
"""What texts may go to."""

Key = tuple[ResourceId, InteractionId]


class Inward:
    """What placing texts needs on one node: rules, what seals webhooks' secrets, prices of inbound texts."""

    def __init__(self, ways: WaysIn, sealer: Sealer, charges: InboundCharges | None = None) -> None:
        """`charges` tells what a text comes to; None: usage is not counted."""
        self.ways, self.sealer, self.charges = ways, sealer, charges
        self.wake: Callable[[], None] = lambda: None
        """Told on the loop, after the commit, that a text is to be sent on."""


class Plan(Struct, frozen=True):
    """The way of a text: what is left of it when it is sent on."""

    rule: str
    stops: tuple[Stop, ...]


class _KeptStop(Struct, frozen=True):
    kind: str
    settings: msgspec.Raw


class _KeptPlan(Struct, frozen=True):
    rule: str
    stops: tuple[_KeptStop, ...]


def encode_plan(plan: Plan) -> bytes:
    """Return a way as the store keeps it."""
    return msgspec.json.encode(plan)


def decode_plan(raw: bytes) -> Plan:
    """Return a way as it was kept; a kind that texts cannot go to any more is left out."""
    kept = msgspec.json.decode(raw, type=_KeptPlan)
    stops = [
        Stop(one.kind, msgspec.json.decode(one.settings, type=_SETTINGS[one.kind]))
        for one in kept.stops
        if one.kind in _SETTINGS
    ]
    return Plan(kept.rule, tuple(stops))


def digest_of(body: bytes) -> bytes:
    """Return by what a text is known again when it was sent on."""
    return blake2b(body, digest_size=16).digest()


def said(message: "InboundSms", target: Number) -> str | bytes:
    """Return what is sent on: the text, or its octets."""
    if message.alphabet == Alphabet.BINARY.value:
        return message.body
    return f"{message.peer}: {message.text}" if target.named else message.text


class Placer:
    """Places the texts of one job. `place` or `go_on` for each, then `write`."""

    def __init__(self, tx: Connection, finisher: "Finisher") -> None:
        finisher.placed.clear()  # the job may run twice
        finisher.forwards = 0
        self._tx, self._finisher = tx, finisher
        self._inward = finisher.inward
        self._events: list[Publication] = []
        self._routed: dict[Endpoint, list[Publication]] = {}
        self._endpoints: dict[tuple[ResourceId, str], Endpoint | str] = {}
        self._told: list[tuple[ResourceId, InteractionId, InboundSms]] = []
        self._entries: list[Entry] = []
        self._used: list[Used] = []
        self._at = 0

    def charge(self, resource: ResourceId, message: "InboundSms") -> Charge | None:
        """Count a text, and return what it comes to; None: nothing is counted."""
        inward = self._inward
        if inward is None or inward.charges is None:
            return None
        charge = inward.charges.received(
            resource, message.carrier, message.own, message.peer, message.segments, message.at
        )
        self._used.append(Used(resource, message.at, message.carrier, KIND, "inbound", charge))
        return charge

    def place(self, key: Key, message: "InboundSms") -> MessageState:
        """Take a text to where rules send it; return the state that it is in then."""
        self._at = max(self._at, message.at)
        if self._inward is None:  # nobody decides: whoever asked for texts gets them
            self._subscribers(key, message)
            return INBOUND.initial
        arrival = Arrival(Kind.SMS, message.own, message.peer, message.at)
        way = self._inward.ways.inward(key[0], arrival)
        if not way.stops:
            self._note(key, message.at, "message.refused", {"reason": way.refusal})
            return self._ended("denied", InboundEvent.REFUSE)
        return self._go(key, message, Plan(way.rule, way.stops), message.at)

    def go_on(self, key: Key, message: "InboundSms", plan: Plan, at: int) -> MessageState:
        """Take a text on that the place before did not take, at a time."""
        self._at = max(self._at, at)
        return self._go(key, message, plan, at)

    def _go(self, key: Key, message: "InboundSms", plan: Plan, at: int) -> MessageState:
        for place, stop in enumerate(plan.stops):
            rest = Plan(plan.rule, plan.stops[place + 1 :])
            told: dict[str, object] = {"rule": plan.rule, "target": stop.kind, **_shown(stop)}
            if isinstance(stop.settings, Reject):
                told["reason"] = f"The rule refuses it: {stop.settings.reason}."
                self._note(key, at, "message.refused", told)
                return self._ended("refused", InboundEvent.REFUSE)
            why = self._try(key, message, stop, rest)
            if not why:
                self._note(key, at, "message.routed", told)
                self._count(stop.kind)
                return INBOUND.initial
            self._note(key, at, "route.failed", {**told, "reason": why})
        self._note(key, at, "message.failed", {"rule": plan.rule, "reason": UNTAKEN})
        return self._ended("failed", InboundEvent.FAIL)

    def _try(self, key: Key, message: "InboundSms", stop: Stop, rest: Plan) -> str:
        """Return why a place does not take a text; empty when it has."""
        match stop.settings:
            case Subscriptions():
                wanted = self._subscribers(key, message)
                return "" if wanted or not rest.stops else NOBODY
            case Webhook(url=url):
                return self._webhook(key, message, url)
            case Number() as target:
                return self._forward(key, message, target, rest)
        return "Texts cannot go there."

    def _subscribers(self, key: Key, message: "InboundSms") -> bool:
        """Tell whoever of the resource asked for texts; tell whether anybody did."""
        finisher, wanted = self._finisher, False
        if finisher.wanted(key[0], RECEIVED):
            self._events.append(Publication(*key, (event_of(key[1], message),)))
            wanted = True
        if finisher.esmes is not None:
            self._told.append((*key, message))
            wanted = wanted or finisher.esmes.wants(key[0])
        return wanted

    def _webhook(self, key: Key, message: "InboundSms", url: str) -> str:
        assert self._inward is not None
        known = (key[0], url)
        endpoint = self._endpoints.get(known)
        if endpoint is None:
            endpoint = endpoint_of(self._tx, key[0], url, self._inward.sealer, self._at)
            self._endpoints[known] = endpoint
        if isinstance(endpoint, str):
            return f"{endpoint[0].upper()}{endpoint[1:]}."
        publication = Publication(*key, (event_of(key[1], message),))
        self._routed.setdefault(endpoint, []).append(publication)
        return ""

    def _forward(self, key: Key, message: "InboundSms", target: Number, rest: Plan) -> str:
        """Leave a text to be sent on, unless it goes in a circle."""
        text = said(message, target)
        digest = digest_of(text.encode() if isinstance(text, str) else text)
        hops = 1 + self._hops(key[0], message, target.number, digest)
        if hops > MAX_HOPS:
            return f"It goes in a circle: it was sent on {MAX_HOPS} times."
        now = self._at
        values = {
            "resource": key[0],
            "id": ids.new_id(now),
            "message": key[1],
            "node": self._finisher.node,
            "due": now,
            "own": message.own,
            "peer": message.peer,
            "target": target.number,
            "digest": digest,
            "hops": hops,
            "stops": encode_plan(Plan(rest.rule, (Stop("number", target), *rest.stops))),
            "at": now,
            "expires": now + KEPT,
        }
        self._tx.execute(insert(forwards), values)
        self._finisher.forwards += 1
        return ""

    def _hops(self, resource: ResourceId, message: "InboundSms", target: str, digest: bytes) -> int:
        """Return how often a text was sent on already: by our numbers to here, or back to us by others."""
        column = forwards.c
        recent = (column.resource == resource, column.at > message.at - CIRCLE)
        here = select(func.max(column.hops)).where(
            *recent,
            column.digest == digest_of(message.body),
            column.own == message.peer,
            column.target == message.own,
        )
        same = select(func.count()).where(
            *recent,
            column.digest == digest,
            column.own == message.own,
            column.peer == message.peer,
            column.target == target,
        )
        return max(self._tx.execute(here).scalar() or 0, self._tx.execute(same).scalar() or 0)

    def write(self) -> None:
        """Write what there is to do, and what was done."""
        tx, finisher = self._tx, self._finisher
        append_many(tx, self._entries)
        if finisher.esmes is not None and self._told:
            finisher.woken |= finisher.esmes.received(tx, self._told)
        if self._events:
            finisher.publish(tx, self._events, self._at)
        for endpoint, publications in self._routed.items():
            finisher.deliveries += publish_to(tx, endpoint, publications, node=finisher.node, now=self._at)
        if self._used:
            record(tx, finisher.node, self._used)

    def _ended(self, outcome: str, event: InboundEvent) -> MessageState:
        self._count(outcome)
        return INBOUND.fire(INBOUND.initial, event)

    def _count(self, target: str) -> None:
        self._finisher.placed[target] = self._finisher.placed.get(target, 0) + 1

    def _note(self, key: Key, at: int, kind: str, data: Mapping[str, object]) -> None:
        self._entries.append(Entry(*key, at, self._finisher.node, SOURCE, kind, data))


def event_of(identifier: InteractionId, message: "InboundSms") -> Event:
    """Return what applications are told of a text."""
    data = message.body if message.alphabet == Alphabet.BINARY.value else None
    beyond = shown(message.extras, 0, data)
    if beyond is None and data is not None:
        beyond = TandemMessage(data=data)
    return received_event(
        message.at,
        ReceivedSms(
            message_id=wire_id(identifier, "inbound"),
            from_=message.peer,
            to=message.own,
            message=message.text,
            received_timestamp=to_iso(message.at),
            segment_count=message.segments,
            tandem=UNSET if beyond is None else beyond,
        ),
    )


def _shown(stop: Stop) -> Mapping[str, object]:
    """Return what a timeline says of a place; a URL's query may hold what is nobody's business."""
    match stop.settings:
        case Webhook(url=url):
            return {"url": url.partition("?")[0].partition("#")[0]}
        case Number(number=number):
            return {"number": shorten(number)}  # it may be a person's; the message it leaves by has all of it
    return {}
