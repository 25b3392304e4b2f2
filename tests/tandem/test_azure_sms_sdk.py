"""Azure's own package, unmodified, with nothing but a connection string."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.communication.sms import SmsClient
from azure.communication.sms.aio import SmsClient as AsyncSmsClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tests.support.node import Node, environment, node

pytestmark = pytest.mark.peer

DELIVERED, UNDELIVERABLE, REFUSED = "+12065550100", "+12065550101", "+12065550102"
THROTTLED, ANSWERING, TWICE, EARLY = "+12065550106", "+12065550107", "+12065550109", "+12065550110"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("node")) as running:
        yield running


def client_of(node: Node) -> SmsClient:
    return SmsClient.from_connection_string(node.connection_string, connection_verify=str(node.ca))


def test_a_fresh_process_needs_the_connection_string_and_the_authority_only(running: Node) -> None:
    script = f"""
import asyncio
from azure.communication.sms import SmsClient
from azure.communication.sms.aio import SmsClient as AsyncSmsClient

text = {running.connection_string!r}
what = dict(from_={running.number!r}, to={DELIVERED!r}, message="Hello")
print(SmsClient.from_connection_string(text).send(**what)[0].successful)

async def main():
    async with AsyncSmsClient.from_connection_string(text) as client:
        print((await client.send(**what))[0].successful)

asyncio.run(main())
"""
    trust = {name: str(running.ca) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment(), **trust},
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_a_message_is_sent_and_delivered(running: Node) -> None:
    client = client_of(running)
    results = client.send(
        from_=running.number, to=DELIVERED, message="Hello", enable_delivery_report=True, tag="first"
    )
    assert [(result.to, result.http_status_code, result.successful) for result in results] == [
        (DELIVERED, 202, True)
    ]
    assert results[0].message_id.startswith("Outgoing_")
    view = running.wait_for_state(results[0].message_id, "delivered")
    kinds = [entry["kind"] for entry in view["timeline"]]
    assert kinds == ["message.accepted", "part.submitted", "receipt.delivered", "message.delivered"]


def test_every_recipient_gets_a_result_in_order_even_twice(running: Node) -> None:
    to = [DELIVERED, EARLY, DELIVERED, "not a number"]
    client = client_of(running)
    results = client.send(from_=running.number, to=to, message="Hello")
    assert [(result.to, result.http_status_code) for result in results] == [
        (DELIVERED, 202),
        (EARLY, 202),
        (DELIVERED, 202),
        ("not a number", 400),
    ]
    assert len({result.message_id for result in results[:3]}) == 3
    for result in results[:3]:
        running.wait_for_state(result.message_id, "delivered")


@pytest.mark.parametrize(
    ("to", "state"),
    [(UNDELIVERABLE, "failed"), (REFUSED, "failed"), (TWICE, "delivered"), (THROTTLED, "delivered")],
)
def test_the_carriers_answer_decides_the_state(running: Node, to: str, state: str) -> None:
    client = client_of(running)
    (result,) = client.send(from_=running.number, to=to, message="Hello")
    running.wait_for_state(result.message_id, "delivered", "failed")
    assert running.message(result.message_id)["message"]["state"] == state


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 160, 1), ("x" * 161, 2), ("€" * 81, 2), ("Привет " * 20, 3), ("🎉" * 35, 1), ("🎉" * 36, 2)],
)
def test_long_texts_arrive_whole(running: Node, text: str, parts: int) -> None:
    client = client_of(running)
    (result,) = client.send(from_=running.number, to=ANSWERING, message=text)
    view = running.wait_for_state(result.message_id, "delivered")
    assert (view["message"]["segments"], len(view["parts"]), view["text"]) == (parts, parts, text)


def test_a_sender_that_is_not_owned_is_refused(running: Node) -> None:
    client = client_of(running)
    with pytest.raises(ClientAuthenticationError) as refused:
        client.send(from_="+14255550199", to=DELIVERED, message="Hello")
    assert refused.value.status_code == 401


def test_a_wrong_key_is_refused(running: Node) -> None:
    wrong = f"endpoint=https://{running.authority}/;accesskey={'A' * 86}=="
    with pytest.raises(ClientAuthenticationError):
        SmsClient.from_connection_string(wrong, connection_verify=str(running.ca)).send(
            from_=running.number, to=DELIVERED, message="Hello"
        )


@pytest.mark.parametrize(
    ("to", "message"), [("12345", "Hello"), ([], "Hello"), (DELIVERED, ""), (DELIVERED, "x" * 2049)]
)
def test_what_cannot_be_sent_is_refused_with_the_reason(
    running: Node, to: str | list[str], message: str
) -> None:
    client = client_of(running)
    with pytest.raises(HttpResponseError) as refused:
        client.send(from_=running.number, to=to, message=message)
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "BadRequest"


async def test_the_async_client_sends_many_at_once(running: Node) -> None:
    async with AsyncSmsClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca)
    ) as client:
        answers = await asyncio.gather(
            *(
                client.send(
                    from_=running.number,
                    to=[f"+1206555{number:04d}"],
                    message=f"No. {number}",
                    tag=str(number),
                )
                for number in range(1000, 1040)
            )
        )
    assert all(result.successful for (result,) in answers)
    for (result,) in answers:
        running.wait_for_state(result.message_id, "delivered")


def test_secrets_are_in_no_log(running: Node) -> None:
    log = running.output
    for file in ("connection-string", "admin-key", "master-key"):
        secret = Path(running.data / file).read_text().strip().rpartition("accesskey=")[2]
        assert secret
        assert secret not in log.replace((running.data / "connection-string").read_text().strip(), "")
