"""After a person was forgotten, the number stands nowhere in the database but where opt-outs are."""

import asyncio
import json
from email.utils import formatdate
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, select

from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from tandem.schema import metadata
from telephony.kernel.clock import SystemClock
from telephony.kernel.ids import to_text
from telephony.kernel.secret import Secret
from tests.support.inside import Inside, inside
from tests.support.node import free_ports
from tests.support.receiver import Receiver

pytestmark = pytest.mark.wire

PERSON, SOMEBODY = "+12065550107", "+12065550100"
"""The first answers what it gets."""


async def messages(home: Inside) -> list[dict[str, Any]]:
    path = f"/admin/resources/{to_text(home.one.id)}/messages?top=100"
    found: list[dict[str, Any]] = (await home.administer("GET", path)).json["value"]
    return found


async def over(home: Inside) -> bool:
    """Tell whether both messages were delivered and the answer to one has come."""
    states = [each["state"] for each in await messages(home)]
    return sorted(states) == ["delivered", "delivered", "received"]


async def send(home: Inside, number: str, text: str, tag: str) -> None:
    recipient = {
        "to": number,
        "repeatabilityRequestId": str(uuid4()),
        "repeatabilityFirstSent": formatdate(usegmt=True),
    }
    body = {
        "from": home.one.number,
        "smsRecipients": [recipient],
        "message": text,
        "smsSendOptions": {"enableDeliveryReport": True, "tag": tag},
    }
    target = "/sms?api-version=2021-03-07"
    sent = await home.sign_and_ask("POST", target, json.dumps(body).encode())
    assert sent.status == 202, sent.body
    assert sent.json["value"][0]["successful"], sent.body


def places(tx: Connection, number: str) -> set[str]:
    """Return the tables in which a number stands somewhere, however it is spelled."""
    digits = number.removeprefix("+")
    return {
        table.name
        for table in metadata.sorted_tables
        for row in tx.execute(select(table))
        for value in row
        if digits in (value.decode("latin-1") if isinstance(value, bytes) else str(value))
    }


async def test_a_forgotten_person_is_nowhere_but_among_the_opt_outs(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    account = SimulatedAccount(password=Secret("tandem"))
    smsc = Smsc(SimulatedSettings(port=port, accounts={"tandem": account}), clock=SystemClock())
    await smsc.start()
    async with (
        Receiver() as endpoint,
        inside(
            tmp_path / "var",
            simulated__port=str(port),
            outbound__allow=f'["127.0.0.1:{endpoint.port}"]',
            log__level="error",
        ) as home,
    ):
        try:
            await _forget(home, endpoint)
        finally:
            await smsc.stop()


async def _forget(home: Inside, endpoint: Receiver) -> None:
    base = f"/admin/resources/{to_text(home.one.id)}"
    webhook = json.dumps({"name": "crm", "url": endpoint.url}).encode()
    assert (await home.administer("POST", base + "/subscriptions", webhook)).status == 201
    await send(home, PERSON, f"Hello {PERSON}", f"customer {PERSON}")
    await send(home, SOMEBODY, "Hello", "customer 2")
    async with asyncio.timeout(30):
        while not (await over(home) and len(endpoint.notifications) >= 3):
            await asyncio.sleep(0.02)
    opt_out = json.dumps({"from": home.one.number, "recipients": [{"to": PERSON}]}).encode()
    added = await home.sign_and_ask("POST", "/sms/optouts:add?api-version=2025-05-29-preview", opt_out)
    assert added.status == 200, added.body
    store = home.gateway.store
    assert await store.read(lambda tx: places(tx, PERSON)) >= {"interactions", "bodies", "opt_outs"}
    request = json.dumps({"phoneNumber": PERSON}).encode()
    answer = await home.administer("POST", base + "/privacy:delete", request)
    assert answer.status == 200, answer.body
    assert answer.json["erased"]["messages"] == 2
    assert answer.json["kept"] == {"messagesNotOver": 0, "optOuts": 1, "callsNotOver": 0}
    assert await store.read(lambda tx: places(tx, PERSON)) == {"opt_outs"}
    assert await store.read(lambda tx: places(tx, SOMEBODY)) >= {"interactions"}
    shown = await messages(home)
    assert sorted(each["to"] for each in shown) == sorted([SOMEBODY, "erased", home.one.number])
    assert [each["from"] for each in shown if each["direction"] == "inbound"] == ["erased"]
    (record,) = (await home.administer("GET", "/admin/audit?operation=admin.privacy.delete")).json["value"]
    assert record["body"] == {"phoneNumber": "+1206*****07"}
    assert record["after"] == answer.json
    again = await home.administer("POST", base + "/privacy:delete", request)
    assert set(again.json["erased"].values()) == {0}
    for wrong in (b"{}", b'{"phoneNumber":"12065550107"}', b'{"phoneNumber":"+1 206 555 0107"}'):
        assert (await home.administer("POST", base + "/privacy:delete", wrong)).status == 400
    nobody = base.replace(to_text(home.one.id), "00000000-0000-7000-8000-000000000001")
    assert (await home.administer("POST", nobody + "/privacy:delete", request)).status == 404
