"""What a node watches: a real link, the disk, the certificate, endpoints."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from tandem.alarms import certificate_ending, disk_filling, endpoints_dead, poster, store_away
from tandem.tls import Certificates, Files
from telephony.alarms.settings import AlarmSettings
from telephony.alarms.watch import AlarmKind, Severity
from telephony.events.signing import verify
from telephony.kernel.clock import DAY, SystemClock
from telephony.kernel.errors import RemoteError
from telephony.kernel.ids import to_text
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.resources.directory import NOBODY
from tests.support.clock import START, ManualClock
from tests.support.inside import inside
from tests.support.node import free_ports
from tests.support.receiver import Received, Receiver, agree
from tests.support.webhooks import event, plane

pytestmark = pytest.mark.wire


@dataclass
class Use:
    """What statvfs answers, in blocks of which ten are root's."""

    f_bavail: int
    f_blocks: int = 110

    @property
    def f_bfree(self) -> int:
        return self.f_bavail + 10


def test_a_disk_is_wrong_at_its_threshold_and_right_again_five_percent_below(tmp_path: Path) -> None:
    asked: list[Path] = []
    use = Use(0)

    def statvfs(folder: Path) -> Use:
        asked.append(folder)
        return use

    look = disk_filling(tmp_path, AlarmSettings(disk_percent=90), statvfs)
    found = []
    for use.f_bavail in (50, 11, 10, 9, 12, 15, 16, 0):
        (observation,) = look()
        found.append(observation.wrong)
    assert found == [False, None, True, True, None, None, False, True]
    assert observation.text == f"The disk of {tmp_path} is 100 % full."
    assert set(asked) == {tmp_path}
    assert disk_filling(tmp_path, AlarmSettings())()[0].thing.kind is AlarmKind.DISK


def test_a_certificate_is_wrong_some_days_before_its_end(tmp_path: Path) -> None:
    clock = ManualClock()
    certificates = Certificates(Files(tmp_path), clock)
    certificates.context(["127.0.0.1:8443"])
    look = certificate_ending(certificates, AlarmSettings(certificate_days=14), clock)
    assert [each.wrong for each in look()] == [False]
    clock.at += 382 * DAY
    assert [each.wrong for each in look()] == [False]
    clock.at += 2 * DAY
    (late,) = look()
    until = datetime.fromtimestamp(START // 10**6, UTC).replace(year=2027, month=2, day=2)
    assert (late.wrong, late.severity) == (True, Severity.CRITICAL)
    assert late.text == f"The certificate {certificates.path} ends {until:%Y-%m-%d} 00:00 UTC."
    certificates.refresh(["127.0.0.1:8443"])
    assert [each.wrong for each in look()] == [False]
    certificates.path.write_text("nothing")
    assert [(each.wrong, "cannot be read" in each.text) for each in look()] == [(True, True)]


async def test_a_database_that_takes_no_writes_is_wrong(sqlite_store: Store) -> None:
    look = store_away(sqlite_store)
    assert [each.wrong for each in look()] == [False]
    sqlite_store._writer.trouble = "the database does not take writes: disk full"
    assert [(each.wrong, each.text) for each in look()] == [
        (True, "The database does not take writes: disk full.")
    ]


async def test_an_endpoint_where_nobody_answers_is_wrong(sqlite_store: Store) -> None:
    async with plane(sqlite_store) as node:
        async with Receiver() as endpoint:
            view, _ = await node.subscribe(endpoint.url, name="crm")
        look = endpoints_dead(node.deliverer, node.directory)
        assert look() == []
        await node.publish(*[event() for _ in range(6)])
        await node.settle()
        (found,) = look()
    assert found.thing.subject == to_text(view.id)
    assert found.text == "Nobody answers at the endpoint of the subscription crm."
    assert (found.wrong, found.severity) == (True, Severity.WARNING)


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
async def test_without_an_outbox_an_event_goes_out_signed_as_any_other(
    sqlite_store: Store, schema: str
) -> None:
    async with Receiver() as endpoint, plane(sqlite_store) as node:
        view, secret = await node.subscribe(endpoint.url, schema=schema)
        subscription = node.directory.get(view.id)
        assert subscription is not None
        told = event()
        post = poster(node.client, node.clock)
        await post(subscription, told)
        await node.publish(told)
        await node.deliverer.idle()
        directly, ordinary = endpoint.notifications
        verify(secret, directly.headers, directly.body, now=node.clock.now())
        assert directly.body == ordinary.body
        assert directly.headers == ordinary.headers
        endpoint.status = 500
        with pytest.raises(RemoteError, match="HTTP 500"):
            await post(subscription, told)


def collecting(told: "asyncio.Queue[Any]") -> Callable[[Received], Awaitable[web.StreamResponse]]:
    async def answer(received: Received) -> web.StreamResponse:
        agreed = agree(received)
        if agreed is None:
            told.put_nowait(received.json[0])
        return agreed or web.Response()

    return answer


async def test_a_link_that_goes_down_and_comes_back_is_told_to_the_operator(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    account = SimulatedAccount(password=Secret("tandem"))
    settings = SimulatedSettings(port=port, accounts={"tandem": account})
    told: asyncio.Queue[Any] = asyncio.Queue()
    smsc = Smsc(settings, clock=SystemClock())
    await smsc.start()
    async with (
        Receiver(collecting(told)) as operator,
        inside(
            tmp_path / "var",
            simulated__port=str(port),
            alarms__every_seconds="0.05",
            alarms__after_seconds="0.2",
            alarms__clear_seconds="0.2",
            alarms__disk_percent="100",
            outbound__allow=f'["127.0.0.1:{operator.port}"]',
            log__level="error",
        ) as home,
    ):
        body = {
            "name": "operator",
            "url": operator.url,
            "eventTypes": ["Tandem.AlarmRaised", "Tandem.AlarmCleared"],
        }
        path = f"/admin/resources/{to_text(NOBODY)}/subscriptions"
        made = await home.administer("POST", path, json.dumps(body).encode())
        assert (made.status, made.json["state"]) == (201, "active")
        await smsc.stop()
        raised = await asyncio.wait_for(told.get(), 20)
        smsc = Smsc(settings, clock=SystemClock())
        await smsc.start()
        try:
            cleared = await asyncio.wait_for(told.get(), 20)
            listed = (await home.administer("GET", "/admin/alarms?kind=link")).json["value"]
        finally:
            await smsc.stop()
    assert raised["eventType"] == "Tandem.AlarmRaised"
    assert raised["data"]["text"] == "The SMPP link simulated-1 is not bound."
    assert cleared["eventType"] == "Tandem.AlarmCleared"
    assert cleared["data"]["alarmId"] == raised["data"]["alarmId"]
    assert [(each["id"], each["state"]) for each in listed] == [(raised["data"]["alarmId"], "cleared")]
    assert told.empty()
