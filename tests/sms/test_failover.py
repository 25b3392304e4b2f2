"""Messages that move to the next carrier, and those that must not, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from sms.answers import RETRY_SECONDS
from sms.life import MessageLife
from sms.message import from_wire_id
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus
from sms.ways import NoRoute
from telephony.kernel.store import Store
from telephony.routing.rules import Kind, Route, RouteSet
from telephony.usage.counters import day_of
from telephony.usage.counters import used as counted
from telephony.usage.tables import usage_daily
from tests.support import usage
from tests.support.failover import Chain, chain
from tests.support.routing import route_by
from tests.support.sms import Plane, plane, receipt, settled

pytestmark = pytest.mark.unit

REFUSED = CommandStatus.ESME_RSUBMITFAIL
BUSY = CommandStatus.ESME_RSYSERR
LONG = "x" * 200


@pytest_asyncio.fixture
async def on(store: Store) -> AsyncIterator[Plane]:
    made = await plane(store, settings=SmsSettings(attempts=2))
    yield made
    for dispatcher in made.dispatchers:
        await dispatcher.stop()


async def rerouted(on: Plane, sent: Any) -> list[dict[str, Any]]:
    return [entry.data for entry in (await on.view(sent)).timeline if entry.kind == "message.rerouted"]


async def test_a_refusal_that_is_named_leads_to_the_next_carrier_and_its_receipt_is_matched(
    on: Plane,
) -> None:
    carriers = await chain(on, failover_on={REFUSED})
    sent = await carriers.send()
    a, b = carriers.links["a"], carriers.links["b"]
    await a.until_sent(1)
    a.answer(REFUSED)
    await b.until_sent(1)
    b.answer(0, "77")
    await _until(on, sent, "submitted")
    view = await on.view(sent)
    assert view.message.carrier == "b"
    assert [entry.kind for entry in view.timeline] == [
        "message.accepted",
        "message.rerouted",
        "part.submitted",
    ]
    accepted, moved = view.timeline[0].data, view.timeline[1].data
    assert (accepted["carrier"], accepted["route"], accepted["then"]) == ("a", "to-a", ["b"])
    assert moved == {
        "from": "a",
        "to": "b",
        "route": "to-b",
        "reason": "refused by the carrier: ESME_RSUBMITFAIL (submit_sm or submit_multi failed)",
        "attempt": 2,
    }
    assert view.timeline[1].source == "link:a"
    inlet = on.inlet("b")
    inlet.delivered(b, receipt("77"), 1)
    await _until(on, sent, "delivered")
    await inlet.stop()
    assert carriers.dispatchers["a"].backlog == 0
    assert len(a.sent) == len(b.sent) == 1


async def test_a_refusal_that_is_worth_another_try_leads_on_when_the_tries_are_used_up(on: Plane) -> None:
    carriers = await chain(on)
    sent = await carriers.send()
    a, b = carriers.links["a"], carriers.links["b"]
    await a.until_sent(1)
    a.answer(BUSY)
    on.clock.advance(RETRY_SECONDS[0])
    carriers.dispatchers["a"].pump()
    await a.until_sent(2)
    assert not b.sent
    a.answer(BUSY)
    await b.until_sent(1)
    b.answer()
    await _until(on, sent, "submitted")
    (moved,) = await rerouted(on, sent)
    assert moved["reason"].endswith("(2 times)")
    assert "possible_duplicate" not in moved


async def test_a_refusal_that_is_not_named_ends_a_message(on: Plane) -> None:
    carriers = await chain(on, failover_on={REFUSED})
    sent = await carriers.send()
    await carriers.links["a"].until_sent(1)
    carriers.links["a"].answer(CommandStatus.ESME_RINVDSTADR)
    await _until(on, sent, "failed")
    assert not carriers.links["b"].sent


async def test_a_lost_answer_leads_on_after_its_tries_and_the_message_is_marked(on: Plane) -> None:
    carriers = await chain(on)
    sent = await carriers.send()
    a, b = carriers.links["a"], carriers.links["b"]
    await a.until_sent(1)
    a.lose()
    on.clock.advance(RETRY_SECONDS[0])
    carriers.dispatchers["a"].pump()
    await a.until_sent(2)
    a.lose()
    await b.until_sent(1)
    b.answer()
    await _until(on, sent, "submitted")
    (moved,) = await rerouted(on, sent)
    assert moved["possible_duplicate"] is True
    assert (await on.kinds(sent)).count("part.sent-again") == 2  # once here, once there


async def test_what_a_carrier_that_answers_nothing_lost_each_time_moves_on_and_is_marked(on: Plane) -> None:
    carriers = await chain(on)
    sent = await carriers.send(LONG)
    a, b = carriers.links["a"], carriers.links["b"]
    for _ in range(on.settings.poison_after):
        await settled(lambda: bool(a.flying))
        a.break_off()
        a.bind()
        carriers.dispatchers["a"].pump()
        on.clock.advance(max(RETRY_SECONDS))
        carriers.dispatchers["a"].pump()
    await settled(lambda: carriers.dispatchers["a"].pump() or len(b.sent) == 2)
    b.answer()
    b.answer()
    await _until(on, sent, "submitted")
    (moved,) = await rerouted(on, sent)
    assert moved["possible_duplicate"] is True
    assert moved["reason"] == "unanswered on 3 connections one after the other"


async def test_what_no_other_carrier_takes_goes_on_where_it_was_lost(on: Plane) -> None:
    carriers = await chain(on, "a")
    sent = await carriers.send()
    a = carriers.links["a"]
    for _ in range(on.settings.poison_after + 1):
        await settled(lambda: bool(a.flying))
        a.break_off()
        a.bind()
        carriers.dispatchers["a"].pump()
        on.clock.advance(max(RETRY_SECONDS))
        carriers.dispatchers["a"].pump()
    await settled(lambda: carriers.dispatchers["a"].pump() or bool(a.flying))
    a.answer()
    await _until(on, sent, "submitted")


async def test_what_the_carrier_took_a_part_of_stays_there(on: Plane) -> None:
    carriers = await chain(on, failover_on={REFUSED})
    sent = await carriers.send(LONG)
    a = carriers.links["a"]
    await a.until_sent(2)
    a.answer(REFUSED)  # the other part is on the wire still
    assert await on.state(sent) == "submitting"
    a.answer()
    await _until(on, sent, "failed")
    assert await rerouted(on, sent) == []
    assert not carriers.links["b"].sent
    assert (await on.view(sent)).timeline[-1].data == {
        "reason": "refused by the carrier: ESME_RSUBMITFAIL (submit_sm or submit_multi failed)"
    }


async def test_all_parts_of_a_text_move_together(on: Plane) -> None:
    carriers = await chain(on, failover_on={REFUSED})
    sent = await carriers.send(LONG)
    a, b = carriers.links["a"], carriers.links["b"]
    await a.until_sent(2)
    a.answer(REFUSED)
    a.answer(REFUSED)
    await b.until_sent(2)
    b.answer()
    b.answer()
    await _until(on, sent, "submitted")
    assert len(await rerouted(on, sent)) == 1


async def test_each_carrier_is_tried_once_and_three_at_most(on: Plane) -> None:
    carriers = await chain(on, "abcd", failover_on={REFUSED})
    sent = await carriers.send()
    for name in "abc":
        await carriers.links[name].until_sent(1)
        carriers.links[name].answer(REFUSED)
    await _until(on, sent, "failed")
    assert [moved["to"] for moved in await rerouted(on, sent)] == ["b", "c"]
    assert not carriers.links["d"].sent


async def test_without_another_carrier_a_message_fails_as_ever(on: Plane) -> None:
    carriers = await chain(on, "a", failover_on={REFUSED})
    sent = await carriers.send()
    await carriers.links["a"].until_sent(1)
    carriers.links["a"].answer(REFUSED)
    await _until(on, sent, "failed")


async def test_what_waits_for_a_carrier_that_is_gone_for_long_moves_on(on: Plane) -> None:
    carriers = await chain(on)
    a, b = carriers.links["a"], carriers.links["b"]
    a.window = 2
    first = await carriers.send()
    second = await carriers.send()
    third = await carriers.send()
    await a.until_sent(2)
    a.bound = False  # the third waits in the queue; the first two are on the wire
    for index in (1, 0):
        a.answer(BUSY, index=index)  # refused before the connection went
    carriers.second()
    on.clock.advance(9.0)
    carriers.second()
    assert not b.sent
    on.clock.advance(1.5)
    await settled(lambda: carriers.second() or len(b.sent) == 3)  # one was being claimed, perhaps
    for sent in (first, second, third):
        b.answer()
        await _until(on, sent, "submitted")
        (moved,) = await rerouted(on, sent)
        assert moved["reason"] == "none of the carrier's links was bound for 10 s"
        assert "possible_duplicate" not in moved
    a.bind()
    assert len(a.sent) == 2


async def test_what_waits_stays_while_no_other_carrier_can_be_reached(on: Plane) -> None:
    carriers = await chain(on)
    a, b = carriers.links["a"], carriers.links["b"]
    a.bound = b.bound = False
    sent = await carriers.send()
    for _ in range(3):
        carriers.second()
        on.clock.advance(20.0)
    assert await on.state(sent) == "accepted"
    a.bind()
    await a.until_sent(1)
    a.answer()
    await _until(on, sent, "submitted")
    assert await rerouted(on, sent) == []


async def test_a_restart_finds_a_moved_message_at_its_new_carrier(on: Plane) -> None:
    carriers = await chain(on, failover_on={REFUSED})
    carriers.links["b"].bound = False
    sent = await carriers.send()
    a = carriers.links["a"]
    await a.until_sent(1)
    a.answer(REFUSED)
    await settled(lambda: carriers.dispatchers["b"].backlog == 1)
    again = Chain(on, "ab", None)  # another process: nothing in memory
    await again.start()
    await again.links["b"].until_sent(1)
    again.links["b"].answer()
    await _until(on, sent, "submitted")
    assert not again.links["a"].sent


async def test_what_waits_for_a_carrier_that_is_taken_away_goes_to_another(on: Plane) -> None:
    carriers = await chain(on)
    carriers.links["a"].bound = False
    (held,) = await on.accept(carrier="a")
    assert await carriers.rerouting.empty("a") == 1
    await carriers.links["b"].until_sent(1)
    carriers.links["b"].answer()
    await _until(on, held, "submitted")
    (moved,) = await rerouted(on, held)
    assert moved["reason"] == "the carrier is not there any more"


async def test_the_charge_moves_to_the_carrier_that_takes_it(store: Store, on: Plane) -> None:
    books = await usage.plane(store)
    books.resource, books.clock = on.resource, on.clock
    books.__post_init__()
    await books.rates(usage.sms("", 7_500))
    for name, cost in (("a", 1_000), ("b", 2_000)):
        await books.rates(usage.sms("", cost), sheet=name, currency="EUR", side="buy", whom=name)
    await books.limit(daily_budget="0.0075")
    carriers = await chain(on, limits=books.limiter, failover_on={REFUSED})
    sent = await carriers.send()
    await carriers.links["a"].until_sent(1)
    carriers.links["a"].answer(REFUSED)
    await carriers.links["b"].until_sent(1)
    carriers.links["b"].answer()
    await _until(on, sent, "submitted")
    column = usage_daily.c
    query = select(column.carrier, column.count, column.units, column.price, column.cost)
    used = {row.carrier: tuple(row)[1:] for row in await store.read(lambda tx: tx.execute(query).all())}
    assert used == {"a": (0, 0, 0, 0), "b": (1, 1, 7_500, 2_000)}
    today = await store.read(lambda tx: counted(tx, on.resource, day_of(on.clock.now())))
    assert today["spent:USD"] == 7_500
    (moved,) = await rerouted(on, sent)
    assert (moved["price"], moved["currency"]) == (7_500, "USD")


async def test_a_message_sent_anew_goes_where_the_routes_lead_now(on: Plane) -> None:
    carriers = await chain(on)
    sent = await carriers.send()
    await carriers.links["a"].until_sent(1)
    carriers.links["a"].answer(CommandStatus.ESME_RINVDSTADR)
    await _until(on, sent, "failed")
    life = MessageLife(
        store=on.store,
        clock=on.clock,
        node=on.node,
        settings=on.settings,
        finisher=on.finisher,
        ended=on.ended,
        offer=carriers.offer,
        cancelled=lambda _carrier, _id: None,
        rerouting=carriers.rerouting,
    )
    identifier = from_wire_id(sent.message_id or "")
    assert identifier is not None
    route_by(carriers.router, RouteSet(routes=(Route(id="r", kind=Kind.SMS, target="b"),)), "a", "b")
    await life.requeue(on.resource, identifier)
    await carriers.links["b"].until_sent(1)
    carriers.links["b"].answer()
    await _until(on, sent, "submitted")
    view = await on.view(sent)
    assert view.message.carrier == "b"
    assert {"was": "failed", "carrier": "b", "route": "r"} in [entry.data for entry in view.timeline]
    carriers.links["b"].bound = False
    route_by(carriers.router, RouteSet(), "a", "b")
    with pytest.raises(NoRoute, match="No route takes this number now"):
        await life.requeue(on.resource, identifier)


async def _until(on: Plane, sent: Any, state: str) -> None:
    """Wait until a message has a state."""
    for _ in range(2000):
        found = await on.state(sent)
        if found == state:
            return
    raise AssertionError(f"{found}, not {state}")
