"""Subscriptions that rules make for their URLs."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from telephony.events import subscription_jobs
from telephony.events.event import EventSchema
from telephony.events.routed import Endpoint, endpoint_of, publish_to
from telephony.events.store import Publication, deliveries, subscriptions
from telephony.events.subscription_jobs import AddSubscription, RemoveSubscription
from telephony.kernel.errors import Conflict
from telephony.kernel.ids import SubscriptionId, new_id
from telephony.kernel.store import Store
from tests.support.webhooks import MESSAGE, NODE, OTHER, RESOURCE, Sealer, event

pytestmark = pytest.mark.wire

URL = "https://app.example.com/in?token=1"


async def made(store: Store, resource: Any = RESOURCE, url: str = URL) -> Endpoint:
    found = await store.write(lambda tx: endpoint_of(tx, resource, url, Sealer(), 1))
    assert isinstance(found, Endpoint), found
    return found


async def names(store: Store) -> list[str]:
    return list(await store.read(lambda tx: tx.execute(select(subscriptions.c.name)).scalars().all()))


def new(name: str, **changes: Any) -> AddSubscription:
    values: dict[str, Any] = {
        "resource": RESOURCE,
        "id": SubscriptionId(new_id(1)),
        "name": name,
        "url": "https://other.example.com/",
        "schema": EventSchema.EVENT_GRID,
        "event_types": (),
        "sealed": b"sealed",
        "max_attempts": 3,
        "ttl_minutes": 10,
        "token": b"token",
        "until": 100,
        "now": 1,
    }
    return AddSubscription(**(values | changes))


async def test_a_url_has_one_in_each_resource_however_often_it_is_asked_for(store: Store) -> None:
    first = await made(store)
    assert await made(store) == first
    assert first.schema is EventSchema.EVENT_GRID
    others = [await made(store, OTHER), await made(store, url=URL + "2")]
    assert len({first.id, *(one.id for one in others)}) == 3
    assert all(name.startswith("route-") for name in await names(store))


async def test_one_that_was_removed_is_made_again_with_another_secret(store: Store) -> None:
    first = await made(store)
    await store.write(RemoveSubscription(RESOURCE, first.id))
    assert (await made(store)).id != first.id


async def test_one_of_that_name_for_another_url_is_in_the_way(store: Store) -> None:
    await made(store)
    (name,) = await names(store)
    await store.write(lambda tx: tx.execute(subscriptions.delete()).rowcount)
    await store.write(new(name))
    found = await store.write(lambda tx: endpoint_of(tx, RESOURCE, URL, Sealer(), 1))
    assert found == "a subscription of another URL has its name"


async def test_those_of_rules_leave_room_for_everybody_else(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_jobs, "MAX_SUBSCRIPTIONS", 1)
    await made(store)
    await store.write(new("mine"))
    with pytest.raises(Conflict):
        await store.write(new("another"))
    await made(store, url=URL + "2")


async def test_what_is_sent_there_is_a_delivery_like_any_other(store: Store) -> None:
    endpoint = await made(store)

    def publish(tx: Connection) -> Any:
        publication = Publication(RESOURCE, MESSAGE, (event(),))
        return publish_to(tx, endpoint, [publication], node=NODE, now=1)

    (delivery,) = await store.write(publish)
    assert delivery.subscription == endpoint.id
    (row,) = await store.read(lambda tx: tx.execute(select(deliveries)).all())
    assert (bytes(row.id), row.state, bytes(row.node)) == (delivery.id, "pending", NODE)
