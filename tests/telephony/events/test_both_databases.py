"""Every statement of the plane, on each database."""

import msgspec
import pytest
from aiohttp import web

from telephony.events.settings import EventSettings
from telephony.events.subscription_jobs import ResealSecrets
from telephony.kernel.clock import DAY
from telephony.kernel.errors import Conflict, NotFound
from telephony.kernel.ids import NodeId, to_text
from telephony.kernel.store import Store
from telephony.kernel.store.leases import EndLease, RegisterNode, TakeOver
from tests.support.clock import ManualClock
from tests.support.receiver import Received, Receiver
from tests.support.webhooks import OTHER, RESOURCE, Sealer, event, plane

pytestmark = pytest.mark.wire


async def test_a_delivery_lives_through_failure_death_and_a_second_life(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        endpoint.status = 500
        await node.publish(*[event() for _ in range(30)], message=None)
        await node.publish(event())
        await node.deliverer.idle()
        assert await node.states() == ["waiting"] * 31
        node.clock.advance(10)
        endpoint.status = 400
        await node.settle()
        assert await node.states() == ["dead"] * 31
        reply = await node.call("events.dead_letters.list", query={"top": "30"})
        assert len(reply.body["value"]) == 30
        assert "nextLink" in reply.body
        first = reply.body["value"][0]
        assert msgspec.json.decode(first.payload)[0]["data"] == {"message": "hello"}
        endpoint.status = 204
        assert await node.verbs.redrive(RESOURCE, view.id, ()) == 0
        assert await node.verbs.redrive(RESOURCE, view.id) == 31
        await node.settle()
        assert await node.states() == ["delivered"] * 31
        assert [each.kind for each in await node.timeline()] == [
            "webhook.failed",
            "webhook.dead",
            "webhook.delivered",
        ]
        node.clock.at += DAY
        await node.deliverer.housekeep()
        assert await node.rows() == []


async def test_a_subscription_lives_through_all_its_changes(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        with pytest.raises(Conflict):
            await node.subscribe(endpoint.url)
        await node.verbs.rotate(RESOURCE, view.id)
        assert await store.write(ResealSecrets(Sealer())) == 1
        await node.verbs.disable(RESOURCE, view.id)
        await node.verbs.enable(RESOURCE, view.id)
        await node.commit(event())
        with pytest.raises(NotFound):
            await node.verbs.remove(OTHER, view.id)
        await node.verbs.remove(RESOURCE, view.id)
        assert await node.verbs.list(RESOURCE) == []
        assert [row["reason"] for row in await node.rows()] == ["SubscriptionDeleted"]
        again, _ = await node.subscribe(endpoint.url)
        reply = await node.call("events.subscriptions.get", subscription=to_text(again.id))
        assert reply.body.state == "active"


async def test_what_a_dead_node_left_is_delivered_by_the_next(store: Store) -> None:
    clock = ManualClock()
    first = NodeId(await store.write(RegisterNode("first")))
    async with Receiver() as endpoint:
        async with plane(store, clock=clock, node=first) as dying:
            await dying.subscribe(endpoint.url)
            await dying.commit(*[event() for _ in range(450)])
            endpoint.status = 500
            await dying.publish(event())
            await dying.deliverer.idle()
            endpoint.status = 200
        await store.write(EndLease(first))
        second = NodeId(await store.write(RegisterNode("second")))
        async with plane(store, clock=clock, node=second) as living:
            assert await store.write(TakeOver(second, alone=True)) == 451
            living.deliverer.taken_over()
            clock.advance(10)
            while set(await living.states()) != {"delivered"}:
                await living.settle()
        assert len({each.headers["webhook-id"] for each in endpoint.notifications}) == 451
        assert len(endpoint.notifications) == 452


async def test_an_unconfirmed_subscription_lapses_and_its_name_is_free(store: Store) -> None:
    async with Receiver(_thanks) as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        node.clock.advance(300)
        await node.deliverer.housekeep()
        assert (await node.verbs.get(RESOURCE, view.id)).state.value == "failed"
        endpoint.answer = None
        assert (await node.subscribe(endpoint.url))[0].state.value == "active"
        assert len(await node.verbs.list(RESOURCE)) == 1


async def _thanks(_: Received) -> web.Response:
    return web.Response(text="thank you")


async def test_an_accepted_delivery_leaves_no_row(store: Store) -> None:
    async with Receiver() as endpoint, plane(store, settings=EventSettings()) as node:
        await node.subscribe(endpoint.url)
        await node.publish(*[event() for _ in range(40)])
        await node.deliverer.idle()
        assert len(endpoint.notifications) == 40
        assert await node.rows() == []
        assert {each.kind for each in await node.timeline()} == {"webhook.delivered"}
