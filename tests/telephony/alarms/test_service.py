"""Alarms in the store and on the wire: raised once, cleared once, told also while the database is away."""

import asyncio
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from telephony.alarms import admin
from telephony.alarms.metrics import AlarmCollector
from telephony.alarms.service import AlarmService, Source
from telephony.alarms.settings import AlarmSettings
from telephony.alarms.store import OPERATOR
from telephony.alarms.watch import AlarmKind, Observation, Thing
from telephony.events.event import Event
from telephony.events.subscriptions import Subscription
from telephony.events.verbs import NewSubscription
from telephony.kernel.clock import DAY
from telephony.kernel.errors import InvalidRequest, RemoteUnavailable, Unavailable
from telephony.kernel.http.route import Request
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.retention import RetentionSettings, purge
from tests.support.receiver import Receiver
from tests.support.webhooks import ORIGIN, Plane, plane

pytestmark = pytest.mark.wire

SETTINGS = AlarmSettings(after_seconds=30, clear_seconds=60, keep_days=7)


class Links:
    """Some links that are up or down."""

    def __init__(self, **down: bool) -> None:
        self.down = down

    def source(self) -> list[Observation]:
        return [
            Observation(Thing(AlarmKind.LINK, name), down, f"The SMPP link {name} is not bound.")
            for name, down in self.down.items()
        ]


class Everybody:
    """Knows every resource, the node itself too."""

    def knows(self, resource: ResourceId) -> bool:
        return True


class Posted:
    """What was sent without the outbox."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refuse = False

    async def __call__(self, _: Subscription, event: Event) -> None:
        if self.refuse:
            raise RemoteUnavailable("nobody there")
        self.events.append(event)


def service(
    node: Plane, source: Source, posted: Posted | None = None, origin: str = "here:1"
) -> AlarmService:
    return AlarmService(
        [source],
        store=node.store,
        clock=node.clock,
        node=node.node,
        origin=origin,
        settings=SETTINGS,
        subscriptions=node.directory,
        enqueue=node.deliverer.enqueue,
        post=posted or Posted(),
    )


async def subscribe(node: Plane, url: str, **more: Any) -> None:
    node.verbs._tenants = Everybody()
    new = msgspec.convert({"name": "operator", "url": url, **more}, NewSubscription)
    await node.verbs.add(OPERATOR, new, origin=ORIGIN)


async def pass_time(node: Plane, alarms: AlarmService, seconds: int) -> None:
    for _ in range(seconds // 10):
        await alarms.tick()
        node.clock.advance(10)
    await alarms.tick()


async def listed(node: Plane, **query: str) -> list[dict[str, Any]]:
    (route,) = admin.routes(node.store)
    reply = await route.handler(Request(OPERATOR, None, query=query))
    found: list[dict[str, Any]] = msgspec.to_builtins(reply.body)["value"]
    return found


async def test_an_alarm_is_told_once_when_it_is_raised_and_once_when_it_is_cleared(store: Store) -> None:
    links = Links(one=True, two=False)
    async with Receiver() as operator, plane(store) as node:
        await subscribe(node, operator.url)
        alarms = service(node, links.source)
        await alarms.resume()
        await pass_time(node, alarms, 100)
        links.down["one"] = False
        await pass_time(node, alarms, 100)
        await node.settle()
        first, second = [each.json[0] for each in operator.notifications]
        shown = await listed(node)
    assert [first["eventType"], second["eventType"]] == ["Tandem.AlarmRaised", "Tandem.AlarmCleared"]
    assert first["subject"] == "/alarms/link/one"
    assert first["data"]["text"] == "The SMPP link one is not bound."
    assert first["data"]["node"] == "here:1"
    assert "clearedAt" not in first["data"]
    assert second["data"]["alarmId"] == first["data"]["alarmId"] == shown[0]["id"]
    assert second["data"]["clearedAt"] == shown[0]["clearedAt"]
    assert (len(shown), shown[0]["state"], shown[0]["severity"]) == (1, "cleared", "critical")


async def test_alarms_are_listed_by_state_and_kind_in_pages_and_forgotten_one_day(store: Store) -> None:
    links = Links(one=True, two=True, three=True)
    async with plane(store) as node:
        alarms = service(node, links.source)
        await alarms.resume()
        await pass_time(node, alarms, 30)
        links.down["one"] = False
        await pass_time(node, alarms, 70)
        assert {each["subject"] for each in await listed(node, state="raised")} == {"two", "three"}
        assert [each["subject"] for each in await listed(node, state="cleared", kind="link")] == ["one"]
        assert not await listed(node, kind="disk")
        (route,) = admin.routes(node.store)
        page = (await route.handler(Request(OPERATOR, None, query={"top": "2"}))).body
        assert len(page.value) == 2
        mark = page.next_link.rpartition("continuation=")[2]
        assert len(await listed(node, top="2", continuation=mark)) == 1
        for wrong in ({"state": "bad"}, {"kind": "bad"}, {"continuation": "bad"}):
            with pytest.raises(InvalidRequest):
                await listed(node, **wrong)
        await purge(store, node.clock.now() + 6 * DAY, RetentionSettings())
        assert len(await listed(node)) == 3
        await purge(store, node.clock.now() + 8 * DAY, RetentionSettings())
        assert {each["subject"] for each in await listed(node)} == {"two", "three"}


async def test_a_restart_neither_raises_an_open_alarm_again_nor_forgets_it(store: Store) -> None:
    links = Links(one=True)
    async with Receiver() as operator, plane(store) as node:
        await subscribe(node, operator.url)
        before = service(node, links.source)
        await before.resume()
        await pass_time(node, before, 30)
        other = service(node, Links().source, origin="there:1")
        await other.resume()
        await pass_time(node, other, 100)  # another gateway's alarms are not its own
        after = service(node, links.source)
        await after.resume()
        await pass_time(node, after, 100)
        links.down["one"] = False
        await pass_time(node, after, 100)
        await node.settle()
        kinds = [each.json[0]["eventType"] for each in operator.notifications]
    assert kinds == ["Tandem.AlarmRaised", "Tandem.AlarmCleared"]


async def test_while_the_database_is_away_the_endpoint_is_told_directly_and_later_by_the_outbox(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    links, posted = Links(one=True), Posted()
    async with Receiver() as operator, plane(sqlite_store) as node:
        await subscribe(node, operator.url)
        alarms = service(node, links.source, posted)
        await alarms.resume()

        async def away(_: object) -> None:
            raise Unavailable("The database is away; try again.")

        with monkeypatch.context() as patch:
            patch.setattr(sqlite_store, "write", away)
            posted.refuse = True
            await pass_time(node, alarms, 30)
            assert posted.events == []
            posted.refuse = False
            await pass_time(node, alarms, 50)
            assert [each.type for each in posted.events] == ["Tandem.AlarmRaised"]
            assert [alarm.thing.subject for alarm in alarms.open()] == ["one"]
        await pass_time(node, alarms, 10)
        await node.settle()
        (told,) = [each.json[0] for each in operator.notifications]
        assert told["id"] == posted.events[0].id
        assert [each["state"] for each in await listed(node)] == ["raised"]


async def test_metrics_count_what_is_raised(sqlite_store: Store) -> None:
    links, registry = Links(one=True, two=True), CollectorRegistry()
    async with plane(sqlite_store) as node:
        alarms = service(node, links.source)
        registry.register(AlarmCollector(alarms))
        await alarms.resume()
        assert registry.get_sample_value("tandem_alarms", {"kind": "disk"}) == 0
        await pass_time(node, alarms, 30)
        links.down["one"] = False
        await pass_time(node, alarms, 70)
        assert registry.get_sample_value("tandem_alarms", {"kind": "link"}) == 1
        assert registry.get_sample_value("tandem_alarms_raised_total", {"kind": "link"}) == 2


async def test_a_source_that_fails_does_not_end_the_watch(sqlite_store: Store) -> None:
    looked = asyncio.Event()

    def broken() -> list[Observation]:
        if fails:
            fails.pop()
            raise RuntimeError("nobody foresaw it")
        looked.set()
        return []

    fails = [1]
    async with plane(sqlite_store) as node:
        alarms = service(node, broken)
        alarms._settings = AlarmSettings(every_seconds=0.001)
        await alarms.start()
        await asyncio.wait_for(looked.wait(), 10)
        await alarms.stop()
