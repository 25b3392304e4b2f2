"""Accounts by administration at a whole gateway, from the configuration to a bind."""

import json
from pathlib import Path
from typing import Any

import pytest

from sms.smpp.constants import CommandStatus
from telephony.kernel.ids import to_text
from tests.support.esme import bound
from tests.support.esmes import submit
from tests.support.inside import Inside, inside
from tests.support.node import free_ports

pytestmark = pytest.mark.wire


async def ask(at: Inside, method: str, resource: bytes, tail: str = "", **body: Any) -> tuple[int, Any]:
    """Return status and body of a request about a resource's accounts."""
    target = f"/admin/resources/{to_text(resource)}/smppAccounts{tail}"
    answer = await at.administer(method, target, json.dumps(body).encode() if body else b"")
    return answer.status, json.loads(answer.body) if answer.body else None


async def test_an_account_is_made_binds_sends_and_goes(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    async with inside(tmp_path, smpp_server__enabled="true", smpp_server__port=str(port)) as at:
        one, other = at.one.id, at.other.id
        new = {"systemId": "crm", "addresses": ["127.0.0.0/8"], "inbound": True}
        status, made = await ask(at, "POST", one, **new)
        assert status == 201
        assert len(made["password"]) == 8
        assert (await ask(at, "POST", other, **new))[0] == 409
        async with bound(port, "crm", made["password"]) as esme:
            ours = submit(source_addr=at.one.number[1:])
            assert (await esme.submit(ours))[0] == 0
            theirs = submit(source_addr=at.other.number[1:])
            assert (await esme.submit(theirs))[0] == CommandStatus.ESME_RINVSRCADR
        status, listed = await ask(at, "GET", one)
        assert [(each["systemId"], "password" in each) for each in listed["value"]] == [("crm", False)]
        assert await ask(at, "GET", one, "/crm") == (200, listed["value"][0])
        assert listed["value"][0]["use"]["submitted"] == 2
        assert (await ask(at, "GET", other, "/crm"))[0] == 404
        assert (await ask(at, "GET", other))[1] == {"value": []}
        assert (await ask(at, "DELETE", other, "/crm"))[0] == 404
        status, rotated = await ask(at, "POST", one, "/crm:rotatePassword")
        async with bound(port, "crm", made["password"], status=CommandStatus.ESME_RINVPASWD):
            pass
        assert (await ask(at, "POST", one, "/crm:disable"))[0] == 204
        async with bound(port, "crm", rotated["password"], status=CommandStatus.ESME_RINVPASWD):
            pass
        assert (await ask(at, "POST", one, "/crm:enable"))[0] == 204
        async with bound(port, "crm", rotated["password"]):
            assert (await ask(at, "DELETE", one, "/crm"))[0] == 204
        assert (await ask(at, "DELETE", one, "/crm"))[0] == 404


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"systemId": "sixteencharacter"}, "systemId"),
        ({"systemId": "a", "addresses": ["everywhere"]}, "addresses"),
        ({"systemId": "a", "kind": "carrier"}, "carrier"),
        ({"systemId": "a", "password": "nine chars"}, "password"),
        ({"systemId": "a", "window": 0}, "window"),
    ],
)
async def test_a_bad_account_is_refused_by_its_field(tmp_path: Path, body: Any, target: str) -> None:
    async with inside(tmp_path) as at:
        status, answer = await ask(at, "POST", at.one.id, **body)
        assert (status, answer["error"]["target"]) == (400, target)


async def test_no_such_resource_has_no_accounts(tmp_path: Path) -> None:
    async with inside(tmp_path) as at:
        assert (await ask(at, "GET", bytes(16)))[0] == 404
