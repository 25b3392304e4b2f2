"""Calls for tests: legs that do what a test says, and a plane of calls around a real store."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import select

from telephony.calling.calls import Call
from telephony.calling.causes import Cause, cause_of
from telephony.calling.plane import Plane
from telephony.calling.ports import (
    Answered,
    CarrierFacts,
    Dialled,
    Ended,
    LegEvent,
    NoRoom,
    Offered,
    Quality,
    Rang,
    Sound,
    Trunk,
    TrunkFacts,
)
from telephony.calling.record import CallDetail, read_detail
from telephony.calling.service import CallService
from telephony.calling.settings import CallSettings
from telephony.calling.targets import VOICE_TARGETS, Subscribers
from telephony.events.store import Delivery
from telephony.kernel.clock import SECOND
from telephony.kernel.e164 import E164
from telephony.kernel.ids import NodeId, ResourceId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.kernel.store.schema import interactions
from telephony.kernel.store.timeline import Recorded, read_timeline
from telephony.numbers.kinds import EVERYTHING as CAN_EVERYTHING
from telephony.numbers.kinds import Capabilities
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.routing.compiling import compile_set
from telephony.routing.formats import USUAL
from telephony.routing.router import Router, Tables
from telephony.routing.rules import RouteSet
from telephony.routing.targets import BASIC, TargetKind, TargetKinds
from telephony.routing.voice import VoiceRouter
from tests.support import usage
from tests.support.inward import SEALER
from tests.support.sms import Subscribers as Wanted
from tests.support.usage import EVERYTHING

OWN = "+12065550100"
SECOND_OWN = "+12065550111"
PEER = "+14255550123"
OTHER = "+12065550177"

KINDS = TargetKinds((*BASIC, *VOICE_TARGETS, TargetKind("subscriptions", Subscribers)))

GOOD = Quality("PCMU", 1, 500, 2.5, 40.0, 4.2)


@dataclass
class Said:
    """What the plane told a leg to do."""

    what: str
    leg: str
    more: Any = None


class FakeLegs:
    """A `telephony.calling.ports.Legs` that writes down what it is told and does what a test scripts.

    `script` says of a trunk which events follow when it is dialled; without one, nothing comes of it.
    A leg that is hung up ends, and one that is answered is up, unless the test wants otherwise.
    """

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.dialled: list[Dialled] = []
        self.script: dict[str, Sequence[Any]] = {}
        """By trunk: events without their leg: `(Rang, 180, False)`."""
        self.listener: CallService | None = None
        self.rooms = 1000
        self.stubborn: set[str] = set()
        """Legs that do not end when they are hung up."""
        self.answering = True
        self.up: set[str] = set()
        self.open: set[str] = set()

    def tell(self, event: LegEvent) -> None:
        """Tell the plane something, as it may happen."""
        assert self.listener is not None
        if isinstance(event, Offered):
            self.open.add(event.leg)
        elif isinstance(event, Answered):
            self.up.add(event.leg)
        elif isinstance(event, Ended):
            self.open.discard(event.leg)
            self.up.discard(event.leg)
        self.listener.told(event)

    def of(self, what: str, leg: str | None = None) -> list[Said]:
        """Return what was said, of a kind and to a leg."""
        return [one for one in self.said if one.what == what and leg in (None, one.leg)]

    def _say(self, what: str, leg: str, more: Any = None) -> None:
        self.said.append(Said(what, leg, more))

    async def dial(self, dialled: Dialled) -> None:
        """See Legs."""
        if len(self.open) >= self.rooms:
            raise NoRoom
        self.dialled.append(dialled)
        self.open.add(dialled.leg)
        self._say("dial", dialled.leg, dialled.trunk.name)
        for kind, *rest in self.script.get(dialled.trunk.name, ()):
            self.tell(kind(dialled.leg, *rest))

    async def ring(self, leg: str, *, early: bool = False) -> None:
        """See Legs."""
        self._say("ring", leg, early)

    async def answer(self, leg: str) -> None:
        """See Legs."""
        self._say("answer", leg)
        if self.answering and leg in self.open:
            self.tell(Answered(leg, "PCMU"))

    async def hang_up(self, leg: str, status: int = 0, q850: int = 16) -> None:
        """See Legs."""
        self._say("hang_up", leg, (status, q850))
        if leg in self.open and leg not in self.stubborn:
            up = leg in self.up
            self.tell(Ended(leg, cause_of(200 if up else status or 487), GOOD if up else Quality()))

    async def join(self, legs: tuple[str, ...], bridge: str) -> None:
        """See Legs."""
        self._say("join", legs[0], legs[1:])

    async def part(self, leg: str) -> None:
        """See Legs."""
        self._say("part", leg)

    async def play(self, leg: str, play: str, what: Sound | str, *, repeat: int = 1) -> None:
        """See Legs."""
        self._say("play", leg, (play, str(what), repeat))

    async def stop(self, leg: str, play: str) -> None:
        """See Legs."""
        self._say("stop", leg, play)

    async def echo(self, leg: str, *, on: bool = True) -> None:
        """See Legs."""
        self._say("echo", leg, on)

    async def press(self, leg: str, digits: str) -> None:
        """See Legs."""
        self._say("press", leg, digits)

    async def hold(self, leg: str, *, on: bool = True) -> None:
        """See Legs."""
        self._say("hold", leg, on)


def trunk(carrier: str, name: str, **facts: Any) -> TrunkFacts:
    """Return a trunk."""
    return TrunkFacts(Trunk(carrier, name, facts.pop("codecs", ("PCMU",))), **facts)


class FakeTrunks:
    """A `telephony.calling.ports.Trunks` of what a test puts there."""

    def __init__(self, *carriers: CarrierFacts) -> None:
        self.all = {carrier.name: carrier for carrier in carriers}

    def carrier(self, name: str) -> CarrierFacts | None:
        """See Trunks."""
        return self.all.get(name)

    def carriers(self) -> Sequence[CarrierFacts]:
        """See Trunks."""
        return [each for name, each in self.all.items() if not name.startswith("resource:")]


class StoredNumbers:
    """Numbers as the store has them now, without a directory's memory."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, number: str) -> OwnedNumber | None:
        """See Numbers."""
        from telephony.numbers.store import FindNumber

        return await self._store.read(FindNumber(number))


@dataclass
class House:
    """A plane of calls. `alpha` has trunks a1 and a2, `beta` b1; OWN and SECOND_OWN are the resource's."""

    on: usage.Plane
    legs: FakeLegs
    trunks: FakeTrunks
    router: Router
    service: CallService
    node: NodeId
    delivered: list[Delivery] = field(default_factory=list)
    wanted: Wanted = field(default_factory=Wanted)

    @property
    def resource(self) -> ResourceId:
        """The resource."""
        return self.on.resource

    @property
    def store(self) -> Store:
        """The store."""
        return self.on.store

    def rules(self, *inbound: dict[str, Any], routes: Sequence[dict[str, Any]] = ()) -> None:
        """Put rules in force; each is for calls to every number unless it says otherwise."""
        document = {
            "inbound": [
                {"id": f"rule{place}", "kinds": ["voice"], "prefixes": [""], **one}
                for place, one in enumerate(inbound)
            ],
            "routes": [
                {"id": f"route{place}", "kind": "voice", "priority": place, **one}
                for place, one in enumerate(routes or ({"target": "alpha"}, {"target": "beta"}))
            ],
        }
        compiled = compile_set(
            msgspec.convert(document, RouteSet), dict.fromkeys(("alpha", "beta"), USUAL), KINDS
        )
        self.router.tables = Tables(compiled.outbound, self.router.tables.version + 1, compiled.inbound)

    def stop_of(self, target: dict[str, Any]) -> Any:
        """Return a target as `place` takes it."""
        return tuple(KINDS.node(target, [], {}, "then").stops(0))

    async def quiet(self) -> None:
        """Wait until nothing is to be done: every inbox is empty, everything is written."""
        while self.service.plane.tasks:
            await asyncio.wait(tuple(self.service.plane.tasks))
            for conversation in tuple(self.service._calls.values()):
                await conversation.journal.settled()
            await asyncio.sleep(0)
        for conversation in tuple(self.service._calls.values()):
            await conversation.journal.settled()

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.on.clock.advance(seconds)
        self.service.plane.timers.fire()
        await self.quiet()

    async def tell(self, *events: LegEvent) -> None:
        """Let things happen, and all that follows from them."""
        for event in events:
            self.legs.tell(event)
        await self.quiet()

    async def offer(
        self, leg: str = "in-1", number: str = OWN, caller: str = PEER, **more: Any
    ) -> Call | None:
        """Let a call come in; return it when it lives."""
        carrier = more.pop("carrier", "alpha")
        name = more.pop("trunk", "a1")
        offered = Offered(leg, carrier, name, number[1:], caller.removeprefix("+"), f"{leg}@peer", **more)
        await self.tell(offered)
        return next((call for call in self.service.live() if leg in call.legs), None)

    async def records(self) -> list[Any]:
        """Return the rows of calls, oldest first."""
        query = select(interactions).where(interactions.c.kind == "call").order_by(interactions.c.id)
        return list(await self.store.read(lambda tx: tx.execute(query).all()))

    async def record(self) -> Any:
        """Return the only call's row."""
        (row,) = await self.records()
        return row

    async def detail(self) -> CallDetail:
        """Return the only call's detail."""
        return read_detail(bytes((await self.record()).detail))

    async def timeline(self, row: Any = None) -> list[Recorded]:
        """Return a call's timeline."""
        row = row or await self.record()
        return await self.store.read(read_timeline(row.resource, row.id))

    async def ladder(self, row: Any = None) -> list[str]:
        """Return the kinds on a call's timeline."""
        return [entry.kind for entry in await self.timeline(row)]


async def house(store: Store, settings: CallSettings | None = None, **more: Any) -> House:
    """Return a plane of calls on a store with the whole schema; every limit is off."""
    on = await usage.plane(store, more.pop("limits", EVERYTHING))
    node = await store.write(RegisterNode("test"))
    legs, router = FakeLegs(), Router()
    trunks = FakeTrunks(
        CarrierFacts("alpha", (trunk("alpha", "a1"), trunk("alpha", "a2", priority=1))),
        CarrierFacts("beta", (trunk("beta", "b1"),)),
    )
    made = House(on, legs, trunks, router, None, node)  # type: ignore[arg-type]
    plane = Plane(
        store=store,
        clock=on.clock,
        node=node,
        legs=legs,
        numbers=StoredNumbers(store),
        ways_in=router,
        ways_out=VoiceRouter(router, more.pop("own", None)),
        trunks=trunks,
        limits=on.limiter,
        subscriptions=made.wanted,
        sealer=SEALER,
        enqueue=made.delivered.extend,
        settings=settings or CallSettings(),
        **more,
    )
    made.service = legs.listener = CallService(plane)
    made.service._wait_no_more()  # there is nothing to go on with
    made.rules({"target": {"kind": "echo"}})
    for number in (OWN, SECOND_OWN):
        await own(made, number)
    return made


async def own(
    on: House, number: str, resource: ResourceId | None = None, can: Capabilities = CAN_EVERYTHING
) -> None:
    """Give a number to a resource."""
    await on.store.write(
        AcquireNumber(OwnedNumber(resource or on.resource, E164(number), "alpha", can), on.on.clock.now())
    )


def ended(leg: str, status: int = 200, **more: Any) -> Ended:
    """Return the end of a leg by its peer."""
    quality = GOOD if status == 200 else Quality()
    return Ended(leg, cause_of(status, by_peer=True), quality, **more)


def rang(leg: str, status: int = 180) -> Rang:
    """Return a provisional response; 183 has sound."""
    return Rang(leg, status, status == 183)


def other_resource() -> ResourceId:
    """Return another resource."""
    return ResourceId(new_id(SECOND))


__all__ = ["Cause"]
