"""SIP routing in a whole gateway: who sees what, what the operator may, what is written down."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from telephony.kernel.ids import to_text
from tests.support.inside import Inside, Tenant, inside

pytestmark = pytest.mark.wire

SIP = "/sip?api-version=2023-03-01"
NEWEST = "api-version=2024-11-15-preview"
TRUNKS = b'{"trunks":{"sbc.contoso.com":{"sipSignalingPort":5061}}}'
ROUTES = rb'{"routes":[{"name":"all","numberPattern":"^\\+","trunks":["sbc.contoso.com"]}]}'


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path / "var", http__rate="1000000", log__level="error") as running:
        yield running


async def sip(home: Inside, tenant: Tenant, body: bytes = b"") -> Any:
    answer = await home.sign_and_ask("PATCH" if body else "GET", SIP, body, tenant=tenant)
    assert answer.status == 200, answer.body
    return answer.json


def path(tenant: Tenant, more: str = "") -> str:
    return f"/admin/resources/{to_text(tenant.id)}/sip-trunks{more}"


async def test_a_resource_sees_and_changes_its_own_trunks_alone(home: Inside) -> None:
    await sip(home, home.one, TRUNKS)
    await sip(home, home.one, ROUTES)
    assert await sip(home, home.other) == {"trunks": {}, "routes": []}
    answer = await home.sign_and_ask("PATCH", SIP, ROUTES, tenant=home.other)  # the trunk is not its own
    assert (answer.status, answer.json["error"]["innererror"]["code"]) == (422, "MissingTrunk")
    assert answer.headers["x-ms-error-code"] == "UnprocessableConfiguration"
    tested = f"/sip:testRoutesWithNumber?targetPhoneNumber=+14255550100&{NEWEST}"
    for tenant, expected in ((home.one, ["all"]), (home.other, [])):
        answer = await home.sign_and_ask("POST", tested, tenant=tenant)
        assert [each["name"] for each in answer.json["matchingRoutes"]] == expected
    await sip(home, home.other, b'{"trunks":{"sbc.contoso.com":null,"x.y":{"sipSignalingPort":1}}}')
    assert list((await sip(home, home.one))["trunks"]) == ["sbc.contoso.com"]
    for headers in ({}, home.signed("GET", SIP, tenant=home.one, key=home.other.key)):
        assert (await home.ask("GET", SIP, b"", headers)).status == 401
    answer = await home.sign_and_ask("GET", "/sip?api-version=2020-01-01")
    assert answer.json["error"]["code"] == "UnsupportedApiVersionValue"


async def test_addresses_that_an_sbc_comes_in_from_are_the_operators_word(home: Inside) -> None:
    await sip(home, home.one, TRUNKS)
    enable = path(home.one, "/sbc.contoso.com:enable")
    done = await home.administer("POST", enable, b'{"addresses":["203.0.113.0/28","203.0.113.0/28"]}')
    assert (done.status, done.json["addresses"]) == (200, ["203.0.113.0/28"])
    wide = await home.administer("POST", enable, b'{"addresses":["0.0.0.0/0"]}')
    assert (wide.status, wide.json["error"]["target"]) == (400, "addresses[0]")
    other = path(home.other, "/sbc.other.com:enable")
    taken = await home.administer("POST", other, b'{"addresses":["203.0.113.7"]}')
    assert (taken.status, taken.json["error"]["target"]) == (409, "addresses[0]")
    (listed,) = (await home.administer("GET", path(home.one))).json["value"]
    assert listed["addresses"] == ["203.0.113.0/28"]


async def test_an_explanation_of_a_call_shows_the_own_routes_and_then_the_operators(home: Inside) -> None:
    await sip(home, home.one, TRUNKS)
    await sip(home, home.one, ROUTES.replace(rb"^\\+", rb"^\\+49"))
    current = (await home.administer("GET", "/admin/routes")).json
    rules = {"routes": [{"id": "calls", "kind": "voice", "target": "simulated", "cost": 5}]}
    body = json.dumps({"set": rules, "version": current["version"]}).encode()
    assert (await home.administer("PUT", "/admin/routes", body)).status == 200

    async def explained(to: str) -> Any:
        asked = json.dumps({"to": to, "from": home.one.number, "kind": "voice"}).encode()
        answer = await home.administer("POST", "/admin/explain", asked)
        assert answer.status == 200, answer.body
        return answer.json

    waiting = await explained("+4930123456")
    assert "hops" not in waiting
    assert waiting["refusal"] == "None of the trunks of the resource's own route can be used."
    await home.administer("POST", path(home.one, "/sbc.contoso.com:enable"))
    own = await explained("+4930123456")
    assert [(each["rule"], each["target"], each["taken"]) for each in own["tried"]] == [
        ("all", "sbc.contoso.com", True),
        ("calls", "simulated", False),
    ]
    (hop,) = own["hops"]
    assert (hop["target"], hop["whose"], hop["destination"]) == ("sbc.contoso.com", "resource", "+4930123456")
    assert "cost" not in hop
    carriers = await explained("+14165550123")
    assert [(each["rule"], each["taken"]) for each in carriers["tried"]] == [("all", False), ("calls", True)]
    (hop,) = carriers["hops"]
    assert (hop["target"], hop["cost"]) == ("simulated", {"micros": 5, "currency": "EUR"})


async def test_the_operator_decides_by_resource_and_everything_is_written_down(home: Inside) -> None:
    await sip(home, home.one, TRUNKS)
    await sip(home, home.other, TRUNKS)
    enabled = await home.administer("POST", path(home.one, "/sbc.contoso.com:enable"))
    assert (enabled.status, enabled.json["state"], enabled.json["enabled"]) == (200, "usable", True)
    taken = await home.administer("POST", path(home.other, "/sbc.contoso.com:enable"))
    assert taken.status == 409
    (others,) = (await home.administer("GET", path(home.other))).json["value"]
    assert (others["state"], others["enabled"]) == ("not-enabled", False)
    gone = await home.administer("POST", path(home.one, "/SBC.contoso.com:disable"))
    assert gone.status == 204
    for target in (path(home.one, "/x.y"), "/admin/resources/nonsense/sip-trunks"):
        assert (await home.administer("GET", target)).status == 404
    audit = (await home.administer("GET", f"/admin/audit?resource={to_text(home.one.id)}")).json["value"]
    found = [(each["operation"], each["actor"]["kind"], each["status"]) for each in audit]
    assert found == [
        ("admin.sip_trunks.disable", "administrator", 204),
        ("admin.sip_trunks.enable", "administrator", 200),
        ("sip.update", "resource", 200),
    ]
    disabled, enabled_, updated = audit
    assert (enabled_["before"]["state"], enabled_["after"]["state"]) == ("not-enabled", "usable")
    assert disabled["after"]["state"] == "not-enabled"
    assert updated["after"]["trunks"]["sbc.contoso.com"]["sipSignalingPort"] == 5061
    assert updated["actor"]["address"] == "127.0.0.1"


async def test_a_reader_of_the_administration_enables_nothing(home: Inside) -> None:
    body = json.dumps({"name": "reader", "role": "read-only"}).encode()
    made = await home.administer("POST", "/admin/keys", body)
    headers = {"Authorization": f"Bearer {made.json['key']}"}
    assert (await home.administer("GET", path(home.one), b"", headers)).status == 200
    target = path(home.one, "/sbc.contoso.com:enable")
    assert (await home.administer("POST", target, b"", headers)).status == 403
    assert (await home.administer("GET", path(home.one))).json == {"value": []}
