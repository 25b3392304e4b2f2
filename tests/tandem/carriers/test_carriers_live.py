"""Carriers that come, change and go while a gateway works, against simulated ones on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from telephony.kernel.clock import SystemClock
from telephony.kernel.e164 import E164
from telephony.kernel.ids import to_text
from telephony.kernel.secret import Secret
from telephony.numbers.store import AcquireNumber, OwnedNumber
from tests.support.inside import Inside, inside
from tests.support.sms import settled

pytestmark = pytest.mark.wire

NUMBER = E164("+14255550177")
"""Of the first resource, at the carrier that is applied."""

CANARY, CHANGED = "c4n4ry-1", "c4n4ry-2"


@asynccontextmanager
async def smsc(**accounts: str) -> AsyncIterator[Smsc]:
    """Run a carrier with accounts and their passwords."""
    settings = SimulatedSettings(
        port=0,
        accounts={name: SimulatedAccount(password=Secret(word)) for name, word in accounts.items()},
    )
    running = Smsc(settings, clock=SystemClock(), journal=None)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def link(port: int, system_id: str = "extra", password: str = CANARY, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "system_id": system_id, "password": password, **more}


def folder(*links: tuple[str, dict[str, Any]], **more: Any) -> bytes:
    carrier = {"simulated": True, "smpp": dict(links), **more}
    return json.dumps({"files": [{"name": "extra.toml", "carriers": {"extra": carrier}}]}).encode()


async def apply(node: Inside, body: bytes) -> dict[str, str]:
    answer = await node.administer("PUT", "/admin/carriers", body)
    assert answer.status == 200, answer.body
    return {each["name"]: each["what"] for each in json.loads(answer.body)["value"]}


def bound(node: Inside) -> list[str]:
    return sorted(each.name for each in node.gateway.sms.links if each.bound and each.carrier == "extra")


async def send(node: Inside, to: str = "+14255550111") -> str:
    body = {"from": NUMBER, "smsRecipients": [{"to": to}], "message": "Hi"}
    answer = await node.sign_and_ask("POST", "/sms?api-version=2021-03-07", json.dumps(body).encode())
    assert answer.status == 202, answer.body
    return str(json.loads(answer.body)["value"][0]["messageId"])


async def state(node: Inside, message: str) -> str:
    path = f"/admin/resources/{to_text(node.one.id)}/messages/{message}"
    answer = await node.administer("GET", path)
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["message"]["state"])


async def test_links_follow_what_is_applied_without_a_restart(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with smsc(extra=CANARY) as carrier, smsc(extra=CHANGED) as elsewhere, inside(tmp_path) as node:
            sms = node.gateway.sms
            others = [each for each in sms.links if each.carrier != "extra"]
            assert await apply(node, folder(("extra-1", link(carrier.port)))) == {"extra": "added"}
            await settled(lambda: bound(node) == ["extra-1"])

            await node.gateway.store.write(
                AcquireNumber(OwnedNumber(node.one.id, NUMBER, "extra"), SystemClock().now())
            )
            first = await send(node)
            await settled(lambda: carrier.stats().total.submitted == 1)

            # One more link: the one that is there does not notice.
            one = next(each for each in sms.links if each.name == "extra-1")
            both = folder(("extra-1", link(carrier.port)), ("extra-2", link(carrier.port)))
            assert await apply(node, both) == {"extra": "changed"}
            await settled(lambda: bound(node) == ["extra-1", "extra-2"])
            assert one in sms.links

            # Another address and password: the links are replaced, the receipt still finds its message.
            moved = folder(("extra-1", link(elsewhere.port, password=CHANGED)))
            await apply(node, moved)
            await sms.settled()
            await settled(lambda: bound(node) == ["extra-1"])
            second = await send(node)
            await settled(lambda: elsewhere.stats().total.submitted == 1)
            await all_delivered(node, first, second)

            # It wants things otherwise: all of it is made anew.
            await apply(node, folder(("extra-1", link(elsewhere.port, password=CHANGED)), receipt_id="auto"))
            await sms.settled()
            await settled(lambda: bound(node) == ["extra-1"])
            third = await send(node)
            await all_delivered(node, third)

            shown = await node.administer("GET", "/admin/carriers/extra")
            listed = await node.administer("GET", "/admin/carriers")
            audit = await node.administer("GET", "/admin/audit")
            assert [each for each in sms.links if each.carrier != "extra"] == others
    told = b"".join((shown.body, listed.body, audit.body)) + repr(logs).encode()
    assert CANARY.encode() not in told
    assert CHANGED.encode() not in told
    assert json.loads(shown.body)["carrier"]["smpp"]["extra-1"]["password"] == "***"


async def all_delivered(node: Inside, *messages: str) -> None:
    async with asyncio.timeout(20):
        for message in messages:
            while await state(node, message) != "delivered":
                await asyncio.sleep(0)
