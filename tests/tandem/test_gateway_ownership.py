"""R23 and R24 over the routes of a whole gateway, with two resources side by side."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sms.message import wire_id
from telephony.identity.names import UserId, raw_id
from telephony.kernel.clock import MINUTE, SystemClock
from telephony.kernel.http.route import Auth, Route
from telephony.kernel.ids import InteractionId, new_id, to_text
from tests.support.http import Answer
from tests.support.inside import Inside, Tenant, inside
from tests.support.promises import Report
from tests.support.receiver import Receiver
from tests.support.routes import (
    OWN_EACH_TIME,
    PARAMETER,
    Ids,
    assert_foreign_ids_look_absent,
    routes_with_ids,
)

pytestmark = pytest.mark.wire

SMS = "/sms?api-version=2021-03-07"
SIP = "/sip?api-version=2023-03-01"
RECIPIENT = "+12065550100"
ACCOUNT = "theirs"
"""The other resource's SMPP account."""
SBC = "theirs.example"
"""The other resource's SIP trunk."""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with Receiver() as receiver:
        allowed = f'["127.0.0.1:{receiver.port}"]'
        async with inside(tmp_path / "var", outbound__allow=allowed, http__rate="1000000") as running:
            yield running


def sms(sender: str, text: str = "Hello", **recipient: str) -> bytes:
    return json.dumps(
        {"from": sender, "smsRecipients": [{"to": RECIPIENT, **recipient}], "message": text}
    ).encode()


async def messages(home: Inside, tenant: Tenant) -> list[dict[str, Any]]:
    answer = await home.administer("GET", f"/admin/resources/{to_text(tenant.id)}/messages?top=500")
    found: list[dict[str, Any]] = answer.json["value"]
    return found


def bare(answer: Answer) -> tuple[int, Mapping[str, str], bytes]:
    """Return an answer without what is every answer's own."""
    kept = {name: value for name, value in answer.headers.items() if name not in OWN_EACH_TIME}
    return answer.status, kept, answer.body


# R24


class Things:
    """What the other resource has, and ids of the same form that nobody has."""

    def __init__(
        self, home: Inside, message: str, subscription: str, token: str, user: str, call: str
    ) -> None:
        now = SystemClock().now()
        self.own, self.others, self.nobodys = (
            to_text(home.one.id),
            to_text(home.other.id),
            to_text(new_id(now)),
        )
        self.foreign = {
            "messageId": message,
            "subscription": subscription,
            "token": token,
            "id": user,
            "systemId": ACCOUNT,
            "fqdn": SBC,
            "callId": call,
        }
        self.absent = {
            "messageId": wire_id(InteractionId(new_id(now)), "outbound"),
            "subscription": to_text(new_id(now)),
            "token": "t" * len(token),
            "id": raw_id(home.one.id, UserId(new_id(now))),
            "systemId": "nobodys",
            "fqdn": "nobodys.example",
            "callId": to_text(new_id(now)),
        }

    def ids(self, route: Route, resource: str) -> Ids:
        """Return the ids for a route of administration, asked under a resource."""
        bodies: dict[str, dict[str, object]] = {
            "admin.resources.add_authorities": {"authorities": ["more.example:8443"]},
            "admin.resources.remove_authorities": {"authorities": ["more.example:8443"]},
            "admin.resources.rotate_key": {"keyType": "primary"},
            "admin.privacy.delete": {"phoneNumber": "+14255550177"},
            "admin.smpp_accounts.create": {"systemId": "mine"},
            "admin.resource_routes.put": {"set": {}, "version": 0},
            "admin.resource_routes.check": {"set": {}},
            "admin.limits.change": {"messagesPerSecond": 1},
            "admin.calls.place": {"from": "+14255550100", "to": RECIPIENT},
            "events.subscriptions.create": {"name": "mine", "url": "http://127.0.0.1:1/"},
            "events.dead_letters.redrive": {"subscription": self.absent["subscription"]},
        }
        body = bodies.get(route.operation)
        return Ids(
            {**self.foreign, "resource": resource},
            {**self.absent, "resource": resource},
            b"" if body is None else json.dumps(body).encode(),
        )


async def things(home: Inside, receiver: Receiver) -> Things:
    """Give the other resource one of everything."""
    sent = await home.sign_and_ask("POST", SMS, sms(home.other.number), tenant=home.other)
    user = await home.sign_and_ask("POST", "/identities?api-version=2023-10-01", b"{}", tenant=home.other)
    new = {"name": "theirs", "url": receiver.url}
    path = f"/admin/resources/{to_text(home.other.id)}"
    made = await home.administer("POST", f"{path}/subscriptions", json.dumps(new).encode())
    assert made.status == 201, made
    account = await home.administer("POST", f"{path}/smppAccounts", b'{"systemId": "%s"}' % ACCOUNT.encode())
    assert account.status == 201, account
    trunks = json.dumps({"trunks": {SBC: {"sipSignalingPort": 5061}}}).encode()
    signed = home.signed("PATCH", SIP, trunks, tenant=home.other)
    trunk = await home.ask("PATCH", SIP, trunks, {**signed, "Content-Type": "application/merge-patch+json"})
    assert trunk.status == 200, trunk
    calling = json.dumps({"from": home.other.number, "to": RECIPIENT}).encode()
    call = await home.administer("POST", f"{path}/calls", calling)
    assert call.status == 201, call
    (handshake,) = receiver.received
    token = handshake.json[0]["data"]["validationUrl"].rpartition("/")[2]
    return Things(
        home,
        sent.json["value"][0]["messageId"],
        made.json["id"],
        token,
        user.json["identity"]["id"],
        call.json["callId"],
    )


async def number_ids(home: Inside) -> dict[str, Ids]:
    """Let the other resource search and reserve, and return the ids of its things and of nothing."""
    version = "api-version=2025-06-01"
    countries = f"/availablePhoneNumbers/countries/US/:search?{version}"
    wanted: dict[str, Any] = {"phoneNumberType": "geographic", "assignmentType": "application"}
    wanted["capabilities"] = {"calling": "none", "sms": "outbound"}
    body = json.dumps(wanted).encode()
    found = await home.sign_and_ask("POST", countries, body, tenant=home.other)
    theirs, nobodys = str(uuid4()), str(uuid4())
    path = f"/availablePhoneNumbers/reservations/{theirs}?{version}"
    made = await home.sign_and_ask("PATCH", path, b"{}", tenant=home.other)
    assert (found.status, made.status) == (202, 201), (found, made)
    number = Ids({"phoneNumber": home.other.number}, {"phoneNumber": "+14255550199"})
    reservation = Ids({"reservationId": theirs}, {"reservationId": nobodys})
    operation = Ids({"operationId": found.headers["operation-id"]}, {"operationId": f"search_{nobodys}"})
    return {
        "numbers.search_result": Ids({"searchId": found.headers["search-id"]}, {"searchId": nobodys}),
        "numbers.get": number,
        "numbers.update_capabilities": replace(number, body=b'{"sms": "none"}'),
        "numbers.release": number,
        "numbers.get_operation": operation,
        "numbers.cancel_operation": operation,
        "numbers.get_reservation": reservation,
        "numbers.delete_reservation": reservation,
        "numbers.purchase_reservation": reservation,
    }


async def everything(home: Inside, resource: str) -> list[bytes]:
    """Return what administration shows of a resource."""
    answers = [
        await home.administer("GET", f"/admin/resources/{resource}/{what}")
        for what in ("messages", "subscriptions", "smppAccounts", "deadLetters", "users")
    ]
    assert {answer.status for answer in answers} == {200}
    return [answer.body for answer in answers]


@pytest.mark.promise("R24")
async def test_every_route_answers_404_to_another_resources_id(tmp_path: Path, promise: Report) -> None:
    async with Receiver() as receiver:
        allowed = f'["127.0.0.1:{receiver.port}"]'
        async with inside(tmp_path / "var", outbound__allow=allowed) as home:
            have = await things(home, receiver)
            before = await everything(home, have.others)

            async def administer(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
                return await home.administer(method, target, body, headers)

            async def ask(method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
                return await home.sign_and_ask(method, target, body)

            table = home.gateway.routes
            # A resource's own routes; one that is not listed here fails.
            reports = Ids(
                {"outgoingMessageId": have.foreign["messageId"]},
                {"outgoingMessageId": have.absent["messageId"]},
            )
            user = Ids({"id": have.foreign["id"]}, {"id": have.absent["id"]})
            own = {
                "sms.delivery_reports.get": reports,
                "identity.get": user,
                "identity.delete": user,
                "identity.issue_token": replace(user, body=b'{"scopes":["chat"]}'),
                "identity.revoke_tokens": user,
                **await number_ids(home),
            }
            walked = await assert_foreign_ids_look_absent(table, own, ask)
            assert walked == len(routes_with_ids(table))
            # Administration names the resource, and then something of it.
            named = [route for route in table if "resource" in PARAMETER.findall(route.template)]
            inner = [replace(route, auth=Auth.HMAC) for route in named if len(_parameters(route)) > 1]
            whole = [replace(route, auth=Auth.HMAC) for route in named]
            for routes, resource in ((inner, have.own), (whole, have.nobodys)):
                ids = {route.operation: have.ids(route, resource) for route in routes}
                walked += await assert_foreign_ids_look_absent(routes, ids, administer)
            assert await everything(home, have.others) == before, (
                "a request under another resource changed it"
            )
    promise(routes=len(table), with_ids=len(named), walked=walked, told_apart=0)
    assert len(named) >= 11


def _parameters(route: Route) -> list[str]:
    return PARAMETER.findall(route.template)


@pytest.mark.promise("R24")
async def test_ids_in_bodies_and_queries_look_absent_too(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        allowed = f'["127.0.0.1:{receiver.port}"]'
        async with inside(tmp_path / "var", outbound__allow=allowed) as home:
            have = await things(home, receiver)
            own = f"/admin/resources/{have.own}"
            theirs, nobodys = have.foreign["subscription"], have.absent["subscription"]
            letters = [
                await home.administer("GET", f"{own}/deadLetters?subscription={each}")
                for each in (theirs, nobodys)
            ]
            redriven = [
                await home.administer(
                    "POST", f"{own}/deadLetters:redrive", json.dumps({"subscription": each}).encode()
                )
                for each in (theirs, nobodys)
            ]
            senders = [
                await home.sign_and_ask("POST", SMS, sms(each))
                for each in (home.other.number, "+14255550177")
            ]
    for pair, status in ((letters, 200), (redriven, 404), (senders, 401)):
        assert pair[0].status == status
        assert bare(pair[0]) == bare(pair[1])
    assert letters[0].json == {"value": []}


# R23


def _without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != name.lower()}


@pytest.mark.promise("R23")
async def test_whatever_is_wrong_with_a_signature_gets_the_same_401(home: Inside, promise: Report) -> None:
    body, now = sms(home.one.number), SystemClock().now()
    good = home.signed("POST", SMS, body)
    name = next(key for key in good if key.lower() == "authorization")
    signature = good[name]
    wrong: dict[str, tuple[str, bytes, dict[str, str]]] = {
        "a wrong key": (SMS, body, home.signed("POST", SMS, body, key=bytes(64))),
        "the other resource's key": (SMS, body, home.signed("POST", SMS, body, key=home.other.key)),
        "a changed body": (SMS, body.replace(b"Hello", b"Hullo"), good),
        "no body": (SMS, b"", good),
        "a changed path": ("/sms/?api-version=2021-03-07", body, good),
        "a changed query": (SMS + "&more=1", body, good),
        "another method": (SMS, body, home.signed("PUT", SMS, body)),
        "the other resource's authority": (SMS, body, {**good, "Host": home.other.authority}),
        "an unknown authority": (SMS, body, home.signed("POST", SMS, body, host="stranger.example:8443")),
        "an old date": (SMS, body, home.signed("POST", SMS, body, now=now - 6 * MINUTE)),
        "a future date": (SMS, body, home.signed("POST", SMS, body, now=now + 6 * MINUTE)),
        "another date": (SMS, body, {**good, "x-ms-date": formatdate(1_600_000_000, usegmt=True)}),
        "no date": (SMS, body, _without(good, "x-ms-date")),
        "no content hash": (SMS, body, _without(good, "x-ms-content-sha256")),
        "no authorization": (SMS, body, _without(good, "authorization")),
        "another scheme": (SMS, body, {**good, name: signature.replace("HMAC-SHA256", "HMAC-SHA1")}),
        "an administration key": (SMS, body, {**good, name: f"Bearer {home.admin_key}"}),
        "fewer signed headers": (SMS, body, {**good, name: signature.replace(";x-ms-content-sha256", "")}),
        "half a signature": (SMS, body, {**good, name: signature[:-20]}),
        "no base64": (SMS, body, {**good, name: signature[:-2] + "é?"}),
    }
    answers = {
        what: await home.ask("POST", target, raw, headers) for what, (target, raw, headers) in wrong.items()
    }
    told = bare(answers["a wrong key"])
    assert told[0] == 401
    assert json.loads(told[2])["error"]["code"] == "Denied"
    for what, answer in answers.items():
        assert bare(answer) == told, what
    assert await messages(home, home.one) == []
    assert (await home.ask("POST", SMS, body, good)).status == 202
    promise(ways=len(wrong), accepted=0)


@pytest.mark.promise("R23")
async def test_the_same_repeatability_id_has_one_effect(home: Inside, promise: Report) -> None:
    pair = {
        "repeatabilityRequestId": str(uuid4()),
        "repeatabilityFirstSent": formatdate(usegmt=True),
    }
    body = sms(home.one.number, **pair)
    at_once = await asyncio.gather(*(home.sign_and_ask("POST", SMS, body) for _ in range(10)))
    later = await home.sign_and_ask("POST", SMS, body)
    items = [answer.json["value"][0] for answer in (*at_once, later)]
    assert {item["httpStatusCode"] for item in items} == {202}
    assert len({item["messageId"] for item in items}) == 1
    assert {item["repeatabilityResult"] for item in items} == {"accepted"}
    other_text = await home.sign_and_ask("POST", SMS, sms(home.one.number, "Goodbye", **pair))
    (item,) = other_text.json["value"]
    assert (item["httpStatusCode"], item["successful"]) == (412, False)
    assert item["repeatabilityResult"] == "rejected"
    # Ids are a resource's own: the same one at the other resource is another request.
    elsewhere = await home.sign_and_ask("POST", SMS, sms(home.other.number, **pair), tenant=home.other)
    assert elsewhere.json["value"][0]["messageId"] != items[0]["messageId"]
    assert [len(await messages(home, tenant)) for tenant in (home.one, home.other)] == [1, 1]
    promise(requests=len(items), messages=1)
