"""Subscriptions: handshakes in both forms, changes, and what /admin shows of them."""

import asyncio

import msgspec
import pytest
from aiohttp import web
from sqlalchemy import Connection, func, select, update

from telephony.events.settings import EventSettings
from telephony.events.signing import SignatureRefused, verify
from telephony.events.store import subscriptions
from telephony.events.subscription_jobs import MAX_SUBSCRIPTIONS, ResealSecrets
from telephony.events.verbs import NewSubscription
from telephony.kernel.clock import HOUR
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.http.outbound_addresses import DestinationRefused
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.secret import Secret
from telephony.kernel.states import IllegalTransition
from telephony.kernel.store import Store
from tests.support.receiver import Received, Receiver
from tests.support.webhooks import ORIGIN, OTHER, RESOURCE, Plane, Sealer, event, plane

pytestmark = pytest.mark.wire


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    """SQLite for all; test_both_databases.py has every statement on PostgreSQL too."""
    return sqlite_store


async def silent(_: Received) -> web.Response:
    return web.Response(text="thank you")


async def refusing(_: Received) -> web.Response:
    return web.Response(status=403)


async def count(store: Store) -> int:
    query = select(func.count()).select_from(subscriptions)
    return await store.read(lambda tx: tx.execute(query).scalar_one())


async def test_the_event_grid_handshake_is_signed_and_makes_a_subscription_active(store: Store) -> None:
    secret = "whsec_" + "A" * 44
    async with Receiver() as endpoint, plane(store) as node:
        view, given = await node.subscribe(endpoint.url, secret=secret)
        assert view.state.value == "active"
        assert given.reveal() == secret
    (asked,) = endpoint.received
    assert asked.headers["aeg-event-type"] == "SubscriptionValidation"
    assert asked.headers["aeg-subscription-name"] == "first"
    verify(given, asked.headers, asked.body, now=node.clock.now())
    assert asked.json[0]["data"]["validationUrl"].startswith(
        f"{ORIGIN}/eventSubscriptions/{to_text(RESOURCE)}/"
    )


async def test_the_cloud_events_handshake_makes_a_subscription_active(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url, schema="cloudevents")
        assert view.state.value == "active"
    (asked,) = endpoint.received
    assert asked.method == "OPTIONS"
    assert asked.headers["webhook-request-origin"] == "gateway.example"
    assert asked.headers["webhook-request-callback"].startswith(ORIGIN)


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
async def test_an_endpoint_that_refuses_is_not_subscribed(store: Store, schema: str) -> None:
    async with Receiver(refusing) as endpoint, plane(store) as node:
        with pytest.raises(InvalidRequest) as refusal:
            await node.subscribe(endpoint.url, schema=schema)
    assert (refusal.value.code, refusal.value.target) == ("EndpointNotValidated", "url")
    assert await count(store) == 0


async def test_an_endpoint_that_is_not_there_is_not_subscribed(store: Store) -> None:
    async with Receiver() as endpoint:
        pass
    async with plane(store) as node:
        with pytest.raises(InvalidRequest, match="cannot be reached"):
            await node.subscribe(endpoint.url)
    assert await count(store) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/hook",
        "https://user@example.com/",
        "ftp://example.com/",
        "https://[::ffff:127.0.0.1]/",
    ],
)
async def test_an_endpoint_inside_is_refused_at_once(store: Store, url: str) -> None:
    async with plane(store) as node:
        with pytest.raises(DestinationRefused):
            await node.subscribe(url)
    assert await count(store) == 0


async def test_plain_http_is_for_this_machine_only_unless_it_is_allowed(store: Store) -> None:
    async with plane(store) as node:
        with pytest.raises(InvalidRequest, match="https"):
            await node.subscribe("http://example.com/hook")
    settings = EventSettings(https_only=False)
    async with plane(store, settings=settings) as node:
        node.verbs._check_url("http://example.com/hook")


@pytest.mark.parametrize(("schema", "method"), [("eventgrid", "GET"), ("cloudevents", "POST")])
async def test_somebody_may_agree_by_hand_within_five_minutes(store: Store, schema: str, method: str) -> None:
    async with Receiver(silent) as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url, schema=schema)
        assert view.state.value == "awaiting-validation"
        assert await node.commit(event()) == []
        token = _validation_url(endpoint.received[0]).rpartition("/")[2]
        operation = "events.validate" if method == "GET" else "events.validate.post"
        with pytest.raises(NotFound):
            await node.call(operation, subscription=to_text(view.id), token=token[:-1])
        with pytest.raises(NotFound):
            await node.call(operation, resource=OTHER, subscription=to_text(view.id), token=token)
        node.clock.advance(299)
        reply = await node.call(operation, subscription=to_text(view.id), token=token)
        assert reply.status == 200
        assert (await node.verbs.get(RESOURCE, view.id)).state.value == "active"
        assert len(await node.commit(event())) == 1
        with pytest.raises(NotFound):  # it works once
            await node.call(operation, subscription=to_text(view.id), token=token)


async def test_after_five_minutes_nobody_can_agree_any_more(store: Store) -> None:
    async with Receiver(silent) as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        token = _validation_url(endpoint.received[0]).rpartition("/")[2]
        node.clock.advance(300)
        with pytest.raises(NotFound):
            await node.verbs.confirm(RESOURCE, view.id, token)
        await node.deliverer.housekeep()
        assert (await node.verbs.get(RESOURCE, view.id)).state.value == "failed"
        endpoint.answer = None
        again, _ = await node.subscribe(endpoint.url)  # the name is free again
        assert again.state.value == "active"
        assert await count(store) == 1


async def test_an_endpoint_may_visit_the_url_while_it_is_asked(store: Store) -> None:
    async def visiting(received: Received) -> web.Response:
        parts = _validation_url(received).split("/")
        await node.call("events.validate", subscription=parts[5], token=parts[7])
        return web.Response(status=500)

    async with Receiver(visiting) as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        assert view.state.value == "active"


async def test_the_validation_url_may_lead_elsewhere(store: Store) -> None:
    settings = EventSettings(public_origin="https://public.example")
    async with Receiver() as endpoint, plane(store, settings=settings) as node:
        await node.subscribe(endpoint.url)
    assert _validation_url(endpoint.received[0]).startswith("https://public.example/eventSubscriptions/")


async def test_a_name_is_given_once(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        with pytest.raises(Conflict):
            await node.subscribe(endpoint.url)
        results = await asyncio.gather(
            *(node.subscribe(endpoint.url, "same") for _ in range(3)), return_exceptions=True
        )
        assert sum(isinstance(result, Conflict) for result in results) == 2


async def test_there_is_a_ceiling(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        template = await store.read(lambda tx: dict(tx.execute(select(subscriptions)).mappings().one()))

        def fill(tx: Connection) -> None:
            rows = [
                {**template, "id": number.to_bytes(16, "big"), "name": f"n-{number}"}
                for number in range(1, MAX_SUBSCRIPTIONS)
            ]
            tx.execute(subscriptions.insert(), rows)

        await store.write(fill)
        with pytest.raises(Conflict, match="at most"):
            await node.subscribe(endpoint.url, "one-more")


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, old = await node.subscribe(endpoint.url)
        new = await node.verbs.rotate(RESOURCE, view.id)
        await _verified(node, endpoint, old, new)
        node.clock.at += 24 * HOUR
        await _verified(node, endpoint, new)
        with pytest.raises(SignatureRefused):
            await _verified(node, endpoint, old)


async def test_a_disabled_subscription_can_only_be_enabled(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        assert (await node.verbs.disable(RESOURCE, view.id)).state.value == "disabled"
        with pytest.raises(IllegalTransition):
            await node.verbs.disable(RESOURCE, view.id)
        assert (await node.verbs.enable(RESOURCE, view.id)).state.value == "active"


async def test_another_nodes_change_is_noticed(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as here, plane(store) as there:
        view, _ = await here.subscribe(endpoint.url)
        assert there.directory.get(view.id) is None
        await there.directory.refresh()
        known = there.directory.get(view.id)
        assert known is not None
        await there.directory.refresh()
        assert there.directory.get(view.id) is known
        await here.verbs.remove(RESOURCE, view.id)
        await there.directory.refresh()
        assert there.directory.get(view.id) is None


async def test_the_directory_starts_and_stops(store: Store) -> None:
    async with plane(store) as node:
        await node.directory.start()
        await node.directory.stop()
        await node.directory.stop()


async def test_a_secret_that_does_not_open_stops_nobody_else(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        broken, _ = await node.subscribe(endpoint.url, "broken")
        whole, _ = await node.subscribe(endpoint.url, "whole")

        def break_it(tx: Connection) -> None:
            where = subscriptions.c.id == broken.id
            tx.execute(update(subscriptions).where(where).values(secret=b"x", version=9))

        await store.write(break_it)
        await node.directory.refresh()
        assert node.directory.get(broken.id) is None
        assert node.directory.get(whole.id) is not None
        assert len(await node.commit(event())) == 1


async def test_secrets_are_sealed_again_when_the_master_key_changes(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, old = await node.subscribe(endpoint.url)
        new = await node.verbs.rotate(RESOURCE, view.id)
        assert await store.write(ResealSecrets(Sealer())) == 1
        await node.directory.refresh()
        await _verified(node, endpoint, old, new)


async def test_admin_shows_a_subscription_without_secret_and_query(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        body = {"name": "first", "url": endpoint.url + "?code=canary", "eventTypes": ["a"]}
        made = await node.call("events.subscriptions.create", body)
        assert made.status == 201
        shown = msgspec.json.decode(msgspec.json.encode(made.body))
        assert shown["secret"].startswith("whsec_")
        assert shown["endpointBaseUrl"] == endpoint.url
        del shown["secret"]
        found = await node.call("events.subscriptions.get", subscription=shown["id"])
        assert msgspec.json.decode(msgspec.json.encode(found.body)) == shown
        listed = await node.call("events.subscriptions.list")
        assert msgspec.json.decode(msgspec.json.encode(listed.body)) == {"value": [shown]}
        assert b"canary" not in msgspec.json.encode(listed.body)
        assert "canary" not in repr(msgspec.convert({**body, "secret": "canary"}, NewSubscription))
        rotated = await node.call("events.subscriptions.rotate", subscription=shown["id"])
        assert msgspec.json.encode(rotated.body).startswith(b'{"secret":"whsec_')
        assert (
            await node.call("events.subscriptions.disable", subscription=shown["id"])
        ).body.state == "disabled"
        assert (
            await node.call("events.subscriptions.enable", subscription=shown["id"])
        ).body.state == "active"
        assert (await node.call("events.subscriptions.delete", subscription=shown["id"])).status == 204
        with pytest.raises(NotFound):
            await node.call("events.subscriptions.get", subscription=shown["id"])


async def test_admin_pages_through_dead_letters_and_sends_them_again(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        name = to_text(view.id)
        endpoint.status = 400
        made = await node.publish(*[event() for _ in range(5)])
        await node.deliverer.idle()
        query, seen = {"top": "2", "subscription": name}, []
        while True:
            reply = (await node.call("events.dead_letters.list", query=query)).body
            seen += msgspec.json.decode(msgspec.json.encode(reply["value"]))
            if "nextLink" not in reply:
                break
            query = dict(pair.split("=") for pair in reply["nextLink"].partition("?")[2].split("&"))
        assert [letter["id"] for letter in seen] == [to_text(delivery.id) for delivery in made]
        assert seen[0]["deadLetterReason"] == "RequestRejected"
        assert seen[0]["lastDeliveryOutcome"] == "HTTP 400"
        assert seen[0]["deliveryAttempts"] == 1
        assert seen[0]["payload"][0]["id"] == made[0].event_id
        endpoint.status = 200
        some = {"subscription": name, "ids": [seen[0]["id"]]}
        assert (await node.call("events.dead_letters.redrive", some)).body.count == 1
        assert (await node.call("events.dead_letters.redrive", {"subscription": name})).body.count == 4
        await node.settle()
        assert await node.states() == ["delivered"] * 5


@pytest.mark.parametrize(
    ("operation", "body", "query", "target"),
    [
        ("events.dead_letters.list", None, {"subscription": "x"}, "subscription"),
        ("events.dead_letters.list", None, {"continuation": "x"}, "continuation"),
        ("events.dead_letters.list", None, {"top": "0"}, "top"),
        ("events.dead_letters.redrive", {"subscription": "x"}, {}, "subscription"),
        ("events.dead_letters.redrive", {"subscription": to_text(bytes(16)), "ids": ["x"]}, {}, "ids"),
        ("events.dead_letters.redrive", {"subscription": to_text(bytes(16)), "ids": ["x"] * 501}, {}, "ids"),
    ],
)
async def test_admin_names_what_is_wrong(
    store: Store, operation: str, body: object, query: dict[str, str], target: str
) -> None:
    async with plane(store) as node:
        with pytest.raises(InvalidRequest) as refusal:
            await node.call(operation, body, query)
    assert refusal.value.target == target


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ab", "url": "https://example.com"},
        {"name": "a b c", "url": "https://example.com"},
        {"name": "abc\n", "url": "https://example.com"},
        {"name": "abc"},
        {"name": "abc", "url": "https://example.com", "schema": "other"},
        {"name": "abc", "url": "https://example.com", "maxDeliveryAttempts": 31},
        {"name": "abc", "url": "https://example.com", "eventTimeToLiveInMinutes": 0},
        {"name": "abc", "url": "https://example.com", "unknown": 1},
    ],
)
def test_a_body_against_the_rules_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, NewSubscription)


async def test_a_secret_that_is_none_is_refused(store: Store) -> None:
    async with plane(store) as node:
        with pytest.raises(InvalidRequest) as refusal:
            await node.subscribe("https://example.com/", secret="mine")
    assert refusal.value.target == "secret"


async def test_another_resource_sees_nothing_of_it(store: Store) -> None:
    unknown = ResourceId(b"resource-three--")
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        name = to_text(view.id)
        endpoint.status = 400
        await node.publish(event())
        await node.deliverer.idle()
        for operation in ("get", "delete", "disable", "enable", "rotate"):
            for resource in (OTHER, unknown):
                with pytest.raises(NotFound):
                    await node.call(f"events.subscriptions.{operation}", resource=resource, subscription=name)
        assert (await node.call("events.subscriptions.list", resource=OTHER)).body == {"value": []}
        assert (await node.call("events.dead_letters.list", resource=OTHER)).body == {"value": []}
        with pytest.raises(NotFound):
            await node.call("events.dead_letters.redrive", {"subscription": name}, resource=OTHER)
        for operation in ("events.subscriptions.list", "events.dead_letters.list"):
            with pytest.raises(NotFound):
                await node.call(operation, resource=unknown)
        with pytest.raises(NotFound):
            await node.verbs.add(
                unknown, msgspec.convert({"name": "abc", "url": endpoint.url}, NewSubscription), origin=ORIGIN
            )
        assert await node.states() == ["dead"]


def _validation_url(asked: Received) -> str:
    if asked.method == "OPTIONS":
        return asked.headers["webhook-request-callback"]
    return str(asked.json[0]["data"]["validationUrl"])


async def _verified(node: Plane, endpoint: Receiver, *keys: Secret) -> None:
    """Deliver an event and check that each secret, and no other number of them, signs it."""
    await node.publish(event())
    await node.deliverer.idle()
    received = endpoint.notifications[-1]
    assert len(received.headers["webhook-signature"].split(" ")) == max(1, len(keys))
    for secret in keys:
        verify(secret, received.headers, received.body, now=node.clock.now())
