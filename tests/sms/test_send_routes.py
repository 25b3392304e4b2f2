"""Sending by the routes: one request by several carriers, what is refused, and how each takes the text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from carriers.model.carrier import Carrier
from carriers.model.text import TextPolicy
from sms.compliance.store import Compliance
from sms.inlet import Inlet
from sms.message import Outbound
from sms.outgoing import Encode, encoded, encoder_for
from sms.ports import MessageLimits
from sms.reservation import Reservation
from sms.send import Options, Recipient, Result, SendSms
from sms.settings import SmsSettings
from sms.store.finish import Finisher
from sms.store.queries import Search
from sms.ways import NoRoute
from telephony.kernel.errors import InvalidRequest, LimitReached, Unavailable
from telephony.kernel.http.repeatability import Pair
from telephony.kernel.ids import InteractionId
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.routing.router import Router
from telephony.routing.rules import Kind, Route, RouteSet
from tests.support import usage
from tests.support.routing import route_by, router_by_number
from tests.support.sms import CARRIER, NUMBER, PEER, FakeLink, Plane, plane, text

pytestmark = pytest.mark.wire

GERMANY = "+4915112345678"
FRANCE = "+33612345678"

BY_DESTINATION = RouteSet(
    routes=(
        Route(id="home", kind=Kind.SMS, target="a", prefixes=("1",)),
        Route(id="abroad", kind=Kind.SMS, target="b", prefixes=("49",)),
    )
)


@dataclass
class Desk:
    """The verb by two carriers; what it hands on and reserves is kept."""

    on: Plane
    limits: MessageLimits | None = None
    backlogs: dict[str, int] = field(default_factory=dict)
    encoders: dict[str, Encode] = field(default_factory=dict)
    offered: list[tuple[str, Sequence[Outbound]]] = field(default_factory=list)
    settled: list[tuple[str, bool]] = field(default_factory=list)
    """Reservations that ended, and whether anybody knows what became of their messages."""
    reserves: bool = False

    def __post_init__(self) -> None:
        self.router = route_by(Router(), BY_DESTINATION, "a", "b")

    def reserve(self, carrier: str, ids: Sequence[InteractionId]) -> Reservation | None:
        def settle(_: Reservation, messages: Sequence[Outbound] | None) -> None:
            self.settled.append((carrier, messages is not None))
            self.offered.append((carrier, messages or ()))

        return Reservation(ids, settle) if self.reserves else None

    async def send(self, *to: str, text: str = "Hello", repeat: Pair | None = None) -> list[Result]:
        verb = SendSms(
            store=self.on.store,
            clock=self.on.clock,
            node=self.on.node,
            numbers=NumberDirectory(self.on.store, self.on.clock),
            ways=self.router,
            settings=self.on.settings,
            offer=lambda carrier, messages: self.offered.append((carrier, messages)),
            backlog=lambda carrier: self.backlogs.get(carrier, 0),
            reserve=self.reserve,
            encoder=lambda carrier: self.encoders.get(carrier, encoded),
            limits=self.limits,
        )
        recipients = [Recipient(one, repeat) for one in to]
        return await verb(self.on.resource, NUMBER, recipients, text, Options(), "request")


async def test_recipients_of_a_request_leave_by_their_carriers_each_as_it_takes_the_text(
    store: Store,
) -> None:
    on = await plane(store)
    turkish = encoder_for(Carrier(text=TextPolicy(languages=("turkish",))))
    desk = Desk(on, encoders={"b": turkish}, reserves=True)
    words = "ş" * 100  # two parts in UCS-2, one in Turkish
    results = await desk.send(PEER, GERMANY, FRANCE, "12", text=words)
    assert [result.status for result in results] == [202, 202, 403, 400]
    assert results[2].error == "No route takes this number now. Version 1 of the routes is in force."
    home, abroad = [await on.view(one) for one in results[:2]]
    assert (home.message.carrier, home.message.segments) == ("a", 2)
    assert (abroad.message.carrier, abroad.message.segments) == ("b", 1)
    assert [view.message.state for view in (home, abroad)] == ["submitting", "submitting"]
    assert abroad.timeline[0].data["route"] == "abroad"
    assert desk.settled == [("a", True), ("b", True)]
    assert [(carrier, [one.peer for one in messages]) for carrier, messages in desk.offered] == [
        ("a", [PEER]),
        ("b", [GERMANY]),
    ]


async def test_a_number_goes_as_routing_reads_it(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    desk = Desk(on)
    (result,) = await desk.send("+49015112345678")  # many networks take the 0 off
    assert (result.to, result.status) == ("+49015112345678", 202)
    assert (await on.view(result)).message.to == GERMANY
    with pytest.raises(InvalidRequest, match="too short for its country"):
        await desk.send("+120655501")


async def test_nothing_is_accepted_when_no_route_takes_anybody(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    with pytest.raises(NoRoute) as refused:
        await Desk(on).send(FRANCE)
    assert (refused.value.status, refused.value.code) == (403, "NoRoute")
    assert await on.store.read(Search(resource=on.resource)) == []


async def test_a_full_carrier_refuses_a_request_whole(sqlite_store: Store) -> None:
    on = await plane(sqlite_store, settings=SmsSettings(max_backlog=10))
    desk = Desk(on, backlogs={"b": 10})
    with pytest.raises(LimitReached):
        await desk.send(PEER, GERMANY)
    assert await on.store.read(Search(resource=on.resource)) == []
    (result,) = await desk.send(PEER)
    assert result.status == 202


async def test_a_carrier_that_a_resource_must_not_reach_takes_nobody_else_along(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    books = await usage.plane(sqlite_store)
    books.resource, books.clock = on.resource, on.clock
    books.__post_init__()
    books.demonstrations.add(on.resource)
    desk = Desk(on, limits=books.limiter)
    rules = (
        Route(id="inside", kind=Kind.SMS, target="simulated", prefixes=("1",)),
        Route(id="real", kind=Kind.SMS, target="b", prefixes=("49",)),
    )
    route_by(desk.router, RouteSet(routes=rules), "simulated", "b")
    inside, real = await desk.send(PEER, GERMANY)
    assert (inside.status, real.status) == (202, 403)
    assert "demonstration" in (real.error or "")


async def test_a_write_that_fails_leaves_every_reservation_in_doubt(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    desk = Desk(on, reserves=True)
    write = on.store.write

    async def away(job: Any) -> Any:
        raise Unavailable("away")

    on.store.write = away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await desk.send(PEER, GERMANY)
    on.store.write = write  # type: ignore[method-assign]
    assert desk.settled == [("a", False), ("b", False)]


async def test_a_repetition_is_one_whatever_carrier_the_routes_name_then(sqlite_store: Store) -> None:
    on = await plane(sqlite_store)
    desk = Desk(on, encoders={"b": encoder_for(Carrier(text=TextPolicy(languages=("turkish",))))})
    repeat = Pair("6f0c2f5e-7a4f-4d0e-9e5e-6a8fb6b2a001", on.clock.now())
    words = "ş" * 100
    (first,) = await desk.send(PEER, text=words, repeat=repeat)
    rules = RouteSet(routes=(Route(id="other", kind=Kind.SMS, target="b"),))
    route_by(desk.router, rules, "a", "b")
    (again,) = await desk.send(PEER, text=words, repeat=repeat)
    assert (again.status, again.message_id) == (202, first.message_id)
    assert len(await on.store.read(Search(resource=on.resource))) == 1


@pytest.mark.parametrize("routed", [True, False])
async def test_an_answer_to_a_word_leaves_by_the_routes_too(sqlite_store: Store, routed: bool) -> None:
    on = await plane(sqlite_store)
    router = router_by_number(CARRIER) if routed else route_by(Router(), RouteSet(), CARRIER)
    compliance = Compliance(on.settings, ways=router)
    inlet = Inlet(
        "another",
        Carrier(),
        store=on.store,
        clock=on.clock,
        settings=on.settings,
        finisher=lambda: Finisher(on.node, on.subscribers, compliance),
        ended=on.ended,
    )
    inlet.delivered(FakeLink(), text(b"HELP"), 1)
    await inlet.flush()
    (came,) = await on.store.read(Search(resource=on.resource, direction="inbound"))
    sent = await on.store.read(Search(resource=on.resource, direction="outbound"))
    assert [(one.carrier, one.to) for one in sent] == ([(CARRIER, PEER)] if routed else [])
    assert [carrier for carrier, _ in on.replies] == ([CARRIER] if routed else [])
    view = await on.view(InteractionId(bytes.fromhex(came.message_id[-36:].replace("-", ""))))
    answer = next(one.data["answer"] for one in view.timeline if one.kind == "asked-for-help")
    assert answer.startswith("Outgoing_" if routed else "No route takes this number now.")
