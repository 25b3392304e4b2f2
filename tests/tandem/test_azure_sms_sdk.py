"""Azure's own package, unmodified, with nothing but a connection string."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.communication.sms import SmsClient
from azure.communication.sms.aio import SmsClient as AsyncSmsClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tests.support.node import Node, node

pytestmark = pytest.mark.peer

DELIVERED, UNDELIVERABLE, REFUSED = "+12065550100", "+12065550101", "+12065550102"
THROTTLED, ANSWERING, TWICE, EARLY = "+12065550106", "+12065550107", "+12065550109", "+12065550110"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture
def trusted(running: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(running.ca))
    return running


def test_a_message_is_sent_and_delivered(trusted: Node) -> None:
    client = SmsClient.from_connection_string(trusted.connection_string)
    results = client.send(
        from_=trusted.number, to=DELIVERED, message="Hello", enable_delivery_report=True, tag="first"
    )
    assert [(result.to, result.http_status_code, result.successful) for result in results] == [
        (DELIVERED, 202, True)
    ]
    assert results[0].message_id.startswith("Outgoing_")
    view = trusted.wait_for_state(results[0].message_id, "delivered")
    kinds = [entry["kind"] for entry in view["timeline"]]
    assert kinds == ["message.accepted", "part.submitted", "receipt.delivered", "message.delivered"]


def test_every_recipient_gets_a_result_in_order_even_twice(trusted: Node) -> None:
    to = [DELIVERED, EARLY, DELIVERED, "not a number"]
    client = SmsClient.from_connection_string(trusted.connection_string)
    results = client.send(from_=trusted.number, to=to, message="Hello")
    assert [(result.to, result.http_status_code) for result in results] == [
        (DELIVERED, 202),
        (EARLY, 202),
        (DELIVERED, 202),
        ("not a number", 400),
    ]
    assert len({result.message_id for result in results[:3]}) == 3
    for result in results[:3]:
        trusted.wait_for_state(result.message_id, "delivered")


@pytest.mark.parametrize(
    ("to", "state"),
    [(UNDELIVERABLE, "failed"), (REFUSED, "failed"), (TWICE, "delivered"), (THROTTLED, "delivered")],
)
def test_the_carriers_answer_decides_the_state(trusted: Node, to: str, state: str) -> None:
    client = SmsClient.from_connection_string(trusted.connection_string)
    (result,) = client.send(from_=trusted.number, to=to, message="Hello")
    trusted.wait_for_state(result.message_id, "delivered", "failed")
    assert trusted.message(result.message_id)["message"]["state"] == state


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 160, 1), ("x" * 161, 2), ("€" * 81, 2), ("Привет " * 20, 3), ("🎉" * 35, 1), ("🎉" * 36, 2)],
)
def test_long_texts_arrive_whole(trusted: Node, text: str, parts: int) -> None:
    client = SmsClient.from_connection_string(trusted.connection_string)
    (result,) = client.send(from_=trusted.number, to=ANSWERING, message=text)
    view = trusted.wait_for_state(result.message_id, "delivered")
    assert (view["message"]["segments"], len(view["parts"]), view["text"]) == (parts, parts, text)


def test_a_sender_that_is_not_owned_is_refused(trusted: Node) -> None:
    client = SmsClient.from_connection_string(trusted.connection_string)
    with pytest.raises(ClientAuthenticationError) as refused:
        client.send(from_="+14255550199", to=DELIVERED, message="Hello")
    assert refused.value.status_code == 401


def test_a_wrong_key_is_refused(trusted: Node) -> None:
    wrong = f"endpoint=https://{trusted.authority}/;accesskey={'A' * 86}=="
    with pytest.raises(ClientAuthenticationError):
        SmsClient.from_connection_string(wrong).send(from_=trusted.number, to=DELIVERED, message="Hello")


@pytest.mark.parametrize(
    ("to", "message"), [("12345", "Hello"), ([], "Hello"), (DELIVERED, ""), (DELIVERED, "x" * 2049)]
)
def test_what_cannot_be_sent_is_refused_with_the_reason(
    trusted: Node, to: str | list[str], message: str
) -> None:
    client = SmsClient.from_connection_string(trusted.connection_string)
    with pytest.raises(HttpResponseError) as refused:
        client.send(from_=trusted.number, to=to, message=message)
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "BadRequest"


async def test_the_async_client_sends_many_at_once(trusted: Node) -> None:
    async with AsyncSmsClient.from_connection_string(trusted.connection_string) as client:
        answers = await asyncio.gather(
            *(
                client.send(
                    from_=trusted.number,
                    to=[f"+1206555{number:04d}"],
                    message=f"No. {number}",
                    tag=str(number),
                )
                for number in range(1000, 1040)
            )
        )
    assert all(result.successful for (result,) in answers)
    for (result,) in answers:
        trusted.wait_for_state(result.message_id, "delivered")


def test_secrets_are_in_no_log(trusted: Node) -> None:
    log = trusted.output
    for file in ("connection-string", "admin-key", "master-key"):
        secret = Path(trusted.data / file).read_text().strip().rpartition("accesskey=")[2]
        assert secret
        assert secret not in log.replace((trusted.data / "connection-string").read_text().strip(), "")
