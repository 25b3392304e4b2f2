"""The control interface over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from carriers.simulated.control import Control
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from tests.support.esme import bound

pytestmark = pytest.mark.wire

TEXT = {"from": "+12065550199", "to": "+14255550123", "text": "Hello ☎"}


@pytest.fixture
async def control() -> AsyncIterator[tuple[Smsc, str]]:
    accounts = {"tandem": SimulatedAccount(password=Secret("secret"))}
    smsc = Smsc(SimulatedSettings(port=0, accounts=accounts), clock=SystemClock())
    served = Control(smsc, 0)
    await smsc.start()
    await served.start()
    yield smsc, f"http://127.0.0.1:{served.port}"
    await served.stop()
    await smsc.stop()


async def ask(method: str, url: str, **options: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as client, client.request(method, url, **options) as response:
        return response.status, await response.json()


async def test_an_inbound_text_is_delivered_to_the_bind(control: tuple[Smsc, str]) -> None:
    smsc, url = control
    async with bound(smsc.port) as esme:
        status, answer = await ask("POST", f"{url}/inbound", json=TEXT)
        assert status == 202
        assert answer["parts"] == 1
        assert answer["messageId"]
        delivery = await esme.delivery()
        assert delivery.short_message.decode("utf-16-be") == "Hello ☎"
        assert (delivery.source_addr, delivery.destination_addr) == ("12065550199", "14255550123")
        await esme.settled()
        status, stats = await ask("GET", f"{url}/stats")
        assert status == 200
        assert stats["total"] == stats["accounts"]["tandem"]
        assert (stats["total"]["texts"], stats["total"]["answered"], stats["total"]["binds"]) == (1, 1, 1)


async def test_inbound_octets_are_delivered_to_the_bind(control: tuple[Smsc, str]) -> None:
    smsc, url = control
    octets = {"from": "+12065550199", "to": "+14255550123", "data": "AQL/", "udh": "BgUEC4Qj8A=="}
    async with bound(smsc.port) as esme:
        assert (await ask("POST", f"{url}/inbound", json=octets | {"dataCoding": 245}))[0] == 202
        delivery = await esme.delivery()
        assert (delivery.data_coding, delivery.esm_class) == (245, 0x40)
        assert delivery.short_message == bytes.fromhex("0605040b8423f0") + b"\1\2\xff"
        assert (await ask("POST", f"{url}/inbound", json=octets | {"udh": ""}))[0] == 202
        delivery = await esme.delivery()
        assert (delivery.data_coding, delivery.esm_class, delivery.short_message) == (4, 0, b"\1\2\xff")
        await esme.settled()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "missing required field `from`"),
        (TEXT | {"form": 1}, 400, "unknown field `form`"),
        (TEXT | {"from": "1" * 21}, 400, "`$.from`"),
        (TEXT | {"to": "+1\n2"}, 400, "`$.to`"),
        (TEXT | {"account": "nobody"}, 404, "no account 'nobody'"),
        (TEXT | {"text": "a" * 153 * 256}, 400, "longer than 255 parts"),
        (TEXT | {"data": "AQ=="}, 400, "exclude each other"),
        (TEXT | {"text": "", "data": "no base64"}, 400, "`$.data`"),
        (TEXT | {"text": "", "data": "AQ==", "udh": "BQ=="}, 400, "not well-formed"),
        (TEXT | {"text": "", "data": "AQ==", "dataCoding": 256}, 400, "`$.dataCoding`"),
    ],
)
async def test_a_wrong_text_is_refused_by_name(
    control: tuple[Smsc, str], body: dict[str, Any], status: int, words: str
) -> None:
    answered, answer = await ask("POST", f"{control[1]}/inbound", json=body)
    assert answered == status
    assert words in answer["error"]
    assert control[0].stats().total.pending == 0


async def test_what_a_web_page_could_send_is_refused(control: tuple[Smsc, str]) -> None:
    plain = {"Content-Type": "text/plain"}
    status, _ = await ask("POST", f"{control[1]}/inbound", data=b'{"text":"x"}', headers=plain)
    assert status == 415
    elsewhere = {"Host": "tandem.example"}
    status, answer = await ask("POST", f"{control[1]}/inbound", json=TEXT, headers=elsewhere)
    assert (status, "127.0.0.1" in answer["error"]) == (400, True)
    assert control[0].stats().total.pending == 0
