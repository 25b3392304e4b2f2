"""Texts that come in over a carrier's link go where the rules say, and `explain` had said so before."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from telephony.events.signing import verify
from telephony.kernel.clock import SystemClock
from telephony.kernel.ids import to_text
from telephony.kernel.secret import Secret
from tests.support.inside import Inside, inside
from tests.support.node import free_ports
from tests.support.receiver import Canary, Receiver

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

PERSON, COLLEAGUE, OPTED_OUT = "+12065550190", "+12065550100", "+12065550103"
SUBSCRIBERS = {"kind": "subscriptions"}


@dataclass
class House:
    """A gateway, its carrier, and two endpoints: one subscribed, one that only rules know."""

    home: Inside
    smsc: Smsc
    subscribed: Receiver
    ruled: Receiver

    async def routes(self, *inbound: dict[str, Any]) -> None:
        """Put rules in force; what goes out goes by the number."""
        now = (await self.home.administer("GET", "/admin/routes")).json
        rules = [{"kinds": ["sms"], "prefixes": [""], **one} for one in inbound]
        body = {"set": now["set"] | {"inbound": rules}, "version": now["version"]}
        answer = await self.home.administer("PUT", "/admin/routes", json.dumps(body).encode())
        assert answer.status == 200, answer.body

    async def explained(self) -> dict[str, Any]:
        """Return what is said of a text before it comes."""
        body = {"to": self.home.one.number, "from": PERSON, "direction": "in"}
        answer = await self.home.administer("POST", "/admin/explain", json.dumps(body).encode())
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    async def messages(self, query: str = "") -> list[dict[str, Any]]:
        """Return the first resource's messages, newest first."""
        path = f"/admin/resources/{to_text(self.home.one.id)}/messages?top=100{query}"
        found: list[dict[str, Any]] = (await self.home.administer("GET", path)).json["value"]
        return found

    async def comes(self, text: str) -> dict[str, Any]:
        """Let a text come in; return it with its timeline once its way has ended."""
        before = {one["messageId"] for one in await self.messages("&direction=inbound")}
        self.smsc.inbound(text, PERSON, self.home.one.number)
        async with asyncio.timeout(20):
            while not (
                new := [
                    one for one in await self.messages("&direction=inbound") if one["messageId"] not in before
                ]
            ):
                await asyncio.sleep(0.01)
            while not _over(found := await self.message(new[0]["messageId"])):
                await asyncio.sleep(0.01)
        return found

    async def message(self, identifier: str) -> dict[str, Any]:
        """Look one up."""
        path = f"/admin/resources/{to_text(self.home.one.id)}/messages/{identifier}"
        found: dict[str, Any] = (await self.home.administer("GET", path)).json
        return found


def _over(message: dict[str, Any]) -> bool:
    """Tell whether a text is where it goes; one that is sent on is there when it was sent."""
    told = [entry for entry in message["timeline"] if entry["kind"].startswith(("message.", "route."))]
    last = told[-1]
    return last["kind"] in ("message.refused", "message.failed", "message.forwarded") or (
        last["kind"] == "message.routed" and last["data"]["target"] != "number"
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    (port,) = free_ports(1)
    smsc = Smsc(
        SimulatedSettings(port=port, accounts={"tandem": SimulatedAccount(password=Secret("tandem"))}),
        clock=SystemClock(),
    )
    await smsc.start()
    try:
        async with Receiver() as subscribed, Receiver() as ruled:
            allowed = f'["127.0.0.1:{subscribed.port}", "127.0.0.1:{ruled.port}"]'
            data = tmp_path_factory.mktemp("node") / "var"
            async with inside(
                data, simulated__port=str(port), outbound__allow=allowed, log__level="error"
            ) as home:
                base = f"/admin/resources/{to_text(home.one.id)}/subscriptions"
                body = {"name": "all", "url": subscribed.url}
                added = await home.administer("POST", base, json.dumps(body).encode())
                assert added.status == 201, added.body
                out = {"from": home.one.number, "recipients": [{"to": OPTED_OUT}]}
                path = "/sms/optouts:add?api-version=2025-05-29-preview"
                assert (await home.sign_and_ask("POST", path, json.dumps(out).encode())).status == 200
                yield House(home, smsc, subscribed, ruled)
    finally:
        await smsc.stop()


def hook(on: House) -> dict[str, Any]:
    return {"kind": "webhook", "url": on.ruled.url}


def target_of(kind: str, on: House) -> dict[str, Any]:
    """Return a target of a kind that is tested."""
    targets: dict[str, dict[str, Any]] = {
        "subscriptions": SUBSCRIBERS,
        "webhook": hook(on),
        "number": {"kind": "number", "number": COLLEAGUE},
        "reject": {"kind": "reject", "reason": "busy"},
        "sequence": {
            "kind": "sequence",
            "targets": [{"target": {"kind": "number", "number": OPTED_OUT}}, {"target": hook(on)}],
        },
        "schedule": {
            "kind": "schedule",
            "alternatives": [
                {"windows": [{"last": "2020-01-01"}], "target": SUBSCRIBERS},
                {"windows": [{}], "target": {"kind": "reject"}},
            ],
        },
    }
    return targets[kind]


@pytest.mark.parametrize(
    ("kind", "state", "tried"),
    [
        ("subscriptions", "received", ["subscriptions"]),
        ("webhook", "received", ["webhook"]),
        ("number", "received", ["number"]),
        ("reject", "refused", ["reject"]),
        ("sequence", "received", ["number", "number", "webhook"]),
        ("schedule", "refused", ["reject"]),
    ],
)
async def test_a_text_goes_where_explain_says(house: House, kind: str, state: str, tried: list[str]) -> None:
    subscribed, ruled = len(house.subscribed.notifications), len(house.ruled.notifications)
    await house.routes({"id": f"to-{kind}", "target": target_of(kind, house)})
    said = await house.explained()
    found = await house.comes(f"By {kind}")
    assert found["message"]["state"] == state
    told = [entry["data"] for entry in found["timeline"] if "target" in (entry["data"] or {})]
    assert [each["target"] for each in told] == tried
    assert {each["rule"] for each in told} == {said["rule"]} == {f"to-{kind}"}
    assert list(dict.fromkeys(tried)) == [stop["kind"] for stop in said["stops"]]
    assert not said.get("refusal")
    if tried[-1] == "webhook":
        await _told(house.ruled, ruled + 1)
        assert house.ruled.notifications[-1].json[0]["data"]["message"] == f"By {kind}"
    if tried[-1] == "subscriptions":
        await _told(house.subscribed, subscribed + 1)
        assert house.subscribed.notifications[-1].json[0]["data"]["message"] == f"By {kind}"
    else:
        assert len(house.subscribed.notifications) == subscribed


async def _told(receiver: Receiver, count: int) -> None:
    async with asyncio.timeout(20):
        while len(receiver.notifications) < count:
            await asyncio.sleep(0.01)


async def test_a_text_without_a_rule_is_refused_as_explain_says_and_counted(house: House) -> None:
    before = REGISTRY.get_sample_value("tandem_inbound_texts_total", {"target": "denied"}) or 0
    told = len(house.subscribed.notifications) + len(house.ruled.notifications)
    await house.routes()
    said = await house.explained()
    found = await house.comes("Is anybody there?")
    assert said["refusal"] == "No rule is for this number."
    assert found["message"]["state"] == "refused"
    assert found["text"] == "Is anybody there?"
    assert found["timeline"][-1]["data"] == {"reason": said["refusal"]}
    assert REGISTRY.get_sample_value("tandem_inbound_texts_total", {"target": "denied"}) == before + 1
    assert len(house.subscribed.notifications) + len(house.ruled.notifications) == told


async def test_a_text_that_is_sent_on_reaches_the_carrier_from_our_number(house: House) -> None:
    await house.routes({"id": "on", "target": {"kind": "number", "number": COLLEAGUE, "named": True}})
    found = await house.comes("Where are you?")
    sent = await house.message(found["timeline"][-1]["data"]["message"])
    async with asyncio.timeout(20):
        while (sent := await house.message(sent["message"]["messageId"]))["message"]["state"] != "delivered":
            await asyncio.sleep(0.01)
    assert (sent["message"]["from"], sent["message"]["to"]) == (house.home.one.number, COLLEAGUE)
    assert sent["text"] == f"{PERSON}: Where are you?"
    assert sent["timeline"][0]["data"]["request"] == found["message"]["messageId"]


async def test_the_receiver_of_a_rules_webhook_verifies_it_once_its_secret_was_rotated(house: House) -> None:
    await house.routes({"id": "hook", "target": hook(house)})
    await house.comes("First")  # makes the subscription, when nothing else has
    base = f"/admin/resources/{to_text(house.home.one.id)}/subscriptions"
    listed = (await house.home.administer("GET", base)).json["value"]
    (made,) = [one for one in listed if one["name"].startswith("route-")]
    assert made["eventTypes"] == ["routed"]
    rotated = await house.home.administer("POST", f"{base}/{made['id']}:rotateSecret", b"{}")
    assert rotated.status == 200, rotated.body
    count = len(house.ruled.notifications)
    await house.comes("Signed")
    await _told(house.ruled, count + 1)
    last = house.ruled.notifications[-1]
    verify(Secret(rotated.json["secret"]), last.headers, last.body, now=SystemClock().now())
    assert last.headers["aeg-subscription-name"] == made["name"]


async def test_a_rule_leads_nowhere_inside_and_the_text_waits_until_it_is_allowed(house: House) -> None:
    async with Canary() as canary:
        await house.routes(
            {"id": "inside", "target": {"kind": "webhook", "url": f"http://127.0.0.1:{canary.port}/in"}}
        )
        found = await house.comes("Open up")
        async with asyncio.timeout(20):
            while not (failed := [one for one in found["timeline"] if one["kind"] == "webhook.failed"]):
                await asyncio.sleep(0.02)
                found = await house.message(found["message"]["messageId"])
        assert "outbound.allow" in failed[0]["data"]["error"]
        assert canary.connections == 0


async def test_inbound_texts_stand_in_the_usage(house: House) -> None:
    found = (await house.home.administer("GET", "/admin/usage?by=resource,direction")).json["value"]
    (row,) = [
        one
        for one in found
        if one["direction"] == "inbound" and one["resource"] == to_text(house.home.one.id)
    ]
    whole = await house.messages("&direction=inbound")
    assert row["count"] == len(whole)
    assert row["units"] == sum(one["segments"] for one in whole)


async def test_a_rate_for_inbound_texts_gives_them_a_price(house: House) -> None:
    place = "/admin/rate-sheets/inbound"

    async def ask(path: str, body: dict[str, Any]) -> Any:
        answer = await house.home.administer("POST", place + path, json.dumps(body).encode())
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    draft = (await ask("/drafts", {"currency": "USD"}))["draft"]
    lines = {"currency": "USD", "columns": ["prefix", "kind", "price"], "lines": ["1425,sms-in,0.004"]}
    assert (await ask(f"/drafts/{draft}:add", lines))["kept"] == 1
    await ask(f"/drafts/{draft}:activate", {})
    await ask(":use", {"resource": to_text(house.home.one.id)})
    await house.routes({"id": "closed", "target": {"kind": "reject"}})
    await house.comes("x" * 200)  # two parts
    found = (await house.home.administer("GET", "/admin/usage?by=direction")).json["value"]
    (row,) = [one for one in found if one["direction"] == "inbound" and one["currency"]]
    assert (row["count"], row["units"]) == (1, 2)
    assert float(row["price"]) == pytest.approx(0.008)
