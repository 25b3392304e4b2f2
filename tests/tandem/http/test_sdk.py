"""Azure's own SMS client, unmodified, sync and async, over TLS by our own authority."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.communication.sms import SmsClient
from azure.communication.sms.aio import SmsClient as AsyncSmsClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tandem.http import Settings
from tandem.tls import Certificates, Files
from telephony.kernel.clock import SystemClock
from telephony.kernel.http.limits import RequestLimits
from telephony.resources.access_key import connection_string
from tests.support.http import House, house
from tests.support.toys import Toys

pytestmark = pytest.mark.peer


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    files = Files(tmp_path / "tls")
    context = Certificates(files, SystemClock()).context(["127.0.0.1:0"])
    toys = Toys()
    settings = Settings(limits=RequestLimits(concurrent=10))
    async with house(toys.routes(), tmp_path, tls=context, settings=settings) as home:
        home.extra = {"ca": str(files.authority), "toys": toys}
        yield home


def send_sync(text: str, ca: str, **options: Any) -> list[Any]:
    client = SmsClient.from_connection_string(text, connection_verify=ca, retry_total=0)
    return list(client.send(from_="+15550100", to=["+15550101", "+15550102"], message="héllo", **options))


async def test_the_sync_client_sends(home: House) -> None:
    results = await asyncio.to_thread(
        send_sync, home.connection_string, home.extra["ca"], enable_delivery_report=True, tag="a tag"
    )
    assert [(result.to, result.http_status_code, result.successful) for result in results] == [
        ("+15550101", 202, True),
        ("+15550102", 202, True),
    ]
    (request,) = home.extra["toys"].seen
    assert request.resource == home.one.id
    assert request.body.message == "héllo"
    assert request.body.sms_recipients[0].repeatability_request_id
    assert request.origin == f"https://{home.authority}"


async def test_the_async_client_sends(home: House) -> None:
    async with AsyncSmsClient.from_connection_string(
        home.connection_string,
        connection_verify=home.extra["ca"],
        retry_total=0,
    ) as client:
        results = list(await client.send(from_="+15550100", to="+15550101", message="hello"))
    assert [result.http_status_code for result in results] == [202]


async def test_the_other_resource_is_reached_by_its_own_name_and_key(home: House) -> None:
    text = connection_string(home.others_authority, home.other.keys.secondary).reveal()
    await asyncio.to_thread(send_sync, text, home.extra["ca"])
    assert home.extra["toys"].seen[0].resource == home.other.id


async def test_a_wrong_key_is_the_clients_authentication_error(home: House) -> None:
    text = connection_string(home.authority, home.other.keys.primary).reveal()
    with pytest.raises(ClientAuthenticationError) as refused:
        await asyncio.to_thread(send_sync, text, home.extra["ca"])
    assert refused.value.status_code == 401


async def test_an_error_is_read_by_the_client(home: House) -> None:
    def send() -> None:
        client = SmsClient.from_connection_string(
            home.connection_string, connection_verify=home.extra["ca"], retry_total=0
        )
        client.send(from_="+15550100", to="+15550101", message="refuse me")

    with pytest.raises(HttpResponseError) as refused:
        await asyncio.to_thread(send)
    assert refused.value.status_code == 409
    assert refused.value.error is not None
    assert (refused.value.error.code, refused.value.error.message) == ("Conflict", "The toy refuses.")
