"""Deliveries against endpoints on the loopback, with a clock moved by hand."""

import asyncio
import time

import pytest
from aiohttp import web
from sqlalchemy import Connection, update
from structlog.testing import capture_logs

from telephony.events.settings import EventSettings
from telephony.events.signing import verify
from telephony.events.store import deliveries
from telephony.kernel.clock import HOUR, SECOND
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from tests.support.promises import Report
from tests.support.receiver import Received, Receiver, agree
from tests.support.webhooks import NODE, RECEIVED, REPORTED, RESOURCE, event, plane

pytestmark = [pytest.mark.wire, pytest.mark.promise("R26")]


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    """SQLite for all; test_both_databases.py has every statement on PostgreSQL too."""
    return sqlite_store


LATER = NodeId(b"node-two--------")


async def test_an_event_arrives_signed_in_the_event_grid_form(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        _, secret = await node.subscribe(endpoint.url)
        await node.publish(event(identifier="Incoming_1"))
        await node.deliverer.idle()
        (received,) = endpoint.notifications
        verify(secret, received.headers, received.body, now=node.clock.now())
        assert received.headers["webhook-id"] == "Incoming_1"
        assert received.headers["aeg-event-type"] == "Notification"
        assert received.headers["aeg-delivery-count"] == "0"
        assert received.json[0]["data"] == {"message": "hello"}
        assert await node.states() == ["delivered"]
        (row,) = await node.rows()
        assert (row["node"], row["attempts"], row["last_status"]) == (None, 1, 200)


async def test_an_event_arrives_signed_as_a_cloud_event(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        _, secret = await node.subscribe(endpoint.url, schema="cloudevents")
        await node.publish(event())
        await node.deliverer.idle()
        (received,) = endpoint.notifications
        verify(secret, received.headers, received.body, now=node.clock.now())
        assert received.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        assert received.json["specversion"] == "1.0"


async def test_only_200_to_204_count_as_delivered(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        for status in (200, 201, 202, 203, 204, 205, 302, 404, 500):
            endpoint.status = status
            await node.publish(event())
            await node.deliverer.idle()
        assert await node.states() == ["delivered"] * 5 + ["waiting"] * 4


async def test_the_timeline_tells_every_try(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        endpoint.status = 500
        await node.publish(event())
        await node.deliverer.idle()
        node.clock.advance(10)
        endpoint.status = 200
        await node.settle()
        first, second = await node.timeline()
        assert (first.kind, second.kind) == ("webhook.failed", "webhook.delivered")
        assert first.source == "webhook"
        assert first.data["status"] == 500
        assert first.data["subscription"] == "first"
        assert first.data["eventType"] == RECEIVED
        assert first.data["durationMs"] == 0.0
        assert (second.data["attempt"], second.data["status"]) == (2, 200)


async def test_a_failed_try_is_repeated_when_it_is_due_and_not_before(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        endpoint.status = 500
        await node.publish(event())
        await node.deliverer.idle()
        tries = 1
        for pause in (10, 30, 60, 300):
            node.clock.advance(pause - 1)
            await node.settle()
            assert len(endpoint.notifications) == tries
            node.clock.advance(1)
            await node.settle()
            tries += 1
            assert len(endpoint.notifications) == tries
        counts = [each.headers["aeg-delivery-count"] for each in endpoint.notifications]
        assert counts == ["0", "1", "2", "3", "4"]
        assert len({each.headers["webhook-id"] for each in endpoint.notifications}) == 1
        assert len({each.headers["webhook-signature"] for each in endpoint.notifications}) == 5


async def test_a_dead_endpoint_is_tried_at_least_six_times_before_the_letter_is_dead(store: Store) -> None:
    async with Receiver() as endpoint, plane(store, chance=0.999) as node:
        await node.subscribe(endpoint.url)
        endpoint.status = 503
        await node.publish(event())
        await node.deliverer.idle()
        while "waiting" in await node.states():
            node.clock.advance(1800)
            await node.settle()
        assert len(endpoint.notifications) >= 6
        (row,) = await node.rows()
        assert (row["state"], row["reason"], row["node"]) == ("dead", "TimeToLiveExceeded", None)
        assert row["last_error"] == "HTTP 503"
        assert (await node.timeline())[-1].kind == "webhook.dead"


async def test_the_number_of_tries_can_be_set(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url, maxDeliveryAttempts=2)
        endpoint.status = 500
        await node.publish(event())
        await node.deliverer.idle()
        node.clock.advance(10)
        await node.settle()
        assert [row["reason"] for row in await node.rows()] == ["MaxDeliveryAttemptsExceeded"]


@pytest.mark.parametrize("status", [400, 413])
async def test_what_cannot_succeed_is_dead_at_once(store: Store, status: int) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        endpoint.status = status
        await node.publish(event())
        await node.deliverer.idle()
        assert [row["reason"] for row in await node.rows()] == ["RequestRejected"]


async def test_an_event_whose_time_is_over_is_not_sent(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        await node.commit(event(ttl=30))
        node.clock.advance(30)
        await node.settle()
        assert endpoint.notifications == []
        assert [row["reason"] for row in await node.rows()] == ["TimeToLiveExceeded"]


async def test_a_destination_that_is_no_longer_permitted_waits_for_people(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)

        def move(tx: Connection) -> None:
            from telephony.events.store import subscriptions

            tx.execute(update(subscriptions).values(url="http://10.0.0.1/hook", version=99))

        await store.write(move)
        await node.directory.refresh()
        await node.publish(event())
        await node.deliverer.idle()
        (row,) = await node.rows()
        assert (row["state"], row["due"]) == ("waiting", node.clock.now() + 300 * SECOND)
        assert "not permitted" in str(row["last_error"])
        assert view.endpoint == endpoint.url


async def test_dead_letters_are_kept_and_sent_again(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        endpoint.status = 400
        made = await node.publish(event(), event(), event())
        await node.deliverer.idle()
        assert await node.states() == ["dead"] * 3
        endpoint.status = 200
        assert await node.verbs.redrive(RESOURCE, view.id, (made[1].id,)) == 1
        await node.settle()
        assert await node.states() == ["dead", "delivered", "dead"]
        assert await node.verbs.redrive(RESOURCE, view.id) == 2
        await node.settle()
        assert await node.states() == ["delivered"] * 3
        assert len(endpoint.notifications) == 6
        assert endpoint.notifications[3].headers["webhook-id"] == made[1].event_id


async def test_a_restart_takes_over_what_was_waiting(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as first:
        await first.subscribe(endpoint.url)
        await first.commit(*[event() for _ in range(500)])  # committed, and the process died
        async with plane(store, clock=first.clock, node=LATER) as second:
            await second.settle()
            assert endpoint.notifications == []

            def take_over(tx: Connection) -> None:
                tx.execute(update(deliveries).where(deliveries.c.node == NODE).values(node=LATER, version=1))

            await store.write(take_over)
            second.deliverer.taken_over()
            while "pending" in await second.states():
                await second.settle()
        assert len(endpoint.notifications) == 500
        assert len({each.headers["webhook-id"] for each in endpoint.notifications}) == 500


async def test_a_node_that_lost_its_rows_changes_nothing_in_them(store: Store) -> None:
    answers = [200, 500]

    async def lose(received: Received) -> web.Response:
        def take_over(tx: Connection) -> None:
            tx.execute(update(deliveries).values(node=LATER, version=deliveries.c.version + 1))

        if (answer := agree(received)) is not None:
            return answer
        await store.write(take_over)
        return web.Response(status=answers.pop())

    async with Receiver(lose) as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        for _ in range(2):
            await node.publish(event())
            await node.deliverer.idle()
        assert await node.states() == ["pending"] * 2
        assert {row["node"] for row in await node.rows()} == {LATER}


async def test_what_finds_no_room_in_memory_is_delivered_from_the_store(store: Store) -> None:
    settings = EventSettings(queue=10, queue_total=15, concurrency=2)
    async with Receiver() as endpoint, plane(store, settings=settings) as node:
        await node.subscribe(endpoint.url, "first")
        await node.subscribe(endpoint.url, "second")
        await node.publish(*[event() for _ in range(60)])
        assert node.deliverer.held <= 15
        while "pending" in await node.states():
            await node.settle()
        assert len(endpoint.notifications) == 120
        assert node.deliverer.delivered == 120


async def test_a_publisher_that_told_nobody_is_found_out(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        await node.settle()
        await node.commit(event())
        await node.settle()
        assert endpoint.notifications == []
        node.clock.advance(30)
        await node.settle()
        assert len(endpoint.notifications) == 1


async def test_an_endpoint_gets_only_so_many_at_once(store: Store) -> None:
    crowd = Crowd()
    async with (
        Receiver(crowd.answer) as endpoint,
        plane(store, settings=EventSettings(concurrency=4)) as node,
    ):
        await node.subscribe(endpoint.url)
        await node.publish(*[event() for _ in range(20)])
        await crowd.full(4)
        crowd.gate.set()
        await node.deliverer.idle()
        assert crowd.most == 4
        assert len(endpoint.notifications) == 20


async def test_dead_and_slow_endpoints_delay_others_by_less_than_50_ms(store: Store, promise: Report) -> None:
    stuck, arrivals = Crowd(), Arrivals()
    async with Receiver(stuck.answer) as slow, Receiver(arrivals.answer) as quick, plane(store) as node:
        async with Receiver() as gone:
            await node.subscribe(gone.url, "gone", eventTypes=[REPORTED])
        for number in range(5):
            await node.subscribe(slow.url, f"slow-{number}", eventTypes=[REPORTED])
        await node.subscribe(quick.url, "quick", eventTypes=[RECEIVED])
        await node.publish(*[event(REPORTED) for _ in range(40)])
        await stuck.full(16 * 5)
        delays = []
        for _ in range(20):
            began = time.monotonic()
            await node.publish(event(RECEIVED))
            await arrivals.next()
            delays.append(time.monotonic() - began)
        # Of the delays the median, so that a busy machine is not taken for a slow endpoint.
        assert sorted(delays)[10] < 0.05
        promise(median_delay_ms=sorted(delays)[10] * 1000)
        stuck.gate.set()
        await node.deliverer.idle()


async def test_an_endpoint_that_never_answers_is_probed_and_comes_back(store: Store) -> None:
    with capture_logs() as logs:
        async with plane(store, settings=EventSettings(concurrency=8)) as node:
            async with Receiver() as endpoint:
                await node.subscribe(endpoint.url)
            made = await node.publish(*[event() for _ in range(40)])
            await node.deliverer.idle()
            assert await node.states() == ["waiting"] * 40
            async with Receiver(port=endpoint.port) as back:
                node.clock.advance(10)
                await node.settle()
                assert len(back.notifications) == len(made)
            assert await node.states() == ["delivered"] * 40
    told = [each["event"] for each in logs if each["event"].startswith("events.endpoint")]
    assert told == ["events.endpoint_silent", "events.endpoint_back"]


async def test_dead_endpoints_together_hold_only_so_many_connections(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.events.deliverer.MAX_PROBING", 1)
    crowd = Crowd()
    async with plane(store) as node:
        async with Receiver() as endpoint:
            for number in range(3):
                await node.subscribe(endpoint.url, f"dead-{number}")
        await node.publish(*[event() for _ in range(6)])
        await node.deliverer.idle()  # by now all three count as dead
        node.clock.advance(10)
        async with Receiver(crowd.answer, port=endpoint.port):
            await node.deliverer.tick()
            await crowd.full(1)
            for _ in range(100):
                await asyncio.sleep(0)
            assert crowd.most == 1
            crowd.gate.set()
            await node.deliverer.idle()
        assert await node.states() == ["delivered"] * 18


async def test_a_disabled_subscriptions_deliveries_wait_until_it_is_enabled(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        await node.commit(event())
        await node.verbs.disable(RESOURCE, view.id)
        assert await node.commit(event()) == []
        await node.settle()
        assert await node.states() == ["pending"]
        await node.verbs.enable(RESOURCE, view.id)
        await node.settle()
        assert await node.states() == ["delivered"]


async def test_a_removed_subscriptions_deliveries_are_dead(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        view, _ = await node.subscribe(endpoint.url)
        await node.commit(event())
        (late,) = await node.commit(event())
        await node.verbs.remove(RESOURCE, view.id)
        assert [row["reason"] for row in await node.rows()] == ["SubscriptionDeleted"] * 2

        def resurrect(tx: Connection) -> None:  # another gateway published before it knew of the removal
            where = deliveries.c.id == late.id
            tx.execute(update(deliveries).where(where).values(state="pending", node=NODE, reason=None))

        await store.write(resurrect)
        node.deliverer.taken_over()
        await node.settle()
        assert await node.states() == ["dead", "dead"]
        assert endpoint.notifications == []


async def test_finished_rows_are_purged_and_dead_letters_later(store: Store) -> None:
    async with Receiver() as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        await node.publish(event())
        await node.deliverer.idle()
        endpoint.status = 400
        await node.publish(event())
        await node.deliverer.idle()
        await node.deliverer.housekeep()
        assert await node.states() == ["delivered", "dead"]
        node.clock.at += HOUR + SECOND
        await node.deliverer.housekeep()
        assert await node.states() == ["dead"]
        node.clock.at += 31 * 24 * HOUR
        await node.deliverer.housekeep()
        assert await node.states() == []


async def test_draining_waits_for_what_is_on_the_wire_and_leaves_the_rest(store: Store) -> None:
    crowd = Crowd()
    async with (
        Receiver(crowd.answer) as endpoint,
        plane(store, settings=EventSettings(concurrency=2, delivered_hours=1)) as node,
    ):
        await node.subscribe(endpoint.url)
        await node.publish(*[event() for _ in range(5)])
        await crowd.full(2)
        draining = asyncio.create_task(node.deliverer.drain(10))
        await asyncio.sleep(0)
        crowd.gate.set()
        await draining
        await node.publish(event())
        await node.deliverer.stop()
        assert sorted(str(state) for state in await node.states()) == ["delivered"] * 2 + ["pending"] * 4


async def test_stopping_breaks_off_what_hangs(store: Store) -> None:
    crowd = Crowd()
    async with Receiver(crowd.answer) as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        await node.publish(event())
        await crowd.full(1)
        await node.deliverer.drain(0)
        await node.deliverer.stop()
        assert await node.states() == ["pending"]
        crowd.gate.set()


async def test_the_service_runs_by_itself(store: Store) -> None:
    arrivals = Arrivals()
    async with Receiver(arrivals.answer) as endpoint, plane(store) as node:
        await node.subscribe(endpoint.url)
        await node.commit(event())
        await node.deliverer.start()
        await arrivals.next()
        await node.commit(event())
        node.deliverer.taken_over()
        await arrivals.next()
        await node.deliverer.drain(5)


async def test_no_secret_is_logged_or_shown(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    token = "canary-token-in-the-query"
    with capture_logs() as logs, caplog.at_level(0):
        async with Receiver() as endpoint, plane(store) as node:
            view, secret = await node.subscribe(f"{endpoint.url}?code={token}")
            new = await node.verbs.rotate(RESOURCE, view.id)
            for status in (200, 500, 400):
                endpoint.status = status
                await node.publish(event())
                await node.deliverer.idle()
        with pytest.raises(Exception, match="cannot be reached") as failure:
            async with plane(store) as node:
                await node.subscribe(f"{endpoint.url}?code={token}", "second")
    assert endpoint.notifications[0].path == f"/hook?code={token}"
    shown = [repr(logs), caplog.text, repr(view), repr(failure.value), str(await node.timeline())]
    for canary in (token, *(each.reveal().removeprefix("whsec_") for each in (secret, new))):
        assert not any(canary in text for text in shown)
    rows = await node.store.read(_everything)
    assert not any(secret.reveal().removeprefix("whsec_") in text for text in rows)


def _everything(tx: Connection) -> list[str]:
    from telephony.kernel.store import metadata

    return [repr(row) for table in metadata.sorted_tables for row in tx.execute(table.select())]


class Crowd:
    """An endpoint that keeps whoever comes until its gate is opened."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.inside = 0
        self.most = 0
        self._changed = asyncio.Condition()

    async def answer(self, received: Received) -> web.Response:
        if (answer := agree(received)) is not None:
            return answer
        async with self._changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self._changed.notify_all()
        await self.gate.wait()
        self.inside -= 1
        return web.Response()

    async def full(self, count: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.inside >= count)


class Arrivals:
    """An endpoint that tells when something came."""

    def __init__(self) -> None:
        self._came: asyncio.Queue[Received] = asyncio.Queue()

    async def answer(self, received: Received) -> web.Response:
        if (answer := agree(received)) is not None:
            return answer
        self._came.put_nowait(received)
        return web.Response()

    async def next(self) -> Received:
        return await asyncio.wait_for(self._came.get(), 10)
