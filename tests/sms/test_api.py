"""ACS Sms over HTTP, up to the store; no carrier behind it."""

import asyncio
import base64
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from azure.communication.sms import SmsClient
from azure.communication.sms.aio import SmsClient as AsyncSmsClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

from sms import admin, api
from sms.api import VERSIONS
from sms.life import MessageLife
from sms.message import from_wire_id
from sms.outgoing import encoded
from sms.smpp.link import LinkStatus
from sms.store.inbound import InboundSms, RecordInbound
from tandem.tls import Certificates, Files
from telephony.kernel.clock import SystemClock
from telephony.kernel.e164 import E164
from telephony.kernel.http.dates import format_http_date
from telephony.kernel.ids import new_id, to_text
from telephony.kernel.store import Store
from telephony.numbers.store import AcquireNumber, OwnedNumber
from tests.support.http import Answer, House, house
from tests.support.sms import CARRIER, PEER, Plane, plane

pytestmark = pytest.mark.wire

PATH = "/sms?api-version=2021-03-07"
MINE = E164("+14255550177")
OTHERS_NUMBER = E164("+14255550188")


@dataclass
class Running:
    """The application with the routes of messages; messages lie in a store of their own."""

    house: House
    plane: Plane

    async def send(self, body: object, path: str = PATH) -> Answer:
        """Send a request of the first resource's."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.house.signed("POST", path, raw)

    async def admin(self, path: str, method: str = "GET") -> Answer:
        """Ask as an administrator."""
        key = self.house.admin.reveal()
        return await self.house.ask(method, path, headers={"Authorization": f"Bearer {key}"})


@asynccontextmanager
async def _running(
    store: Store, folder: Path, tls: Callable[[Path], ssl.SSLContext] | None = None
) -> AsyncIterator[Running]:
    clock = SystemClock()
    on = await plane(store, clock=clock)
    known: set[bytes] = set()
    life = MessageLife(
        store=store,
        clock=clock,
        node=on.node,
        settings=on.settings,
        finisher=on.finisher,
        ended=on.ended,
        offer=lambda _, __: None,
        cancelled=lambda _, __: None,
        encoder=lambda _: encoded,
    )
    routes = [
        *api.routes(on.sender(), clock),
        *admin.routes(store, lambda: [_status()], lambda resource: resource in known, life),
    ]
    (folder / "house").mkdir()
    async with house(routes, folder / "house", tls=tls(folder) if tls is not None else None) as made:
        on.resource = made.one.id
        known |= {made.one.id, made.other.id}
        await store.write(AcquireNumber(OwnedNumber(made.one.id, MINE, CARRIER), 1))
        await store.write(AcquireNumber(OwnedNumber(made.other.id, OTHERS_NUMBER, CARRIER), 1))
        yield Running(made, on)


@pytest.fixture
async def running(sqlite_store: Store, tmp_path: Path) -> AsyncIterator[Running]:
    async with _running(sqlite_store, tmp_path) as made:
        yield made


@pytest.fixture
async def secure(sqlite_store: Store, tmp_path: Path) -> AsyncIterator[Running]:
    """The same over TLS, as Azure's clients want it; its authority is `ca.pem`."""

    def tls(folder: Path) -> ssl.SSLContext:
        return Certificates(Files(folder), SystemClock()).context(["127.0.0.1:1", "localhost:1"])

    async with _running(sqlite_store, tmp_path, tls) as made:
        yield made


def _status() -> LinkStatus:
    values: dict[str, Any] = dict.fromkeys(LinkStatus.__annotations__, 0)
    return LinkStatus(**(values | {"name": "one", "carrier": CARRIER, "state": "bound", "last_error": ""}))


def _body(*to: str, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "from": MINE,
        "smsRecipients": [{"to": one} for one in to or (PEER,)],
        "message": "Hello",
        "smsSendOptions": {"enableDeliveryReport": True, "tag": "t"},
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not ...}


def _error(answer: Answer) -> tuple[int, str, str | None]:
    error = answer.json["error"]
    assert error["message"]
    return answer.status, error["code"], error.get("target")


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_published_version_is_served(running: Running, version: str) -> None:
    answer = await running.send(_body(), f"/sms?api-version={version}")
    assert answer.status == 202
    assert set(VERSIONS) == set(answer.headers["api-supported-versions"].split(", "))


async def test_an_unknown_version_is_refused_by_name(running: Running) -> None:
    answer = await running.send(_body(), "/sms?api-version=2020-01-01")
    assert _error(answer)[0] == 400


async def test_an_accepted_message_is_answered_as_azure_does(running: Running) -> None:
    answer = await running.send(_body())
    assert answer.status == 202
    (item,) = answer.json["value"]
    identifier = item.pop("messageId")
    assert identifier.startswith("Outgoing_")
    assert from_wire_id(identifier) is not None
    assert item == {"to": PEER, "httpStatusCode": 202, "successful": True}


async def test_one_malformed_recipient_fails_alone(running: Running) -> None:
    answer = await running.send(_body(PEER, "123", PEER))
    assert answer.status == 202
    items = answer.json["value"]
    assert [item["httpStatusCode"] for item in items] == [202, 400, 202]
    assert items[1] == {
        "to": "123",
        "httpStatusCode": 400,
        "successful": False,
        "errorMessage": "Invalid To phone number format.",
    }


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"from": ...}, "from"),
        ({"from": ""}, "from"),
        ({"from": 5}, "from"),
        ({"smsRecipients": ...}, "smsRecipients"),
        ({"smsRecipients": []}, "smsRecipients"),
        ({"smsRecipients": [{"to": PEER}] * 101}, "smsRecipients"),
        ({"smsRecipients": [{}]}, "smsRecipients[0].to"),
        ({"smsRecipients": [{"to": "nonsense"}]}, "smsRecipients"),
        ({"message": ...}, "message"),
        ({"message": ""}, "message"),
        ({"message": "x" * 2049}, "message"),
        ({"message": "😀" * 1025}, "message"),
        ({"message": "a\0b"}, "message"),
        ({"smsSendOptions": {}}, "smsSendOptions.enableDeliveryReport"),
        ({"smsSendOptions": {"enableDeliveryReport": "yes"}}, "smsSendOptions.enableDeliveryReport"),
        (
            {"smsSendOptions": {"enableDeliveryReport": True, "deliveryReportTimeoutInSeconds": 59}},
            "smsSendOptions.deliveryReportTimeoutInSeconds",
        ),
        (
            {"smsSendOptions": {"enableDeliveryReport": True, "deliveryReportTimeoutInSeconds": 43201}},
            "smsSendOptions.deliveryReportTimeoutInSeconds",
        ),
        (
            {
                "smsSendOptions": {
                    "enableDeliveryReport": True,
                    "messagingConnect": {"apiKey": "k", "partner": "p"},
                }
            },
            "smsSendOptions.messagingConnect",
        ),
        (
            {"smsRecipients": [{"to": PEER, "repeatabilityRequestId": str(uuid.UUID(int=1))}]},
            "smsRecipients[0].repeatabilityFirstSent",
        ),
        (
            {
                "smsRecipients": [
                    {"to": PEER, "repeatabilityRequestId": "1", "repeatabilityFirstSent": "yesterday"}
                ]
            },
            "smsRecipients[0].repeatabilityRequestId",
        ),
    ],
)
async def test_a_malformed_request_is_refused_at_its_place(
    running: Running, changes: dict[str, Any], target: str
) -> None:
    assert _error(await running.send(_body(**changes))) == (400, "BadRequest", target)


async def test_what_is_no_json_is_refused(running: Running) -> None:
    for raw in (b"", b"{", b"[]", b'"text"', b'{"message": "\\ud800"}', b"\xff"):
        assert (await running.send(raw)).status == 400


async def test_a_sender_that_is_not_owned_is_unauthorized_whoever_owns_it(running: Running) -> None:
    nobodys = await running.send(_body(**{"from": "+14255550100"}))
    others = await running.send(_body(**{"from": OTHERS_NUMBER}))
    assert _error(nobodys) == _error(others) == (401, "Denied", "from")
    assert nobodys.json == others.json


async def test_the_same_recipient_id_twice_is_one_message(running: Running) -> None:
    sent = format_http_date(running.house.clock.now())
    recipient = {"to": PEER, "repeatabilityRequestId": str(uuid.uuid4()), "repeatabilityFirstSent": sent}
    answers = [await running.send(_body(smsRecipients=[recipient])) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].json == answers[1].json
    assert answers[0].json["value"][0]["repeatabilityResult"] == "accepted"
    other = await running.send(_body(smsRecipients=[recipient], message="Other"))
    (item,) = other.json["value"]
    assert (item["successful"], item["repeatabilityResult"]) == (False, "rejected")
    assert "messageId" not in item


async def test_azures_sync_client_sends(secure: Running, tmp_path: Path) -> None:
    def send() -> list[Any]:
        client = SmsClient.from_connection_string(
            secure.house.connection_string, connection_verify=str(tmp_path / "ca.pem")
        )
        with client._sms_service_client:
            return list(client.send(from_=MINE, to=[PEER, "1", PEER], message="Hello 🎉", tag="t"))

    results = await asyncio.to_thread(send)
    assert [(result.to, result.http_status_code, result.successful) for result in results] == [
        (PEER, 202, True),
        ("1", 400, False),
        (PEER, 202, True),
    ]
    assert results[1].error_message == "Invalid To phone number format."
    identifier = from_wire_id(results[0].message_id)
    assert identifier is not None
    view = await secure.plane.view(identifier)
    assert (view.text, view.message.tag) == ("Hello 🎉", "t")


async def test_azures_async_client_sends_and_is_refused(secure: Running, tmp_path: Path) -> None:
    client = AsyncSmsClient.from_connection_string(
        secure.house.connection_string, connection_verify=str(tmp_path / "ca.pem")
    )
    async with client:
        (result,) = await client.send(from_=MINE, to=PEER, message="Hello")
        assert result.successful
        with pytest.raises(ClientAuthenticationError):
            await client.send(from_=OTHERS_NUMBER, to=PEER, message="Hello")
        with pytest.raises(HttpResponseError) as refused:
            await client.send(from_=MINE, to="nonsense", message="Hello")
        assert refused.value.status_code == 400
        assert refused.value.error is not None
        assert refused.value.error.code == "BadRequest"


class _Beyond(SansIOHTTPPolicy[Any, Any]):
    """Adds `tandem` to what Azure's client sends, before it is signed."""

    def __init__(self, tandem: dict[str, Any]) -> None:
        self._tandem = tandem

    def on_request(self, request: PipelineRequest[Any]) -> None:
        body = json.loads(request.http_request.data)
        request.http_request.set_json_body(body | {"tandem": self._tandem})


async def test_azures_client_asks_for_what_azure_does_not_have(secure: Running, tmp_path: Path) -> None:
    def send(message: str, tandem: dict[str, Any]) -> Any:
        client = SmsClient.from_connection_string(
            secure.house.connection_string,
            connection_verify=str(tmp_path / "ca.pem"),
            per_call_policies=[_Beyond(tandem)],
        )
        with client._sms_service_client:
            (result,) = client.send(from_=MINE, to=PEER, message=message)
            return result

    data = base64.b64encode(b"\1\xff").decode()
    for message, tandem in (
        ("Now!", {"messageClass": 0, "validitySeconds": 60}),
        ("", {"data": data, "ports": {"destination": 2948, "source": 0}}),
    ):
        result = await asyncio.to_thread(send, message, tandem)
        identifier = from_wire_id(result.message_id)
        assert identifier is not None
        view = await secure.plane.view(identifier)
        assert view.text == (message or "01ff")
        told = msgspec.to_builtins(view.message.tandem)
        assert told.items() >= {name: value for name, value in tandem.items() if name != "data"}.items()


async def test_what_is_beyond_azure_is_persisted_answered_and_repeated_like_any_message(
    running: Running,
) -> None:
    sent = format_http_date(running.house.clock.now())
    recipient = {"to": PEER, "repeatabilityRequestId": str(uuid.uuid4()), "repeatabilityFirstSent": sent}
    bodies = [
        _body(smsRecipients=[recipient], message="", tandem={"data": "AQ==", "priority": priority})
        for priority in (1, 1, 2)
    ]
    first, again, other = [await running.send(body) for body in bodies]
    assert first.status == 202
    assert first.json == again.json
    assert other.json["value"][0]["repeatabilityResult"] == "rejected"
    path = (
        f"/admin/resources/{to_text(running.plane.resource)}/messages/{first.json['value'][0]['messageId']}"
    )
    shown = (await running.admin(path)).json
    assert (shown["text"], shown["message"]["tandem"]) == ("01", {"priority": 1})


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"tandem": {"nonsense": 1}}, "tandem.nonsense"),
        ({"tandem": {"data": "AQ=="}}, "tandem.data"),
        ({"tandem": {"data": "AQ==", "udh": "BQA="}, "message": ""}, "tandem.udh"),
        ({"tandem": {"maxParts": 1}, "message": "x" * 161}, "message"),
        ({"tandem": {"protocolId": 64}}, "tandem.protocolId"),
    ],
)
async def test_what_is_beyond_azure_is_refused_at_its_place(
    running: Running, changes: dict[str, Any], target: str
) -> None:
    assert _error(await running.send(_body(**changes))) == (400, "BadRequest", target)


async def test_half_a_surrogate_pair_is_refused_as_documented(running: Running) -> None:
    raw = json.dumps(_body(message="a\ud800")).encode()
    answer = await running.send(raw)
    assert _error(answer) == (400, "BadRequest", "message")
    assert answer.json["error"]["message"] == "message: Character 2 is half a surrogate pair."


# --- administration ---


async def test_a_message_is_taken_back_once_and_sent_again(running: Running) -> None:
    sent = (await running.send(_body())).json["value"][0]["messageId"]
    path = f"/admin/resources/{to_text(running.plane.resource)}/messages/{sent}"
    answers = [await running.admin(f"{path}:{verb}", "POST") for verb in ("cancel", "cancel", "requeue")]
    assert [answer.status for answer in answers] == [200, 409, 200]
    states = [answers[at].json["message"]["state"] for at in (0, 2)]
    assert states == ["cancelled", "accepted"]


async def test_messages_are_listed_in_pages(running: Running) -> None:
    for number in range(5):
        await running.send(_body(message=f"No. {number}"))
    path: str | None = (
        f"/admin/resources/{to_text(running.plane.resource)}/messages?top=2&peer=%2B12065550100"
    )
    pages = []
    while path is not None:
        answer = await running.admin(path)
        assert answer.status == 200
        pages.append([item["messageId"] for item in answer.json["value"]])
        path = answer.json.get("nextLink")
    assert [len(page) for page in pages] == [2, 2, 1]
    assert len({identifier for page in pages for identifier in page}) == 5


async def test_a_message_is_shown_whole(running: Running) -> None:
    (item,) = (await running.send(_body())).json["value"]
    answer = await running.admin(
        f"/admin/resources/{to_text(running.plane.resource)}/messages/{item['messageId']}"
    )
    assert answer.status == 200
    assert answer.json["text"] == "Hello"
    assert answer.json["message"]["from"] == MINE
    assert [entry["kind"] for entry in answer.json["timeline"]] == ["message.accepted"]


async def test_inbound_messages_are_listed_too(running: Running) -> None:
    on = running.plane
    sms = InboundSms(CARRIER, "one", on.clock.now(), MINE, PEER, "Hi", b"Hi", "gsm")
    await on.store.write(RecordInbound(on.finisher(), on.clock.now() + 1, [sms]))
    answer = await running.admin(f"/admin/resources/{to_text(on.resource)}/messages?direction=inbound")
    (item,) = answer.json["value"]
    assert (item["from"], item["to"], item["state"]) == (PEER, MINE, "received")


async def test_what_is_not_there_and_what_is_anothers_look_the_same(running: Running) -> None:
    (item,) = (await running.send(_body())).json["value"]
    one, other = to_text(running.house.one.id), to_text(running.house.other.id)
    unknown = to_text(new_id(1))
    anothers = await running.admin(f"/admin/resources/{other}/messages/{item['messageId']}")
    nothing = await running.admin(f"/admin/resources/{one}/messages/Outgoing_20260101000000{unknown}")
    nonsense = await running.admin(f"/admin/resources/{one}/messages/nonsense")
    assert _error(anothers) == _error(nothing) == _error(nonsense) == (404, "NotFound", "messageId")
    for path in (f"{unknown}/messages", "nonsense/messages", f"{unknown}/messages/{item['messageId']}"):
        assert _error(await running.admin(f"/admin/resources/{path}")) == (404, "NotFound", "resource")
    assert (await running.admin(f"/admin/resources/{other}/messages")).json == {"value": []}


@pytest.mark.parametrize("query", ["state=nonsense", "direction=up", "before=nonsense", "top=0", "top=x"])
async def test_a_malformed_query_is_refused_at_its_place(running: Running, query: str) -> None:
    answer = await running.admin(f"/admin/resources/{to_text(running.plane.resource)}/messages?{query}")
    assert _error(answer) == (400, "BadRequest", query.partition("=")[0])


async def test_links_are_shown(running: Running) -> None:
    (link,) = (await running.admin("/admin/links")).json["value"]
    assert (link["name"], link["state"]) == ("one", "bound")
