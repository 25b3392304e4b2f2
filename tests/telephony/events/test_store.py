"""The outbox: events are committed with what caused them, or not at all."""

import pytest
from sqlalchemy import Connection

from telephony.events.event import EventSchema
from telephony.events.store import Delivery, Publication, publish, publish_many
from telephony.kernel.clock import MINUTE, SECOND
from telephony.kernel.store import Store
from tests.support.receiver import Receiver
from tests.support.webhooks import MESSAGE, NODE, OTHER, RECEIVED, REPORTED, RESOURCE, event, plane

pytestmark = pytest.mark.wire


async def test_an_event_becomes_a_row_for_every_subscription_that_wants_it(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url, "all")
        await node.subscribe(endpoint.url, "reports", eventTypes=[REPORTED], schema="cloudevents")
        assert len(await node.commit(event(RECEIVED))) == 1
        made = await node.commit(event(REPORTED), event(RECEIVED))
        assert [delivery.event_type for delivery in made] == [REPORTED, REPORTED, RECEIVED]
        assert made[0].payload[:1] == b"["
        assert made[1].payload[:1] == b"{"
        assert await node.states() == ["pending"] * 4


async def test_another_resources_events_are_not_seen(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        assert await node.commit(event(), resource=OTHER) == []


async def test_without_a_subscription_nothing_is_written(store: Store) -> None:
    async with plane(store) as node:
        assert await node.commit(event()) == []
        assert await node.rows() == []


async def test_a_job_that_fails_takes_its_events_with_it(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)

        def job(tx: Connection) -> None:
            publish(tx, RESOURCE, MESSAGE, [event()], subscriptions=node.directory, node=NODE, now=1)
            raise RuntimeError("the cause did not happen")

        with pytest.raises(RuntimeError, match="did not happen"):
            await store.write(job)
        assert await node.rows() == []


async def test_many_interactions_share_a_statement(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)

        def job(tx: Connection) -> list[Delivery]:
            many = [Publication(RESOURCE, None, [event(), event()]) for _ in range(150)]
            return publish_many(tx, many, subscriptions=node.directory, node=NODE, now=node.clock.now())

        made = await store.write(job)
        assert len(made) == len(await node.rows()) == 300
        assert [delivery.id for delivery in made] == sorted({delivery.id for delivery in made})


async def test_an_event_may_be_worth_less_time_than_its_subscription_says(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url, eventTimeToLiveInMinutes=2)
        usual, ringing, endless = await node.commit(event(), event(ttl=30), event(ttl=10_000))
        now = node.clock.now()
        assert usual.expires == endless.expires == now + 2 * MINUTE
        assert ringing.expires == now + 30 * SECOND


async def test_the_form_of_a_subscription_is_read_back(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url, schema="cloudevents")
        found = node.directory.get(view.id)
        assert found is not None
        assert found.schema is EventSchema.CLOUD_EVENTS
        assert found.event_types == frozenset()
        assert "hook" not in repr(found)
