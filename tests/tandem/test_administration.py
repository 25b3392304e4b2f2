"""Resources made, changed and disabled in a running gateway: certificate, listeners, keys follow at once."""

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sms.smpp.constants import CommandStatus
from sms.smpp.pdu import Unbind
from tandem.first_start import Keepsakes
from tandem.listeners import further_addresses
from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign
from telephony.kernel.ids import to_text
from tests.support.esme import bound
from tests.support.http import Answer, read_answer, request_bytes
from tests.support.inside import Inside, inside
from tests.support.node import free_ports

pytestmark = pytest.mark.wire

TARGET = "/sms?api-version=2021-03-07"
BODY = json.dumps(
    {"from": "+14255550177", "smsRecipients": [{"to": "+12065550100"}], "message": "Hello"}
).encode()
NOT_MINE, NOBODY = "not a phone number of this resource", "Denied"


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path / "var", http__rate="1000000", log__level="error") as running:
        yield running


def fields(connection_string: str) -> Mapping[str, str]:
    return dict(field.split("=", 1) for field in connection_string.split(";"))


async def send(home: Inside, connection_string: str, address: str = "127.0.0.1") -> Answer:
    """Ask to send as an SDK does that has nothing but the connection string and the authority's certificate.

    The number is nobody's: 401 with the number as target means that the key was right.
    """
    given = fields(connection_string)
    host = given["endpoint"].removeprefix("https://").rstrip("/")
    key = base64.b64decode(given["accesskey"])
    headers = sign("POST", TARGET, host=host, body=BODY, key=key, now=SystemClock().now())
    return await ask(home, host, {"Content-Type": "application/json", **headers}, address)


async def ask(home: Inside, host: str, headers: Mapping[str, str], address: str) -> Answer:
    trusting = ssl.create_default_context(cafile=home.data / "ca.pem")
    name = host.rpartition(":")[0]
    reader, writer = await asyncio.open_connection(address, home.port, ssl=trusting, server_hostname=name)
    try:
        writer.write(request_bytes("POST", TARGET, BODY, {"Host": host, "Connection": "close", **headers}))
        return await asyncio.wait_for(read_answer(reader), 20)
    finally:
        writer.close()


def let_in(answer: Answer) -> bool:
    assert answer.status == 401
    return bool(answer.json["error"].get("target") == "from")


async def administer(home: Inside, method: str, path: str, body: object = None, status: int = 200) -> Any:
    raw = b"" if body is None else json.dumps(body).encode()
    answer = await home.administer(method, path, raw)
    assert answer.status == status, answer.body
    return answer.json if answer.body else None


async def test_a_new_resource_is_reached_at_its_own_address_at_once(home: Inside) -> None:
    second = f"127.0.0.2:{home.port}"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.2", home.port)
    body = {"name": "second", "authorities": [second, f"second.example:{home.port}"]}
    made = await administer(home, "POST", "/admin/resources", body, 201)
    assert made["authorities"] == [second, f"second.example:{home.port}"]
    for string in (made["primaryConnectionString"], made["secondaryConnectionString"]):
        assert fields(string)["endpoint"] == f"https://{second}/"
        assert let_in(await send(home, string, "127.0.0.2"))
    by_name = made["primaryConnectionString"].replace(second, f"second.example:{home.port}")
    assert let_in(await send(home, by_name))
    listed = (await administer(home, "GET", "/admin/resources"))["value"]
    assert [one["name"] for one in listed] == ["first", "other", "second"]
    shown = await administer(home, "GET", f"/admin/resources/{made['id']}")
    assert shown == listed[-1]
    assert "accesskey" not in str(listed)
    # Without its address nobody listens there any more.
    path = f"/admin/resources/{made['id']}:removeAuthorities"
    left = await administer(home, "POST", path, {"authorities": [second]})
    assert left["authorities"] == [f"second.example:{home.port}"]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.2", home.port)


async def test_a_rotated_key_opens_nothing_any_more_and_the_other_one_stays(home: Inside) -> None:
    body = {"name": "second", "authorities": [f"second.example:{home.port}"]}
    made = await administer(home, "POST", "/admin/resources", body, 201)
    before = [made["primaryConnectionString"], made["secondaryConnectionString"]]
    for place, slot in enumerate(("primary", "secondary")):
        path = f"/admin/resources/{made['id']}:rotateKey"
        answer = await administer(home, "POST", path, {"keyType": slot})
        assert answer["keyType"] == slot
        assert not let_in(await send(home, before[place]))
        assert let_in(await send(home, answer["connectionString"]))
        before[place] = answer["connectionString"]
        assert all([let_in(await send(home, each)) for each in before])


async def test_the_file_with_the_first_connection_string_follows_its_key(home: Inside) -> None:
    path = f"/admin/resources/{to_text(home.one.id)}:rotateKey"
    answer = await administer(home, "POST", path, {"keyType": "primary"})
    kept = Keepsakes(home.data).connection_string
    assert kept.read_text() == answer["connectionString"] + "\n"
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_nobody_gets_into_a_disabled_resource_until_it_is_enabled(home: Inside) -> None:
    body = {"name": "second", "authorities": [f"second.example:{home.port}"]}
    made = await administer(home, "POST", "/admin/resources", body, 201)
    string = made["primaryConnectionString"]
    item = f"/admin/resources/{made['id']}"
    await administer(home, "DELETE", item, None, 204)
    refused = await send(home, string)
    unknown = await send(home, string.replace("second.example", "localhost"))
    assert (refused.status, refused.body) == (unknown.status, unknown.body)
    assert (await administer(home, "GET", item))["enabled"] is False
    taken = {"name": "third", "authorities": [f"second.example:{home.port}"]}
    await administer(home, "POST", "/admin/resources", taken, 409)
    assert (await administer(home, "POST", item + ":enable"))["enabled"] is True
    assert let_in(await send(home, string))


async def test_smpp_accounts_of_a_disabled_resource_are_unbound_and_cannot_come_back(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    smpp = {"smpp_server__enabled": "true", "smpp_server__port": str(port)}
    async with inside(tmp_path / "var", log__level="error", **smpp) as home:
        item = f"/admin/resources/{to_text(home.other.id)}"
        account = {"systemId": "crm", "addresses": ["127.0.0.1/32"], "password": "secret"}
        await administer(home, "POST", item + "/smppAccounts", account, 201)
        async with bound(port, "crm") as esme:
            await administer(home, "DELETE", item, None, 204)
            assert isinstance((await esme.next()).pdu, Unbind)
        async with bound(port, "crm", status=CommandStatus.ESME_RINVPASWD):
            pass
        await administer(home, "POST", item + ":enable")
        async with bound(port, "crm"):
            pass


async def test_no_key_is_in_a_log_line_or_a_record(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with inside(tmp_path / "var") as home:
            body = {"name": "second", "authorities": [f"second.example:{home.port}"]}
            made = await administer(home, "POST", "/admin/resources", body, 201)
            path = f"/admin/resources/{made['id']}:rotateKey"
            rotated = await administer(home, "POST", path, {"keyType": "primary"})
            key = await administer(home, "POST", "/admin/keys", {"name": "ops", "role": "owner"}, 201)
            records = await administer(home, "GET", "/admin/audit")
    strings = (
        made["primaryConnectionString"],
        made["secondaryConnectionString"],
        rotated["connectionString"],
    )
    secrets = [fields(each)["accesskey"] for each in strings] + [key["key"], home.admin_key]
    said = str(lines) + str(records)
    assert len(records["value"]) == 3
    assert "resources.key_rotated" in said
    assert not [secret for secret in secrets if secret in said or secret.rstrip("=") in said]


async def test_authorities_are_unique_and_never_all_removed(home: Inside) -> None:
    item = f"/admin/resources/{to_text(home.other.id)}"
    own = {"authorities": [home.other.authority]}
    error = await administer(home, "POST", item + ":removeAuthorities", own, 400)
    assert error["error"]["target"] == "authorities"
    await administer(home, "POST", item + ":removeAuthorities", {"authorities": ["no.example"]}, 404)
    await administer(home, "POST", item + ":addAuthorities", {"authorities": [home.one.authority]}, 409)
    for wrong in ("no host", "https://a.example", "a.example:0", ""):
        await administer(home, "POST", item + ":addAuthorities", {"authorities": [wrong]}, 400)
    nowhere = f"/admin/resources/{'0' * 8}-0000-7000-8000-{'0' * 12}"
    for method, path, body in (
        ("GET", nowhere, None),
        ("DELETE", nowhere, None),
        ("POST", nowhere + ":enable", None),
        ("POST", nowhere + ":addAuthorities", own),
        ("POST", nowhere + ":rotateKey", {"keyType": "primary"}),
        ("GET", "/admin/resources/nothing", None),
    ):
        assert (await administer(home, method, path, body, 404))["error"]["target"] == "resource"


async def test_an_address_that_is_taken_is_told(home: Inside) -> None:
    with socket.create_server(("127.0.0.3", home.port)):
        body = {"name": "third", "authorities": [f"127.0.0.3:{home.port}"]}
        await administer(home, "POST", "/admin/resources", body, 201)
    health = await home.ask("GET", "/health")
    assert f"cannot listen on 127.0.0.3:{home.port}: Address already in use" in health.json["trouble"]


async def test_a_revoked_key_of_administration_opens_nothing_and_an_owner_stays(home: Inside) -> None:
    made = await administer(home, "POST", "/admin/keys", {"name": "ops", "role": "operator"}, 201)
    assert made["key"].startswith("tak_")
    own = {"Authorization": f"Bearer {made['key']}"}
    assert (await home.administer("GET", "/admin/links", b"", own)).status == 200
    await administer(home, "DELETE", f"/admin/keys/{made['id']}", None, 204)
    assert (await home.administer("GET", "/admin/links", b"", own)).status == 401
    await administer(home, "DELETE", f"/admin/keys/{made['id']}", None, 404)
    await administer(home, "DELETE", "/admin/keys/nothing", None, 404)
    listed = (await administer(home, "GET", "/admin/keys"))["value"]
    assert [(one["name"], "revoked" in one) for one in listed] == [("this node's own", False), ("ops", True)]
    assert "tak_" not in str(listed)
    await administer(home, "DELETE", f"/admin/keys/{listed[0]['id']}", None, 409)


def test_only_further_loopback_addresses_at_the_same_port_need_a_listener() -> None:
    names = {
        "127.0.0.1:8443",
        "127.0.0.2:8443",
        "127.0.0.3:9443",
        "[::1]:8443",
        "a.example:8443",
        "10.0.0.1:8443",
    }
    assert further_addresses(names, host="127.0.0.1", port=8443) == {"127.0.0.2", "::1"}
    assert further_addresses(names, host="0.0.0.0", port=8443) == set()
    assert further_addresses({"127.0.0.2", "[::1]"}, host="127.0.0.1", port=443) == {"127.0.0.2", "::1"}
